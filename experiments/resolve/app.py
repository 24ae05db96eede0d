"""A user's Flower app in a scenario: its project, its run configuration, what it refuses, and every node's rounds."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from carbon_data.own_code import VARIABLE
from coordinator.market.layout import Restrictions
from coordinator.policies.registry import make_policy
from edge_node.adapters.flower_private import UserValue, bundle_of, components_of, run_config_of
from edge_node.config import AppConfig, BoardConfig, DemandConfig, TaskConfig
from edge_node.meters.modelled import ModelledMeter
from edge_node.tasks.none import APP
from experiments.errors import UsageError
from experiments.resolve.app_code import refuse_unreadable
from experiments.resolve.chosen_policy import policy_settings
from experiments.resolve.demand import slot_s
from experiments.scenario.app_rounds import batches_of, slots_of_a_round
from experiments.scenario.model import Scenario
from experiments.scenario.work import APP_KEYS, TaskSpec
from protos.messages.terms import Stage

TASK_KEYS = (
    *("name", "app", "client_app", "server_app", "data", "target_accuracy_fraction", "round_deadline_s"),
    *APP_KEYS,
)
"""Keys of ``[task]`` that a run of an app may have."""
FIRST_SHARE = 0.1
"""Share of a slot that a round is taken to last before the first has been measured (choice)."""
LONGEST_BYTES = 1
"""Bytes of a batch that no one moves: a round is indivisible, and stays where its data are."""


@dataclass(frozen=True)
class FoundApp:
    """A project as its run needs it."""

    name: str
    server_app: str
    nodes: AppConfig
    """What its nodes are told."""

    @property
    def folder(self) -> str:
        return self.nodes.folder


def window_of(scenario: Scenario) -> int:
    """Slots that a round lasts: it may be run in any of them."""
    return slots_of_a_round(scenario.task.app, scenario.limits.deadline_slots)


def find_app(scenario: Scenario, nodes: int) -> FoundApp:
    """The scenario's app; its code is not imported yet. Raises UsageError for a folder that holds no Flower project."""
    spec = scenario.task
    refuse_unused_by_apps(scenario)
    refuse_moves(scenario)
    config: dict[str, UserValue] = dict(spec.run_config)
    batches: int | None = None
    if spec.app is None:
        assert spec.client_app is not None  # checked when the scenario was read
        assert spec.server_app is not None
        name, server, client, folder = (
            re.split("[.:]", spec.client_app)[0],
            spec.server_app,
            spec.client_app,
            "",
        )
        for key, reference in (("client_app", client), ("server_app", server)):
            with scenario.at("task", key):
                try:
                    refuse_no_reference(reference)
                except ValueError as error:
                    raise UsageError(str(error)) from None
                refuse_unreadable(_searched(), reference)
    else:
        folder = str(spec.app.absolute())
        with scenario.at("task", "app"):
            try:
                name, server, client = components_of(spec.app)
                batches = batches_of(spec.app)
                refuse_no_reference(server, client)
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise UsageError(
                    f"{spec.app} holds no Flower app: {error}; give the folder of a project whose pyproject.toml has "
                    "[tool.flwr.app], as `flwr new` writes it"
                ) from error
            refuse_unreadable((spec.app.absolute(),), server, client)
        with scenario.at("task", "run_config"):
            try:
                config = run_config_of(spec.app, spec.run_config)
            except ValueError as error:
                raise UsageError(
                    f"{error}; a run changes what the project's [tool.flwr.app.config] has"
                ) from error
    return FoundApp(
        name,
        server,
        AppConfig(
            client_app=client,
            folder=folder,
            sha256=_bundled(scenario),
            batches=batches,
            run_config=config,
            partitions=nodes,
            round_flop=None if spec.round_flop == "measured" else spec.round_flop,
            evaluate_flop=None if spec.evaluate_flop == "measured" else spec.evaluate_flop,
        ),
    )


def _searched() -> tuple[Path, ...]:
    """Where code lies that a scenario names: the working directory, and the scenario's folder."""
    beside = os.environ.get(VARIABLE)
    return (Path.cwd(), *([Path(beside)] if beside else []))


def refuse_no_reference(*references: str) -> None:
    """Raises ValueError for one that is no ``package.module:name``."""
    for reference in references:
        if not re.fullmatch(r"[\w.]+:[\w.]+", reference):
            raise ValueError(f'"{reference}" is no package.module:name')


def _bundled(scenario: Scenario) -> str:
    """Hash of the project's bundle, where it travels to boards; empty: it does not. Raises UsageError."""
    project = scenario.task.app
    if project is None or scenario.fleet.kind != "daemons":
        return ""
    with scenario.at("task", "app"):
        try:
            return hashlib.sha256(bundle_of(project)).hexdigest()
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{project} cannot be sent to boards: {error}; `flwr build` must take it"
            ) from error


def refuse_unused_by_apps(scenario: Scenario) -> None:
    """Raises UsageError for what has no effect in a run of an app."""
    for stage in (Stage.PREPARATION, Stage.APPLICATION, Stage.RECYCLING):
        if getattr(scenario.stages, stage.value):
            with scenario.at("stages", stage.value):
                raise UsageError(
                    f"a Flower app trains and evaluates, in slots of development; remove {stage.value}"
                )
    if scenario.fleet.kind == "virtual":
        with scenario.at("fleet", "kind"):
            raise UsageError(
                'nodes of kind = "virtual" are rows and run no app; take kind = "inprocess", "ray" or "daemons"'
            )
    if scenario.time.clock != "virtual":
        with scenario.at("time", "clock"):
            raise UsageError('a Flower app runs on the virtual clock so far; remove clock = "wall"')
    if len(scenario.stages.slots()) % window_of(scenario):
        with scenario.at("stages", "development"):
            raise UsageError(
                f"a round lasts {window_of(scenario)} slots (limits.deadline_slots + 1); {scenario.stages.development} "
                "is no multiple of it"
            )
    for key, field in TaskSpec.model_fields.items():
        if key not in TASK_KEYS and getattr(scenario.task, key) != field.default:
            with scenario.at("task", key):
                raise UsageError(f"{key} has no effect with a Flower app, whose own matter it is; remove it")
    if scenario.task.round_s is not None and scenario.task.round_flop != "measured":
        with scenario.at("task", "round_s"):
            raise UsageError(
                "round_s has no effect beside round_flop, which says what a round costs; keep one"
            )


def refuse_moves(scenario: Scenario) -> None:
    """Raises UsageError for a policy that plans to move work, which an app cannot do."""
    with scenario.at("policy"):
        policy = make_policy(scenario.policy, **policy_settings(scenario))
        freedoms = getattr(policy, "restrictions", None)
        moves = isinstance(freedoms, Restrictions) and freedoms.offloading
        if moves and scenario.limits.offload_cap_fraction > 0:
            raise UsageError(
                f"policy {scenario.policy} moves batches between nodes, and a Flower app takes none of others: its "
                "work stays with its data. Choose a policy that does not move (local, det, ...), or set "
                "limits.offload_cap_fraction = 0 to have it plan all else, or write the work as a task, whose batches "
                "move (edge_node.tasks)"
            )


def app_task(scenario: Scenario, found: FoundApp, nodes: int) -> TaskConfig:
    """What stands in place of a task in configurations: names."""
    if scenario.task.data not in (found.name, "auto"):
        with scenario.at("task", "data"):
            raise UsageError(f'data = "{scenario.task.data}" has no effect with a Flower app; remove it')
    return TaskConfig(
        name=APP,
        data=found.name,
        batch_size=1,
        batches_per_slot=1,
        learning_rate=scenario.task.learning_rate,
        partitions=nodes,
        partition_index=0,
        seed=scenario.seed,
    )


def rounds_demand(scenario: Scenario, boards: tuple[BoardConfig, ...]) -> tuple[DemandConfig, ...]:
    """A batch of every node in the first slot of each round; of a divisible app its batches in every slot."""
    slots, window = len(scenario.stages.slots()), window_of(scenario)
    per_round = batches_of(scenario.task.app) or 1
    batches = tuple(per_round * int(slot % window == 0) for slot in range(slots))
    length_s, spec = slot_s(scenario), scenario.task
    expected_s = length_s * FIRST_SHARE if spec.round_s is None else spec.round_s
    return tuple(
        DemandConfig(
            flop_per_batch=(
                expected_s * board.effective_flop_per_s if spec.round_flop == "measured" else spec.round_flop
            )
            / per_round,
            bytes_per_batch=LONGEST_BYTES,
            batches=batches,
        )
        for board in boards
    )


def measured_rounds(scenario: Scenario, meters: tuple[str, ...]) -> tuple[str, ...]:
    """A warning where modelled joules follow from seconds on this machine."""
    measured = "measured" in (scenario.task.round_flop, scenario.task.evaluate_flop)
    if not (scenario.task.is_app and measured and ModelledMeter.name in meters):
        return ()
    return (
        "the joules of the app's work follow from seconds measured where it runs, at the board's power: they are not "
        "the same in a second run; for that, declare task.round_flop and task.evaluate_flop",
    )
