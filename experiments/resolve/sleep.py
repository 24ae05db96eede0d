"""How each node of a scenario sleeps, and refusals of what cannot be, before a run starts."""

from __future__ import annotations

from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.build import build_actuator
from edge_node.config import BoardConfig, SleepConfig
from edge_node.energy.boards import SLEEP
from edge_node.meters.registry import reads_sensor
from edge_node.slots.profile import by_model_on_a_board
from experiments.errors import UsageError
from experiments.scenario.model import Scenario
from experiments.scenario.names import node_name
from experiments.scenario.places import NodeSpec, SleepSpec
from experiments.wording import few
from protos.messages.terms import Sleep


def node_sleep(scenario: Scenario, spec: NodeSpec) -> SleepConfig | None:
    """As the node is told; None: by its meter (edge_node.slots.profile.sleep_of). Nodes that are boards do not sleep
    unless the scenario says how."""
    if spec.sleep is not None:
        return SleepConfig.model_validate(spec.sleep.model_dump())
    boards = scenario.fleet.kind == "daemons" or scenario.fleet.boards
    return SleepConfig(kind=Sleep.NONE) if boards else None


def check_sleep(scenario: Scenario, boards: tuple[BoardConfig, ...]) -> None:
    """Refuse sleep that cannot be, at the key that asks for it. Asks plugs, switches nothing, runs nothing. ``boards``:
    of every node.

    Raises UsageError."""
    plugs: dict[tuple[str, int], str] = {}
    first, total = 0, sum(spec.count for spec in scenario.nodes)
    for entry, spec in enumerate(scenario.nodes):
        board = boards[first]
        names = [node_name(first + place, total) for place in range(spec.count)]
        first += spec.count
        if spec.sleep is None:
            continue
        with scenario.at("nodes", entry, "sleep"):
            meter = spec.meter or scenario.fleet.meter
            if Sleep(spec.sleep.kind).possible and not board.knows_sleep:
                raise UsageError(
                    f'sleep.kind = "{spec.sleep.kind}", and the profile of {board.name} does not know what it draws '
                    f'asleep: give {", ".join(SLEEP)} in the board\'s table, or sleep.kind = "{Sleep.NONE}"'
                )
            if spec.sleep.kind == Sleep.MODELLED and reads_sensor(meter):
                raise UsageError(by_model_on_a_board(meter))
            if Sleep(spec.sleep.kind).real:
                _refuse_elsewhere(scenario, spec.sleep)
                _refuse_shared_plug(spec.sleep, names, plugs)
                _try(scenario, spec, names)


def longest_switching_s(scenario: Scenario) -> float:
    """Wall seconds that a node's board may take to be as wished; 0 where nothing is switched."""
    limits = [
        spec.sleep.time_limit_s for spec in scenario.nodes if spec.sleep and Sleep(spec.sleep.kind).real
    ]
    return max(limits, default=0.0)


def nobody_sleeps(
    scenario: Scenario, node_ids: tuple[str, ...], boards: tuple[BoardConfig, ...]
) -> tuple[str, ...]:
    """A warning where nodes may sleep and some cannot: who, and what is booked. Daemons say so themselves."""
    if not scenario.limits.may_sleep or scenario.fleet.kind == "daemons":
        return ()
    specs = [spec for spec in scenario.nodes for _ in range(spec.count)]
    cannot = [
        name
        for name, spec, board in zip(node_ids, specs, boards, strict=True)
        if not _can_sleep(scenario, spec, board)
    ]
    if not cannot:
        return ()
    return (
        f"limits.may_sleep = true, and of {len(specs)} nodes {len(cannot)} cannot sleep: {few(cannot)}. No policy "
        "plans that they do, and their idle power is booked",
    )


def _can_sleep(scenario: Scenario, spec: NodeSpec, board: BoardConfig) -> bool:
    told = node_sleep(scenario, spec)
    if told is not None:
        return told.kind.possible
    return board.knows_sleep and not reads_sensor(spec.meter or scenario.fleet.meter)


def _refuse_elsewhere(scenario: Scenario, sleep: SleepSpec) -> None:
    """Where nothing is switched, or not by what a scenario says."""
    kind = f'sleep.kind = "{sleep.kind}"'
    if not scenario.limits.may_sleep:
        raise UsageError(f"{kind} has no effect with limits.may_sleep = false: give true, or remove it")
    if scenario.fleet.kind == "virtual":
        raise UsageError(
            f'nodes of kind = "virtual" have no board to switch, and {kind}: give "modelled" or "none"'
        )
    if scenario.fleet.kind == "daemons":
        raise UsageError(
            f"{kind}: boards run no programs that come over the network; write sleep into the board's own file "
            "(docs/daemons.md), and leave it out here"
        )


def _refuse_shared_plug(sleep: SleepSpec, names: list[str], plugs: dict[tuple[str, int], str]) -> None:
    if not sleep.plug:
        return
    for name in names:
        if (other := plugs.setdefault((sleep.plug, sleep.relay), name)) != name:
            raise UsageError(
                f"{other} and {name} hang on the same plug, {sleep.plug}, relay {sleep.relay}: the sleep of one would "
                "cut off the other; give each its own"
            )


def _try(scenario: Scenario, spec: NodeSpec, names: list[str]) -> None:
    """Programs and plugs, where the nodes live on this machine."""
    told = node_sleep(scenario, spec)
    if told is None or scenario.fleet.address is not None:
        return
    for name in names:
        try:
            build_actuator(told, name).check()
        except ActuatorError as error:
            raise UsageError(f"{name}: {error}") from error
