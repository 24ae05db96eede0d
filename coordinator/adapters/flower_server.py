"""A Flower ServerApp that runs the whole schedule of a run: life-cycle stages, slot by slot.

Preparation and application slots are query messages; development slots are the rounds of one strategy,
recycling slots those of a second one on a second task. Every slot is opened and closed with the coordinator.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Strategy

from carbon_data.quiet_log import QuietFileHandler
from protos.messages.runner import SlotPlan, SlotSummary
from protos.messages.terms import Stage

from .flower_slots import ConfigValue, SlotControl, call, group_of, slot_config
from .flower_strategy import ARRAYS, CONFIG, Decided, Replies, read_replies

PREPARE, INFER, WORK = "query.prepare", "query.infer", "query.work"
"""Message types of preparation and application slots, and of development slots in which nothing is learned."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A global model on data that no node holds; in a user's own app as the app evaluates it."""

    loss: float | None
    """None where an app does not say; our tasks always do."""
    accuracy_fraction: float | None
    examples: int


@dataclass(frozen=True)
class LearningTask:
    """Learning task of development slots (or recycling slots).

    ``initial`` makes the first model, from the model before it (None in development; the developed model in
    recycling). ``evaluate`` is the central evaluation, ``examples`` its size; None: no central evaluation.
    """

    strategy: Callable[[], Strategy]
    initial: Callable[[ArrayRecord | None], ArrayRecord]
    evaluate: Callable[[ArrayRecord], Evaluation] | None = None
    examples: int = 0
    train_config: Mapping[str, ConfigValue] = field(default_factory=dict)
    evaluate_every: int = 1
    """Evaluate after every so many rounds, and after the last."""

    def due(self, server_round: int, rounds: int) -> bool:
        """Whether the model is evaluated after this round. Round 0 is the model before training."""
        return self.evaluate is not None and (
            server_round % self.evaluate_every == 0 or server_round == rounds
        )


@dataclass(frozen=True, slots=True)
class SlotOutcome:
    """A slot as the runner saw it."""

    slot: int
    stage: Stage
    server_round: int | None
    """Round of the stage's strategy; None outside learning stages."""
    plan: SlotPlan
    replies: Replies
    summary: SlotSummary
    evaluation: Evaluation | None = None
    interrupted: bool = False
    """The run was broken off in this slot, and resumed after it: what nodes answered in it is lost."""
    not_asked: tuple[str, ...] = ()
    """Nodes that a user's app did not choose for the round that ends with this slot: their work of it is none."""


@dataclass(frozen=True, slots=True)
class Booked:
    """All that a run goes on from after a slot, beside the books and the nodes."""

    outcome: SlotOutcome
    """Without its evaluation, which follows."""
    record: RunRecord
    models: Mapping[Stage, ArrayRecord]
    strategy: Strategy | None
    """Of the learning stage that the slot is in; None outside."""


@dataclass
class RunRecord:
    """Filled while the ServerApp runs."""

    outcomes: list[SlotOutcome] = field(default_factory=list)
    models: dict[Stage, ArrayRecord] = field(default_factory=dict)
    """Last model of each learning stage."""
    initial_evaluations: dict[Stage, Evaluation] = field(default_factory=dict)


def stage_runs(stages: Sequence[Stage]) -> Iterator[tuple[Stage, list[int]]]:
    """Slots in runs of equal stage."""
    for stage, group in itertools.groupby(enumerate(stages), key=lambda pair: pair[1]):
        yield stage, [slot for slot, _ in group]


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Flower's own log lines go to a file of the run instead of the terminal; afterwards to where they went before."""
    flower = logging.getLogger("flwr")
    before, propagated = list(flower.handlers), flower.propagate
    handler = QuietFileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    flower.handlers[:] = [handler]
    flower.propagate = False
    try:
        yield
    finally:
        flower.handlers[:] = before
        flower.propagate = propagated
        handler.close()


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """Plan of a run: the life-cycle stage of every slot, and the learning tasks of the stages that learn."""

    stages: Sequence[Stage]
    development: LearningTask | None
    """None: nothing is learned; work is counted, or nodes serve a model that they have."""
    recycling: LearningTask | None = None
    """Needed where there are recycling slots."""
    first_slot: int = 0
    """Where the run begins, or goes on: the record then holds the slots before."""
    recall: Callable[[Stage, Strategy], None] = lambda *_: None
    """Gives the strategy of a stage that goes on the state that it had."""

    def __post_init__(self) -> None:
        if Stage.RECYCLING in self.stages and self.recycling is None:
            raise ValueError("the schedule has recycling slots but no recycling task was given")
        if Stage.UNALLOCATED in self.stages:
            raise ValueError(
                f"{Stage.UNALLOCATED} is no stage of a slot; allowed are the four life-cycle stages"
            )

    def task_of(self, stage: Stage) -> LearningTask | None:
        """Learning task of a stage; None where nothing is learned."""
        return {Stage.DEVELOPMENT: self.development, Stage.RECYCLING: self.recycling}.get(stage)

    def brings_model(self, stage: Stage) -> bool:
        """Whether the messages of a slot of ``stage`` bring a model."""
        served = stage is Stage.APPLICATION and self.development is not None
        return served or self.task_of(stage) is not None

    def round_of(self, slot: int) -> tuple[int, int] | None:
        """(round that ``slot`` is, rounds of its strategy); None outside learning stages."""
        if self.task_of(self.stages[slot]) is None:
            return None
        slots = next(slots for _, slots in stage_runs(self.stages) if slot in slots)
        return slots.index(slot) + 1, len(slots)


@dataclass(frozen=True, kw_only=True)
class Link:
    """The coordinator and the nodes, and how long is waited for them."""

    control: SlotControl
    numbers: Mapping[str, int]
    """Flower node number by node id."""
    wait_s: float = 10.0
    """How long the coordinator waits for telemetry and usage of live nodes."""
    timeout_s: float = 600.0
    """Longest wait for the replies of a slot."""
    books: Executor | None = None
    """Where to close slots while models are averaged, and to begin them while models are evaluated; None: in turn, in
    this thread."""
    in_time: Callable[[Grid], Grid] = lambda grid: grid
    """The grid, which drops replies that come after their slot's end."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Callbacks for the progress of a run."""

    on_slot: Callable[[SlotOutcome], None] = lambda _: None
    """Called after each slot."""
    on_booked: Callable[[Booked], None] = lambda _: None
    """Called as soon as a slot is booked, before its model is evaluated."""
    before_begin: Callable[[], None] = lambda: None
    """Called before a slot begins, after ``on_booked`` of the slot before; perhaps in another thread, and while the
    model of that slot is evaluated."""
    before_close: Callable[[int], None] = lambda _: None
    """Called with a slot of the application stage once its work is done and before it is closed: what outside clients
    ask meanwhile is booked in it."""


def evaluate_last(plan: RunPlan, record: RunRecord) -> None:
    """Evaluate the model of the last round, where the run was broken off between the two."""
    outcomes, models = record.outcomes, record.models
    if not outcomes or outcomes[-1].evaluation is not None or outcomes[-1].stage not in models:
        return
    last = outcomes[-1]
    task, found = plan.task_of(last.stage), plan.round_of(last.slot)
    if task is not None and task.evaluate is not None and found is not None and task.due(*found):
        outcomes[-1] = replace(last, evaluation=task.evaluate(models[last.stage]))


class Schedule:
    """Runs the stages of ``plan`` over a grid, in order. ``record`` is filled as the run goes."""

    def __init__(
        self, plan: RunPlan, link: Link, watch: Watch | None = None, record: RunRecord | None = None
    ) -> None:
        self._plan, self._link, self._watch = plan, link, watch or Watch()
        self._names = {number: name for name, number in link.numbers.items()}
        self.record = record if record is not None else RunRecord()

    def __call__(self, grid: Grid, context: Context) -> None:
        grid = self._link.in_time(grid)
        for stage, every in stage_runs(self._plan.stages):
            slots = [slot for slot in every if slot >= self._plan.first_slot]
            task = self._plan.task_of(stage)
            if not slots:
                continue
            if task is not None:
                self._learn(grid, stage, every, task, len(every) - len(slots))
            elif stage is Stage.APPLICATION:
                self._query(grid, stage, slots, INFER)
            elif stage is Stage.DEVELOPMENT:
                self._query(grid, stage, slots, WORK)
            else:
                self._query(grid, stage, slots, PREPARE)

    # --- preparation and application ------------------------------------------------------------------------

    def _query(self, grid: Grid, stage: Stage, slots: Sequence[int], message_type: str) -> None:
        # Serving without a development stage serves the untrained model: the same work.
        brings_model = self._plan.brings_model(stage)
        arrays = self._model_of(Stage.DEVELOPMENT) if brings_model else None
        for slot in slots:
            self._watch.before_begin()
            plan = self._link.control.begin_slot(slot, stage, self._link.wait_s)
            alive = set(grid.get_node_ids())
            called = call(plan, self._link.numbers, alive, brings_model=brings_model)
            messages = []
            for decision in called.chosen:
                content = RecordDict({CONFIG: ConfigRecord(slot_config(decision))})
                if arrays is not None:
                    content[ARRAYS] = arrays
                messages.append(
                    Message(
                        content, self._link.numbers[decision.node_id], message_type, group_id=group_of(slot)
                    )
                )
            answers = grid.send_and_receive(messages, timeout=self._link.timeout_s) if messages else []
            gone = called.gone(self._link.numbers, set(grid.get_node_ids()))
            replies, _ = read_replies(called.sent, (*called.unreachable, *gone), answers, self._names)
            if stage is Stage.APPLICATION:
                self._watch.before_close(slot)
            summary = self._link.control.end_slot(slot, self._link.wait_s)
            outcome = SlotOutcome(slot, stage, None, plan, replies, summary)
            self._watch.on_booked(Booked(outcome, self.record, self.record.models, None))
            self._finish(outcome)

    # --- development and recycling --------------------------------------------------------------------------

    def _model_of(self, stage: Stage) -> ArrayRecord:
        """The stage's model as it is now; its first one before its first slot."""
        if stage in self.record.models:
            return self.record.models[stage]
        task = self._plan.task_of(stage)
        assert task is not None  # checked when the plan was made
        return task.initial(self.record.models.get(Stage.DEVELOPMENT))

    def _learn(
        self, grid: Grid, stage: Stage, slots: Sequence[int], task: LearningTask, done: int = 0
    ) -> None:
        """``done``: rounds of these slots that an earlier start of the run has done."""
        rounds = len(slots)
        pending: list[SlotOutcome] = []
        inner, model = task.strategy(), self._model_of(stage)
        if done:
            self._plan.recall(stage, inner)

        def on_round(
            server_round: int,
            plan: SlotPlan,
            replies: Replies,
            summary: SlotSummary,
            arrays: ArrayRecord | None,
        ) -> None:
            nonlocal model
            model = model if arrays is None else arrays
            pending.append(SlotOutcome(plan.slot, stage, server_round, plan, replies, summary))
            models = {**self.record.models, stage: model}
            self._watch.on_booked(Booked(pending[-1], self.record, models, inner))

        def after_round(now: int, arrays: ArrayRecord) -> MetricRecord | None:
            server_round = now + done if now else 0
            strategy.begin_ahead(now + done + 1)
            if server_round == 0 and done and stage in self.record.initial_evaluations:
                return None  # an earlier start has evaluated it
            evaluation = task.evaluate(arrays) if task.evaluate and task.due(server_round, rounds) else None
            if server_round == 0:
                if evaluation is not None:
                    self.record.initial_evaluations[stage] = evaluation
            else:
                self._finish(replace(pending.pop(), evaluation=evaluation))
            if evaluation is None:
                return None
            told = {"loss": evaluation.loss, "accuracy": evaluation.accuracy_fraction}
            return MetricRecord({name: value for name, value in told.items() if value is not None})

        def evaluated(server_round: int) -> int:
            # The model before training is evaluated in no slot: its joules go with those of the first round.
            times = task.due(server_round, rounds) + (server_round == 1 and task.due(0, rounds))
            return task.examples * times

        strategy = Decided(
            inner,
            self._link.control,
            self._link.numbers,
            slots,
            stage,
            wait_s=self._link.wait_s,
            evaluated_examples=evaluated,
            on_round=on_round,
            books=self._link.books,
            before_begin=self._watch.before_begin,
            rounds_before=done,
        )
        strategy.start(
            grid=grid,
            initial_arrays=model,
            num_rounds=rounds - done,
            timeout=self._link.timeout_s,
            train_config=ConfigRecord(dict(task.train_config)),
            evaluate_fn=after_round,
        )
        self.record.models[stage] = model

    def _finish(self, outcome: SlotOutcome) -> None:
        self.record.outcomes.append(outcome)
        self._watch.on_slot(outcome)


def build_server_app(schedule: Schedule) -> ServerApp:
    """The ServerApp of a schedule, for any Flower grid."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        schedule(grid, context)

    return app
