"""A run that was broken off, as far as it got: read from its ledger and its checkpoint, nothing changed."""

from __future__ import annotations

import datetime
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flwr.app import Array, ArrayRecord

from carbon_data.types import DataError
from coordinator.adapters.flower_server import Evaluation, RunPlan, RunRecord, SlotOutcome
from coordinator.adapters.flower_slots import SlotControl, workers
from coordinator.adapters.flower_strategy import Replies
from coordinator.ledger.entry import Kind, LedgerError
from coordinator.ledger.store import read_entries
from coordinator.slots.books import Books
from coordinator.slots.settings import require_same_config, told_config
from coordinator.slots.state import SlotState
from edge_node.config import NodeConfig, NodeMemory
from experiments.errors import UsageError
from experiments.run_folder.checkpoint import read_lines
from experiments.run_folder.files import CHECKPOINT, LEDGER, PROGRESS
from experiments.run_folder.tensors import read_tensors
from experiments.runs.recording import HOME, MODEL, Kept, Recording, replies_of
from experiments.runs.strategy_state import recall
from experiments.runs.timings import Timings
from protos.messages.runner import SlotSummary
from protos.messages.terms import Stage

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy

    from coordinator.config import CoordinatorConfig

NOBODY_S = 0.0
"""Wall seconds to wait for the nodes of a slot that is ended already."""


@dataclass
class Resumed:
    """Where a run goes on."""

    record: RunRecord
    timings: Timings
    recording: Recording
    kept: Kept
    """What the last checkpoint held."""
    first_slot: int
    """The slot that is decided next."""
    slots_left: int
    """Slots after the last checkpoint."""
    open_slot: int | None
    """A slot that was decided and not ended."""
    lost: SlotOutcome | None
    """The slot after the last checkpoint, which was decided: its answers were lost with the process that had them."""
    memories: Mapping[str, NodeMemory]
    epoch: int
    """Of the coordinator before."""

    def as_they_were(self, configs: Sequence[NodeConfig]) -> tuple[NodeConfig, ...]:
        """``configs`` with what the nodes knew when the run was broken off."""
        return tuple(
            config.model_copy(
                update={"memory": self.memories.get(config.node_id), "earlier_epochs": self.epoch}
            )
            for config in configs
        )

    def take_up(self, control: SlotControl) -> None:
        """The nodes are there, and an open slot is ended: make durable that the run goes on."""
        if self.lost is not None:
            self.lost = replace(self.lost, summary=control.end_slot(self.lost.slot, NOBODY_S))
            self.record.outcomes.append(self.lost)
            self.timings.slots_s.append(0.0)
            self.timings.decide_s.append(self.lost.plan.decide_s)
            self.recording.lost(self.lost)
        self.recording.write(replace(self.kept, slot=self.first_slot))

    def evaluated(self) -> None:
        """The last slot's model is evaluated."""
        if self.record.outcomes:
            times = self.timings.slots_s[-1], self.timings.decide_s[-1]
            self.recording.finished(self.record.outcomes[-1], *times)

    def recall(self, stage: Stage, strategy: Strategy) -> None:
        """Give the strategy of a stage that goes on the state that it had."""
        if self.kept.strategy is not None and self.kept.stage is stage:
            recall(strategy, self.kept.strategy, self.kept.arrays)


def resumed(folder: Path, state: Mapping[str, Any], config: CoordinatorConfig, plan: RunPlan) -> Resumed:
    """How far the run in ``folder`` got. ``state``: of its checkpoint. Raises UsageError for a ledger that is not the
    scenario's, or that does not fit the checkpoint."""
    try:
        books = _books(folder / LEDGER, config)
    except (DataError, LedgerError) as error:
        raise UsageError(f"{folder}: {error}") from None
    behind = books.next_slot - state["slot"]
    if behind not in (0, 1):
        raise UsageError(
            f"{folder}: its ledger has {books.next_slot} slots and its checkpoint {state['slot']}; they are not of one "
            "run: run its scenario.toml again"
        )
    tensors = read_tensors(folder / CHECKPOINT)
    record, timings = _record(folder, state, books, tensors)
    lost = books.slots[state["slot"]] if behind else None
    resumption = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "slot": books.next_slot,
        "lost_slot": None if lost is None else lost.slot,
    }
    return Resumed(
        record=record,
        timings=timings,
        recording=Recording(folder, [*state["resumptions"], resumption], state["restarts"]),
        kept=Kept(
            slot=state["slot"],
            record=record,
            models=dict(record.models),
            strategy=state["strategy"],
            stage=None if state["strategy_stage"] is None else Stage(state["strategy_stage"]),
            arrays={
                name: array
                for name, array in tensors.items()
                if not name.startswith((f"{MODEL}/", f"{HOME}/"))
            },
        ),
        first_slot=books.next_slot,
        slots_left=len(config.stages) - state["slot"],
        open_slot=None if books.open_slot is None else books.open_slot.slot,
        lost=None if lost is None else _lost(lost, plan),
        memories=_memories(state, books, tensors),
        epoch=books.epoch,
    )


def _books(ledger: Path, config: CoordinatorConfig) -> Books:
    books = Books(config)
    for stored in read_entries(ledger):
        entry = stored.entry
        if entry.kind is Kind.START and "config" in entry.body:
            require_same_config(entry.body["config"], told_config(config))
        books.apply(entry)
    return books


def _record(
    folder: Path, state: Mapping[str, Any], books: Books, tensors: Mapping[str, Any]
) -> tuple[RunRecord, Timings]:
    """The slots up to the checkpoint: what the runner knew of them, and what the books have."""
    told: dict[int, dict[str, Any]] = {}
    for line in read_lines(folder):
        told[line["slot"]] = told.get(line["slot"], {}) | line
    record, timings = RunRecord(), Timings()
    if missing := [number for number in range(state["slot"]) if "replies" not in told.get(number, {})]:
        raise UsageError(
            f"{folder / PROGRESS} lacks slot {missing[0]}; the run cannot be resumed: run its scenario.toml again"
        )
    for number in range(state["slot"]):
        slot, line = books.slots[number], told[number]
        assert slot.summary is not None  # the checkpoint follows the slot's end
        evaluation = line.get("evaluation")
        record.outcomes.append(
            SlotOutcome(
                number,
                slot.stage,
                line["round"],
                slot.plan,
                replies_of(line["replies"]),
                slot.summary,
                None if evaluation is None else Evaluation(**evaluation),
                line["interrupted"],
            )
        )
        timings.slots_s.append(line.get("slot_s", 0.0))
        timings.decide_s.append(line.get("decide_s", slot.plan.decide_s))
    record.initial_evaluations = {
        Stage(name): Evaluation(**found) for name, found in state["initial_evaluations"].items()
    }
    record.models = {
        Stage(stage): ArrayRecord({name: Array(tensors[f"{MODEL}/{stage}/{name}"]) for name in names})
        for stage, names in state["models"].items()
    }
    return record, timings


def _lost(slot: SlotState, plan: RunPlan) -> SlotOutcome:
    found = plan.round_of(slot.slot)
    brings_model = plan.brings_model(slot.stage)
    asked = tuple(decision.node_id for decision in workers(slot.plan, brings_model=brings_model))
    replies = Replies(sent=asked, answered=(), failed={}, raised=(), missing=asked, unreachable=())
    summary = slot.summary or SlotSummary(slot.slot, 0, 0, 0, 0, 0, 0, 0, 0, (), ())  # until it is ended
    server_round = None if found is None else found[0]
    return SlotOutcome(slot.slot, slot.stage, server_round, slot.plan, replies, summary, interrupted=True)


def _memories(state: Mapping[str, Any], books: Books, tensors: Mapping[str, Any]) -> dict[str, NodeMemory]:
    """What nodes remembered, and what the books have of the slots since. A node that could not say it begins as one
    whose process was lost: with battery and slot of the books."""
    found = {}
    for name, told in state["memories"].items():
        home = {
            tensor.removeprefix(f"{HOME}/{name}/"): b64encode(array.tobytes()).decode()
            for tensor, array in tensors.items()
            if tensor.startswith(f"{HOME}/{name}/")
        }
        memory = NodeMemory.model_validate_json(json.dumps({**told, "home": home}))
        since = (books.slots[number] for number in range(memory.slot, books.next_slot))
        found[name] = memory.model_copy(update={"done": tuple(_done(slot, name) for slot in since)})
    return found


def _done(slot: SlotState, node: str) -> int:
    """Own batches of a node that wait no longer: counted at home, or sent away."""
    usage, away = slot.usage.get(node), slot.away.get(node, 0)
    sent = 0 if usage is None else sum(moved.batches for moved in usage.moved if moved.sent)
    return slot.counted.get(node, 0) - away + max(sent, away)
