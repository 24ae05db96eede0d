"""Twins of runs whose boards' clocks were chosen: seconds and joules are those of the chosen points."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from edge_node.energy.boards import load_board
from edge_node.energy.power_model import PowerModel
from experiments.cli import invoke
from experiments.errors import UsageError
from experiments.twin.points import at_point
from experiments.twin.twin import WINDOWS, Twin, twin_of
from tests.experiments.commands.test_commands import ROOT
from tests.experiments.twin.measured_runs import METERS, run
from tests.scenarios import SMALL

BOARD = load_board("odroid-hc2").config()
PROFILE = ROOT / "edge_node" / "energy" / "boards" / "odroid_hc2.toml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One node whose meter reads the model exactly, one with CPU time; both at chosen clocks."""
    folder = tmp_path_factory.mktemp("clocked")
    (folder / "known_meters.py").write_text(METERS)
    text = SMALL.replace('name = "small"', 'name = "small"\npolicy = "local+dvfs"')
    text = text.replace("[time]", "[time]\nslot_s = 60")
    text = text.replace("[fleet]", '[board]\nprofile = "odroid-hc2"\n[fleet]')
    for zone, meter in {"US-NW-SCL": "known_meters:Exact", "US-SE-SOCO": "process-cpu-time"}.items():
        text = text.replace(f'zone = "{zone}"', f'zone = "{zone}"\nmeter = "{meter}"')
    text += "[tolerance]\nunserved_fraction = 1\n"  # n0 has no reading of slot 2
    return run(folder, text, "run")


@pytest.fixture(scope="module")
def twin(folder: Path) -> Twin:
    return twin_of(folder)


def test_the_twin_of_an_exact_meter_is_the_reading_at_every_clock(twin: Twin, folder: Path) -> None:
    own = [window for window in twin.windows if window.node_id == "n0"]
    slots = pd.read_parquet(folder / "slots.parquet").set_index(["slot", "node_id"])
    assert (slots["operating_point"] > 0).any()
    for window in own:
        assert dict(window.lines) == dict(window.twin_lines)
        assert window.frequency_mhz == slots.loc[(window.slot, "n0"), "frequency_mhz"]


def test_seconds_of_cpu_time_are_told_by_the_idle_power_of_the_point(twin: Twin) -> None:
    points = {point.frequency_khz / 1e3: point for point in PowerModel(BOARD).points()}
    own = [window for window in twin.windows if window.node_id == "n1" and window.busy_s is not None]
    assert own
    for window in own:
        assert window.frequency_mhz is not None
        busy_uj = sum(
            amount
            for (stage, part), amount in window.lines.items()
            if part == "static" and stage != "unallocated"
        )
        assert window.busy_s == pytest.approx(busy_uj / 1e6 / points[window.frequency_mhz].static_w)


def test_work_is_shown_by_clock_and_adds_up(twin: Twin, tmp_path: Path) -> None:
    working = [window for window in twin.windows if window.activity not in ("idle", "asleep")]
    assert sum(row.windows for _, row in twin.clocks) == len(working)
    assert sum(row.twin_j for _, row in twin.clocks) == pytest.approx(sum(w.twin_uj for w in working) / 1e6)
    assert [told["frequency_mhz"] for told in twin.as_dict()["clocks"]] == [mhz for mhz, _ in twin.clocks]
    assert "By operating point" in twin.write(tmp_path).read_text(encoding="utf-8")
    assert pd.read_parquet(tmp_path / WINDOWS)["frequency_mhz"].notna().all()


def test_a_slower_clock_takes_longer_for_the_same_work() -> None:
    slow = BOARD.points[-1]
    board = at_point(BOARD, {"frequency_khz": slow.frequency_khz})
    stretched = PowerModel(BOARD).busy_s(1e9) / slow.speed_fraction
    assert PowerModel(board).busy_s(1e9) == pytest.approx(stretched)
    assert PowerModel(board).dynamic_w == pytest.approx(slow.busy_w - (slow.idle_w or BOARD.static_w))


def test_a_profile_without_the_chosen_clock_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["twin", str(folder), "--profile", "n0=raspberry-pi-4b"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "n0 worked at " in told
    assert (
        "profile raspberry-pi-4b has no operating points: watts and speed at that clock are not known" in told
    )
    assert not (folder / "twin").exists()


def test_points_are_found_by_their_clock_and_a_changed_one_is_said(folder: Path, tmp_path: Path) -> None:
    text = PROFILE.read_text()
    head, *points = text.split("[[points]]")
    first = twin_of(folder)
    used = {window.frequency_mhz for window in first.windows}
    # Without a faster point that was not chosen, numbers differ and clocks do not.
    unused = next(
        k
        for k, each in enumerate(points[1:], 1)
        if not any(f"= {mhz * 1000:.0f}\n" in each for mhz in used if mhz)
    )
    fewer = tmp_path / "fewer.toml"
    fewer.write_text("[[points]]".join([head, *points[:unused], *points[unused + 1 :]]))
    again = twin_of(folder, [str(fewer)])
    assert [window.twin_uj for window in again.windows] == [window.twin_uj for window in first.windows]
    (tmp_path / "one.toml").write_text("[[points]]".join([head, points[0]]))
    with pytest.raises(UsageError, match="has 2000 MHz: watts and speed"):
        twin_of(folder, [str(tmp_path / "one.toml")])
