"""``detabed sleep test``: puts a node's board to sleep and wakes it, some times, and says what waking up takes.

A command of its own and no part of ``meter test``: it switches something, and what it switches is written in a file and
not in a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.build import build_actuator
from edge_node.actuators.sleeper import Sleeper
from edge_node.board_file import read_board_file
from edge_node.calibration.sleep import Cycle, cycle, spread
from edge_node.config import BoardConfig, SleepConfig
from edge_node.energy.boards import load_board
from edge_node.meters.base import MeterError
from edge_node.meters.registry import reads_sensor
from edge_node.meters.sampling.limits import limits_of
from edge_node.meters.sampling.sampler import Sampler
from edge_node.meters.sources.registry import SOURCES
from experiments.commands.options import JsonOption
from experiments.commands.output import print_facts, print_json, say
from experiments.commands.waiting import waiting
from experiments.errors import UsageError
from experiments.progress import Watch
from experiments.resolve.prepare import open_scenario
from experiments.scenario.model import Scenario
from experiments.scenario.names import node_name
from experiments.scenario.places import BoardSpec


@dataclass(frozen=True)
class Target:
    """The board that is switched."""

    node_id: str
    sleep: SleepConfig
    meter: str
    board: BoardConfig


def target_of(file: str, node: str | None, board: str | None) -> Target:
    """From a scenario or a board's own file. Raises UsageError where nothing is switched."""
    if Path(file).suffix == ".json":
        return _of_board(Path(file), board)
    return _of_scenario(open_scenario(file), node, board)


def _of_board(path: Path, board: str | None) -> Target:
    try:
        own = read_board_file(path)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if own.sleep is None or not own.sleep.kind.real:
        raise UsageError(
            f"{path} names no actuator: give it sleep with kind command or supply (docs/daemons.md)"
        )
    profile = load_board(board or BoardSpec().profile)
    return Target(own.node_id, own.sleep, own.meter or "modelled", profile.config({}))


def _of_scenario(scenario: Scenario, node: str | None, board: str | None) -> Target:
    # Not at the top: these need scipy, which a board does not have, and a board's own file is read without them.
    from experiments.resolve.boards import board_at, board_of
    from experiments.resolve.sleep import node_sleep

    entries = [entry for entry, spec in enumerate(scenario.nodes) for _ in range(spec.count)]
    names = [node_name(place, len(entries)) for place in range(len(entries))]
    found = {}
    for name, entry in zip(names, entries, strict=True):
        told = node_sleep(scenario, scenario.nodes[entry])
        if told is not None and told.kind.real:
            found[name] = (entry, told)
    if node is not None and node not in names:
        raise UsageError(f"no node is called {node}; there are {', '.join(names[:20])}")
    chosen = node or next(iter(found), None)
    if chosen is None or chosen not in found:
        raise UsageError(
            f"{chosen or scenario.name} names no actuator: give [nodes.sleep] kind command or supply (docs/scenario.md)"
        )
    entry, told = found[chosen]
    spec = BoardSpec(profile=board) if board else board_at(scenario, entry)
    meter = scenario.nodes[entry].meter or scenario.fleet.meter
    return Target(chosen, told, meter, board_of(spec)[0])


def told(done: Cycle) -> dict[str, Any]:
    """A cycle, for ``--json``."""
    return {
        "down_s": done.down_s,
        "asleep_w": None if done.asleep is None else done.asleep.power_w,
        "missing": done.missing or None,
        "wake_s": done.wake_s,
        "wake_j": done.wake_j,
        "wake_half_width_j": done.wake_half_width_j,
    }


def spread_of(values: Sequence[float]) -> dict[str, float] | None:
    """Mean, half of its 95 % interval (none of a single value), lowest and highest."""
    found = spread(values)
    return (
        None if found is None else {name: value for name, value in asdict(found).items() if value is not None}
    )


def measure(target: Target, cycles: int, hold_s: float, watch: Watch) -> dict[str, Any]:
    """All cycles; the board is awake afterwards. Raises UsageError where it cannot begin."""
    sensor: Sampler | None = None
    try:
        if reads_sensor(target.meter):
            name, _, argument = target.meter.partition(":")
            spec = argument.rpartition("=")[2] if name == "record" else target.meter
            sensor = Sampler(spec, limits_of(target.board))
        sleeper = Sleeper(build_actuator(target.sleep, target.node_id), sensor)
        sleeper.start()
    except (ActuatorError, MeterError) as error:
        if sensor is not None:
            sensor.stop()
        raise UsageError(f"{target.node_id}: {error}") from error
    done: list[dict[str, Any]] = []
    failed: str | None = None
    try:
        for over in range(cycles):
            watch("cycles", over, cycles)
            done.append(told(cycle(sleeper, sensor, hold_s)))
    except ActuatorError as error:
        failed = str(error)
    finally:
        sleeper.close()
        if sensor is not None:
            sensor.stop()
    return {
        "node": target.node_id,
        "actuator": str(target.sleep.kind),
        "meter": target.meter if sensor is not None else None,
        "provenance": str(sensor.kind.provenance) if sensor is not None else None,
        "static_w": target.board.static_w,
        "cycles": done,
        **{key: spread_of([each[key] for each in done if each[key] is not None]) for key in KEYS},
        "failed": failed,
    }


KEYS = ("down_s", "wake_s", "wake_j", "asleep_w")


def _shown(found: dict[str, Any]) -> dict[str, str]:
    facts = {
        "falling asleep": _in_words(found["down_s"], "s"),
        "waking up": _in_words(found["wake_s"], "s"),
    }
    if found["meter"] is None:
        facts["energy"] = "not measured: no sensor reads this board (give --meter)"
    else:
        facts["energy of waking up"] = _in_words(found["wake_j"], "J")
        facts["power asleep"] = _in_words(found["asleep_w"], "W")
        facts["known how"] = f"{found['provenance']}, {found['meter']}"
    figures = {name: value for name, value in board_figures(found).items() if value is not None}
    facts["for [nodes.board]"] = ", ".join(f"{name} = {value:.4g}" for name, value in figures.items())
    return facts


def board_figures(found: dict[str, Any]) -> dict[str, float | None]:
    """What the measurement says of the keys of a board; waking up is above static power."""
    means = {key: None if found[key] is None else float(found[key]["mean"]) for key in KEYS}
    wake_s, wake_j = means["wake_s"], means["wake_j"]
    above = None if wake_s is None or wake_j is None else max(0.0, wake_j - found["static_w"] * wake_s)
    return {"wake_s": wake_s, "wake_j": above, "sleep_w": means["asleep_w"]}


def _in_words(found: dict[str, float] | None, unit: str) -> str:
    if found is None:
        return "missing"
    within = f", 95 % within {found['half_width']:.2g} {unit}" if "half_width" in found else ""
    return f"{found['mean']:.4g} {unit}{within} ({found['low']:.4g} to {found['high']:.4g} {unit})"


def sleep_test(
    file: Annotated[str, typer.Argument(help="A scenario, or a board's own file (board.json).")],
    node: Annotated[
        str | None, typer.Option(help="Which node of the scenario; the first with an actuator.")
    ] = None,
    cycles: Annotated[int, typer.Option(min=1, max=1000, help="How often.")] = 5,
    hold_s: Annotated[
        float, typer.Option("--hold", min=0.0, max=3600, help="Seconds asleep, and awake, in each.")
    ] = 2.0,
    meter: Annotated[
        str | None,
        typer.Option(help=f"Sensor of the board ({', '.join(SOURCES)}); default: as the file says."),
    ] = None,
    board: Annotated[str | None, typer.Option(help="Board profile; default: as the scenario says.")] = None,
    as_json: JsonOption = False,
) -> None:
    target = target_of(file, node, board)
    if meter is not None:
        if not reads_sensor(meter):
            raise UsageError(f"meter {meter!r} reads no sensor: choose from {', '.join(SOURCES)}")
        target = Target(target.node_id, target.sleep, meter, target.board)
    with waiting("cycles") as watch:
        found = measure(target, cycles, hold_s, watch)
    if as_json:
        print_json({**found, "board": board_figures(found)})
    elif found["cycles"]:
        print_facts(f"{found['node']}, {found['actuator']}, {len(found['cycles'])} cycles", _shown(found))
    for missing in dict.fromkeys(
        each["missing"] for each in found["cycles"] if found["meter"] and each["missing"]
    ):
        say("missing", missing)
    if found["failed"] is not None:
        say("failed", f"{found['failed']}: in a run the node would count as awake")
        raise typer.Exit(1)
