"""The run of a twin: whether it can have one, its books, and the profile of every node. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coordinator.ledger.store import read_entries
from coordinator.tables.recorded import RecordedRun
from edge_node.config import BoardConfig
from edge_node.energy.sourced import SourceError
from edge_node.tasks.none import NAME as NO_TASK
from experiments.errors import UsageError
from experiments.resolve.boards import board_at, board_of
from experiments.resolve.prepare import open_scenario
from experiments.run_folder.files import LEDGER, SCENARIO
from experiments.run_folder.finished import require_finished_run, require_sound
from experiments.scenario.model import Scenario
from experiments.scenario.names import node_name
from experiments.scenario.places import BoardSpec
from experiments.twin.points import changed_points, require_points

FIGURES = ("static_w", "sleep_w", "wake_j", "wake_s", "tx_j_per_byte", "rx_j_per_byte")
"""Those of a board that a node registers."""


@dataclass(frozen=True)
class Source:
    """A run that can have a twin."""

    folder: Path
    run: RecordedRun
    scenario: Scenario
    standard: BoardConfig
    """The scenario's board, where a batch is as large as it says."""
    boards: Mapping[str, BoardConfig]
    """Profile of every node."""
    profiles: Mapping[str, str]
    """What names it."""
    sources: Mapping[str, str]
    """Sources of its figures, by profile."""
    notes: tuple[str, ...]
    """What a reader must know of the profiles."""


def open_source(folder: Path, profiles: Sequence[str]) -> Source:
    """``profiles``: ``PATH`` for all nodes or ``NODE=PATH``, instead of the scenario's. Raises UsageError."""
    require_finished_run(folder)
    scenario = open_scenario(str(folder / SCENARIO))
    if scenario.fleet.kind == "virtual":
        raise UsageError(
            f"{folder}: its fleet is virtual, so that nothing was measured; give a run on boards: fleet.kind ray, "
            "daemons or inprocess, with a meter"
        )
    require_sound(folder)
    run = RecordedRun(read_entries(folder / LEDGER))
    entries = [entry for entry, spec in enumerate(scenario.nodes) for _ in range(spec.count)]
    names = [node_name(place, len(entries)) for place in range(len(entries))]
    if names != run.node_ids:
        raise UsageError(
            f"{folder}: its ledger is of {len(run.node_ids)} nodes, its {SCENARIO} of {len(names)}: the scenario was "
            "changed since the run; restore it from a copy"
        )
    given = _given(profiles, names)
    specs = {
        name: BoardSpec(profile=given[name]) if name in given else board_at(scenario, entry)
        for name, entry in zip(names, entries, strict=True)
    }
    found = {spec: _board(spec, folder, bool(given)) for spec in specs.values()}
    boards = {name: found[spec][0] for name, spec in specs.items()}
    require_points(run, boards)
    own_size = scenario.task.name == NO_TASK and scenario.demand.flop_per_batch is None
    standard = scenario.board if own_size else BoardSpec()
    return Source(
        folder,
        run,
        scenario,
        _board(standard, folder, False)[0],
        boards,
        {name: spec.profile for name, spec in specs.items()},
        {spec.profile: _in_words(found[spec][1]) for spec in found},
        (*_not_calibrated(found), *_changed(run, boards, given)),
    )


def _given(profiles: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Profiles of the command line by node. A path may hold ``=`` where what is before it names no node."""
    found: dict[str, str] = {}
    for each in profiles:
        node, equals, path = each.partition("=")
        if equals and node in names:
            found[node] = path
        elif equals and not Path(each).is_file():
            raise UsageError(f"--profile {each}: the run has no node {node}; it has {', '.join(names[:20])}")
        else:
            found = dict.fromkeys(names, each) | found
    return found


def _board(spec: BoardSpec, folder: Path, given: bool) -> tuple[BoardConfig, Mapping[str, str]]:
    try:
        return board_of(spec)
    except SourceError as error:
        place = "--profile" if given else f"the board of {folder / SCENARIO}"
        raise UsageError(
            f"{place}: {error}; make a profile with `detabed calibrate` and name it with --profile PATH or "
            "--profile NODE=PATH"
        ) from error


def _in_words(sources: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {text}" for name, text in sources.items())


def _not_calibrated(found: Mapping[BoardSpec, tuple[BoardConfig, Mapping[str, str]]]) -> list[str]:
    return [
        f"{spec.profile} is no calibrated profile: its figures are published ones or choices. Measure the board with "
        "`detabed calibrate` and give its profile with --profile"
        for spec, (_, sources) in found.items()
        if not any("detabed calibrate" in text for text in sources.values())
    ]


def _changed(run: RecordedRun, boards: Mapping[str, BoardConfig], given: Mapping[str, str]) -> list[str]:
    """The scenario's profile may be another file by now than when the run was made."""
    notes = []
    for name, board in boards.items():
        registered: Mapping[str, Any] = run.registrations.get(name, {}).get("profile", {})
        other = [figure for figure in FIGURES if registered and registered[figure] != getattr(board, figure)]
        other += ["operating points"] if changed_points(run, name, board) else []
        if other and name not in given:
            notes.append(
                f"{name}: {', '.join(other)} of its profile changed since the run; priced as the file is now"
            )
    return notes
