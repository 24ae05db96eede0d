"""Whole runs on the wall clock, one for each overrun policy: a slot's work takes two and a half slots.

Nothing is compared with the test's own clock: what the runs measured must agree with itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coordinator.ledger import verify
from edge_node.slots import execution
from edge_node.tasks.workload import TaskWorkload
from experiments.errors import UsageError
from experiments.fleet.inprocess import InProcessFleet
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.runs.run import execute
from experiments.scenario.model import parse_scenario
from protos.messages.terms import Overrun

SLOT_S, SLOTS, LONG_SLOT = 0.4, 6, 2
ATTEMPTS = 10
"""A machine that stands still has the schedule pass over the long slot, or over others: such a run is made again."""
WATTS = 3.0
SCENARIO = """name = "wall"
policy = "local"
[time]
clock = "wall"
overrun = "{overrun}"
slot_s = {slot_s}
start = 2022-06-21T16:00:00Z
[stages]
preparation = 1
development = {development}
application = 0
recycling = 0
[task]
data = "digits"
batches_per_slot = 4
local_epochs = 1
[battery]
self_discharge_fraction_per_day = 0.9
[tolerance]
unserved_fraction = 1.0
[fleet]
kind = "{kind}"
[[nodes]]
zone = "US-NW-SCL"
meter = "recording:{recording},repeat"
[[nodes]]
zone = "US-SE-SOCO"
"""


@dataclass
class Timed:
    """A run: its tables and its ledger's findings."""

    slots: pd.DataFrame
    decisions: pd.DataFrame
    resolved: Resolved
    findings: list[str]
    metadata: dict[str, Any]


def scenario(overrun: str, recording: Path, kind: str = "inprocess") -> Any:
    text = SCENARIO.format(
        overrun=overrun, slot_s=SLOT_S, development=SLOTS - 1, recording=recording, kind=kind
    )
    return parse_scenario(text)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[Overrun, Timed]:
    folder = tmp_path_factory.mktemp("wall")
    (folder / "steady.csv").write_text(f"at_s,power_w\n0,{WATTS}\n3600,{WATTS}\n")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        worked = _make_one_slot_long(patch)
        for overrun in Overrun:
            resolved = resolve(scenario(overrun, folder / "steady.csv"))
            for attempt in range(ATTEMPTS):
                worked.clear()
                run = folder / f"{overrun}-{attempt}"
                with InProcessFleet() as fleet:
                    execute(resolved, run, fleet)
                decisions = pd.read_parquet(run / "decisions.parquet").set_index("slot")
                # Only skipping passes over slots because of work.
                if LONG_SLOT in worked and (overrun is Overrun.SKIP or not decisions["missed"].any()):
                    break
            found[overrun] = Timed(
                pd.read_parquet(run / "slots.parquet"),
                decisions,
                resolved,
                [str(finding) for finding in verify(run / "ledger.sqlite").findings],
                json.loads((run / "metadata.json").read_text()),
            )
    return found


def _make_one_slot_long(patch: pytest.MonkeyPatch) -> list[int]:
    """Eight batches of two nodes in one process take 2.6 slots. Returns the slots in which nodes work, as they come."""
    worked: list[int] = []
    begin, converted = execution.Execution.begin, TaskWorkload._converted

    def begun(self: Any, slot: Any, *args: Any) -> Any:
        worked.append(slot.slot)
        return begin(self, slot, *args)

    def slow(self: Any, *args: Any) -> Iterator[Any]:
        for each in converted(self, *args):
            time.sleep(2.6 * SLOT_S / 8 if worked[-1:] == [LONG_SLOT] else 0.0)
            yield each

    patch.setattr(execution.Execution, "begin", begun)
    patch.setattr(TaskWorkload, "_converted", slow)
    return worked


@pytest.mark.parametrize("overrun", Overrun)
def test_the_books_are_sound(runs: dict[Overrun, Timed], overrun: Overrun) -> None:
    assert runs[overrun].findings == []


@pytest.mark.parametrize("overrun", Overrun)
def test_harvest_and_meter_are_of_the_one_duration(runs: dict[Overrun, Timed], overrun: Overrun) -> None:
    run = runs[overrun]
    for place, (_, rows) in enumerate(run.slots.groupby("node_id")):
        power_w = run.resolved.harvests[place].power_w
        for row in rows.itertuples():
            assert row.harvest_j == pytest.approx(power_w[row.slot] * row.duration_s, abs=2e-6)
            if place == 0 and row.duration_s:
                assert row.meter_window_s == row.duration_s
                assert row.demand_j == pytest.approx(WATTS * row.duration_s, rel=1e-3)


def test_a_stretched_slot_lasts_until_its_work_is_done_and_moves_all_others(
    runs: dict[Overrun, Timed],
) -> None:
    table = runs[Overrun.STRETCH].decisions
    assert table["overrun_s"][LONG_SLOT] > SLOT_S
    assert table["duration_s"].sum() >= SLOTS * SLOT_S + table["overrun_s"].sum()
    assert not table["missed"].any()
    assert table["undone_batches"].sum() == 0


def test_slots_that_were_missed_are_booked_with_idle_energy_and_harvest_and_no_work(
    runs: dict[Overrun, Timed],
) -> None:
    run = runs[Overrun.SKIP]
    missed = run.decisions[run.decisions["missed"]]
    assert LONG_SLOT + 1 in missed.index
    assert missed["status"].str.startswith("missed: ").all()
    rows = run.slots[run.slots["slot"].isin(missed.index)]
    assert rows["metered"].all()
    assert rows["executed_batches"].sum() == 0
    assert (rows["unserved_batches"] > 0).all()
    last = rows[rows["slot"] == missed.index[-1]]
    assert (last["harvest_j"] > 0).all() or (last["duration_s"] == 0).all()
    ends = run.decisions["duration_s"].cumsum()
    assert ends[missed.index[-1]] >= (missed.index[-1] + 1) * SLOT_S, "the schedule went on as planned"


def test_what_is_cut_is_left_undone_and_counted(runs: dict[Overrun, Timed]) -> None:
    run = runs[Overrun.CUT]
    undone = run.decisions["undone_batches"]
    assert undone[LONG_SLOT] >= 4
    rows = run.slots[run.slots["slot"] == LONG_SLOT]
    assert rows["unserved_batches"].sum() == undone[LONG_SLOT]
    assert rows["executed_batches"].sum() == 8 - undone[LONG_SLOT]
    assert not run.decisions["missed"].any()


def test_a_fleet_of_rows_has_no_clock(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'time\.clock = "wall" needs nodes that work in real time'):
        scenario("cut", tmp_path / "none.csv", kind="virtual")
