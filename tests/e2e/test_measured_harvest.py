"""A run whose nodes measure their harvest: one panel that shines, one whose sensor goes away during the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coordinator.adapters.flower_server import SlotOutcome
from coordinator.ledger import verify
from experiments.errors import UsageError
from experiments.fleet.inprocess import InProcessFleet
from experiments.resolve.resolve import resolve
from experiments.runs.run import Hooks, execute
from experiments.scenario.model import parse_scenario

pytestmark = [pytest.mark.e2e, pytest.mark.processes]
PANEL_W, SLOTS, SLOT_S = 2.5, 4, 1.0
STORED_UJ = 7_000_000_000
SCENARIO = """name = "panels"
policy = "local"
[time]
clock = "{clock}"
slot_s = {slot_s}
scale_storage = {scale}
start = 2022-06-21T16:00:00Z
[stages]
preparation = 0
development = {slots}
application = 0
recycling = 0
[task]
data = "digits"
batches_per_slot = 2
local_epochs = 1
[tolerance]
unserved_fraction = 1.0
[fleet]
kind = "inprocess"
[[nodes]]
zone = "US-NW-SCL"
harvest_meter = "recording:{folder}/panel.csv,repeat"
[[nodes]]
zone = "US-SE-SOCO"
harvest_meter = "recording:{folder}/lost.csv"
[[nodes]]
zone = "US-NW-SCL"
battery_meter = "file:{folder}/stored_uj"
"""


def scenario(folder: Path, clock: str = "wall", scale: str = "false") -> Any:
    (folder / "panel.csv").write_text(f"at_s,power_w\n0,{PANEL_W}\n3600,0\n")
    (folder / "stored_uj").write_text(str(STORED_UJ))
    (folder / "lost.csv").write_text(f"at_s,power_w\n0,{PANEL_W}\n3,0\n")
    return parse_scenario(
        SCENARIO.format(clock=clock, scale=scale, slot_s=SLOT_S, slots=SLOTS, folder=folder)
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panels")

    def after(outcome: SlotOutcome) -> None:
        """The battery's gauge goes away when it was read for the third slot."""
        if outcome.summary.slot == 1:
            (folder / "stored_uj").unlink()

    with InProcessFleet() as fleet:
        return execute(resolve(scenario(folder)), folder / "run", fleet, Hooks(on_slot=after))


def test_books_of_measured_harvest_are_sound(run: Path) -> None:
    report = verify(run / "ledger.sqlite")
    assert report.ok, report.findings


def test_harvest_is_what_the_panel_gave_with_its_interval(run: Path) -> None:
    slots = pd.read_parquet(run / "slots.parquet")
    rows = slots[(slots["node_id"] == "n0") & slots["metered"]]
    assert len(rows) == SLOTS
    assert (rows["harvest_kind"] == "power").all()
    off = (rows["harvest_j"] - PANEL_W * rows["harvest_window_s"]).abs()
    assert (off <= rows["harvest_half_width_j"] + 1e-6).all()
    assert slots[slots["node_id"] == "n2"]["harvest_kind"].isna().all(), "a series is not measured"


def test_a_lost_sensor_is_a_gap_of_that_node_and_the_others_go_on(run: Path) -> None:
    slots = pd.read_parquet(run / "slots.parquet").set_index(["node_id", "slot"])
    assert not slots.loc[("n1", SLOTS - 1), "metered"]
    assert pd.isna(slots.loc[("n1", SLOTS - 1), "harvest_j"]), "missing is never zero"
    assert slots.loc["n2"]["metered"].all()


def test_a_gauge_goes_before_the_model_and_the_model_stands_in_where_it_is_lost(run: Path) -> None:
    slots = pd.read_parquet(run / "slots.parquet")
    rows = slots[slots["node_id"] == "n2"].set_index("slot")
    assert rows["battery_read_j"].to_list()[: SLOTS - 1] == [STORED_UJ / 1e6] * (SLOTS - 1)
    assert (rows["battery_before_j"][: SLOTS - 1] == STORED_UJ / 1e6).all()
    assert pd.isna(rows["battery_read_j"][SLOTS - 1])
    assert rows["battery_before_j"][SLOTS - 1] == rows["battery_after_j"][SLOTS - 2]
    nodes = pd.read_parquet(run / "nodes.parquet").set_index("node_id")
    drift_j = (rows["battery_before_j"] - rows["battery_after_j"].shift(1)).sum()
    assert nodes["battery_drift_j"]["n2"] == pytest.approx(drift_j)
    assert nodes["battery_drift_j"][["n0", "n1"]].isna().all()


def test_the_virtual_clock_measures_no_harvest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"harvest_meter .* measures in real time.*leave harvest_meter out"):
        scenario(tmp_path, clock="virtual")


def test_a_sensor_that_is_not_there_is_refused_at_its_line(tmp_path: Path) -> None:
    made = scenario(tmp_path)
    (tmp_path / "panel.csv").unlink()
    with pytest.raises(UsageError, match=r":23: nodes.0.harvest_meter: .*panel.csv cannot be read"):
        resolve(made)


def test_a_scaled_battery_has_no_gauge(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nodes.2.battery_meter: .*give time.scale_storage = false"):
        resolve(scenario(tmp_path, scale="true"))
