"""Twins of runs whose meters are known: the model itself, the model less a tenth, CPU time, and recordings of both."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.errors import UsageError
from experiments.twin.errors import ALL, errors_of
from experiments.twin.replay import BY_A_MODEL, NO_READING
from experiments.twin.twin import PAGE, TABLE, WINDOWS, Twin, twin_of
from experiments.twin.words import slots_unlike
from tests.browser import BASH, CHROMIUM, WHY_NOT, Browser
from tests.experiments.commands.test_commands import ROOT
from tests.experiments.twin.measured_runs import SLOTS, mixed_run, run
from tests.page_checks import read_everywhere, use_every_control
from tests.scenarios import SMALL


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed_run(tmp_path_factory.mktemp("mixed"))


@pytest.fixture(scope="module")
def twin(folder: Path) -> Twin:
    return twin_of(folder)


def test_where_the_meter_is_the_model_the_twin_is_the_reading_line_by_line(twin: Twin) -> None:
    own = [window for window in twin.windows if window.node_id == "n0"]
    assert len(own) == SLOTS - 1
    assert [dict(window.lines) for window in own] == [dict(window.twin_lines) for window in own]
    components = {component for window in own for _, component in window.lines}
    assert {"compute", "static", "radio_tx", "radio_rx", "negotiation"} <= components
    (row,) = [row for row in twin.rows if (row.node_id, row.activity) == ("n0", ALL)]
    assert (row.error_j, row.absolute_error_j, row.within) == (0.0, 0.0, True)
    assert (row.inside, row.judged) == (SLOTS - 1, SLOTS - 1)
    assert row.time_error_fraction == pytest.approx(0.0)


def test_a_bias_of_a_tenth_is_reported_as_one_and_outside_the_interval(twin: Twin) -> None:
    rows = {row.activity: row for row in twin.rows if row.node_id == "n1"}
    assert {"preparation", "development", "application", "recycling", ALL} <= set(rows)
    for row in rows.values():
        assert row.error_fraction == pytest.approx(0.1, abs=1e-4)
        assert row.mean_absolute_error_fraction == pytest.approx(0.1, abs=1e-4)
        assert (row.within, row.inside) == (False, 0)
        assert row.window_error_fraction == pytest.approx(0.1, abs=1e-4)


def test_cpu_time_says_how_long_the_work_took_and_has_no_interval(twin: Twin) -> None:
    (row,) = [row for row in twin.rows if (row.node_id, row.activity) == ("n2", ALL)]
    assert (row.half_width_j, row.within, row.window_s) == (None, None, None)
    own = [window for window in twin.windows if window.node_id == "n2"]
    for window in own:
        busy_uj = sum(
            amount
            for (stage, part), amount in window.lines.items()
            if part == "static" and stage != "unallocated"
        )
        assert window.busy_s == pytest.approx(busy_uj / 1e6 / 3.0), "static power is 3 W"
    assert row.busy_s == pytest.approx(sum(window.busy_s or 0.0 for window in own))
    assert row.busy_error_fraction == pytest.approx((row.twin_busy_s or 0.0) / row.busy_s - 1.0)
    assert twin.whole.within is None, "a sum with a part without interval has none"


def test_what_is_left_out_is_said(twin: Twin) -> None:
    found = {(each.node_id, each.slot): each.why for each in twin.left_out}
    assert found == {("n0", 2): NO_READING, **{("n3", slot): BY_A_MODEL for slot in range(SLOTS)}}
    assert "n0 · US-NW-SCL: 1 slot left out, no reading: 2" in twin.notices
    assert any(text.startswith("raspberry-pi-4b is no calibrated profile") for text in twin.notices)


def test_all_files_hold_the_same_figures(twin: Twin, tmp_path: Path) -> None:
    page = twin.write(tmp_path / "out").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert "http" not in page.replace("http://www.w3.org", ""), "nothing is loaded from afar"
    windows = pd.read_parquet(tmp_path / "out" / WINDOWS)
    rows = pd.read_csv(tmp_path / "out" / TABLE).set_index(["node_id", "activity"])
    for node in ("n0", "n1", "n2", "n4"):
        own = windows[windows["node_id"] == node]
        assert own["measured_j"].sum() == pytest.approx(rows.loc[(node, ALL), "measured_j"])
        assert own["twin_j"].sum() == pytest.approx(rows.loc[(node, ALL), "twin_j"])
    assert windows["half_width_j"].isna().sum() == SLOTS, "missing is not zero"
    told = twin.as_dict()
    assert told["fleet"]["measured_j"] == pytest.approx(windows["measured_j"].sum())
    by_line = sum(row["twin_j"] for row in told["components"])
    assert by_line == pytest.approx(told["fleet"]["twin_j"])
    json.dumps(told, allow_nan=False)


@pytest.mark.processes
@pytest.mark.skipif(CHROMIUM is None or BASH is None, reason=WHY_NOT)
def test_the_page_is_as_wide_as_a_phone(twin: Twin, tmp_path: Path) -> None:
    page = twin.write(tmp_path / "out").absolute()
    with Browser(tmp_path / "browser") as browser:
        browser.open(page.as_uri(), width=500)
        browser.wait("document.querySelectorAll('svg').length === 3")
        assert browser.value("document.documentElement.scrollWidth") == 500, (
            "tables scroll, the page does not"
        )
        assert browser.picture()
        use_every_control(browser, page.as_uri())
        read_everywhere(browser, page.as_uri())
        words = browser.value("document.body.textContent")
        assert "n0 · " in words, "zones beside nodes"


def test_another_profile_changes_the_twin_and_not_the_reading(
    twin: Twin, folder: Path, tmp_path: Path
) -> None:
    text = (ROOT / "edge_node" / "energy" / "boards" / "raspberry_pi_4b.toml").read_text()
    assert text.count("value = 3.0") == 1, "idle power"
    (tmp_path / "idle.toml").write_text(text.replace("value = 3.0", "value = 3.3", 1))
    other = twin_of(folder, [f"n0={tmp_path}/idle.toml"])
    for before, after in zip(twin.windows, other.windows, strict=True):
        assert after.measured_uj == before.measured_uj
        assert (after.twin_uj > before.twin_uj) is (after.node_id == "n0")


def test_a_recording_of_sleeping_boards_is_priced_exactly_too(tmp_path: Path) -> None:
    """Nothing is learned here, batches are counted; nodes may wait, so that they sleep and are woken."""
    base = """name = "sleepers"
policy = "deta"
[stages]
preparation = 0
development = 8
application = 0
recycling = 0
[task]
name = "none"
[demand]
busy_fraction = 0.2
[limits]
may_sleep = true
deadline_slots = 2
offload_cap_fraction = 1.0
[fleet]
kind = "inprocess"
"""
    zones = ("US-NW-SCL", "US-SE-SOCO")

    def text(kind: str) -> str:
        logs = {zone: f"{tmp_path}/{zone}.jsonl" for zone in zones}
        meters = {
            zone: f"record:{log}=modelled" if kind == "record" else f"replay:{log}"
            for zone, log in logs.items()
        }
        return base + "".join(f'[[nodes]]\nzone = "{zone}"\nmeter = "{meters[zone]}"\n' for zone in zones)

    run(tmp_path, text("record"), "recorded")
    found = twin_of(run(tmp_path, text("replay"), "replayed"))
    activities = {window.activity for window in found.windows}
    components = {component for window in found.windows for _, component in window.lines}
    assert {"asleep", "development"} <= activities
    assert {"sleep", "wake"} <= components
    assert found.left_out == ()
    for window in found.windows:
        assert dict(window.lines) == dict(window.twin_lines)


def test_a_run_without_readings_is_refused_with_what_to_do(tmp_path: Path) -> None:
    modelled = run(tmp_path, SMALL.replace("development = 4", "development = 1"), "modelled")
    with pytest.raises(
        UsageError, match=r"nothing was measured \(meter: modelled; .*run the scenario on boards"
    ):
        twin_of(modelled)


def test_damaged_books_are_refused(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    with sqlite3.connect(copy / "ledger.sqlite") as ledger:
        (triggers,) = zip(
            *ledger.execute("select name from sqlite_master where type = 'trigger'"), strict=True
        )
        for name in triggers:
            ledger.execute(f"drop trigger {name}")
        ledger.execute("delete from entries where kind = 'usage' and slot = 3")
    ledger.close()
    with pytest.raises(UsageError, match=r"the books are not sound .*detabed ledger verify"):
        twin_of(copy)


def test_an_error_of_seconds_is_apart_from_that_of_powers(twin: Twin) -> None:
    """Windows twice as long as the slots: half of the time, and idle power for it; powers are right."""
    (row,) = [row for row in twin.rows if (row.node_id, row.activity) == ("n4", ALL)]
    assert row.time_error_fraction == pytest.approx(-0.5)
    assert row.error_fraction is not None
    assert -0.5 < row.error_fraction < -0.3
    assert (row.window_error_fraction, row.window_within) == (0.0, True)


def test_slots_of_another_length_than_planned_are_said(twin: Twin) -> None:
    whole = errors_of([window for window in twin.windows if window.node_id == "n4"])
    virtual, wall = slots_unlike(whole, False), slots_unlike(whole, True)
    assert virtual.startswith("Slots lasted ")
    assert 'time.clock = "wall"' in virtual
    assert "choose longer slots" in wall
    assert 'time.clock = "wall"' not in wall, "it is"
    assert slots_unlike(errors_of([window for window in twin.windows if window.node_id == "n0"]), False) == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["{folder}", "--profile", "no-such-board"], "unknown board 'no-such-board'"),
        (["{folder}", "--profile", "n0=no/such.toml"], "there is no file no/such.toml"),
        (
            ["{folder}", "--profile", "n9=raspberry-pi-4b"],
            "the run has no node n9; it has n0, n1, n2, n3, n4",
        ),
        (["{folder}/.."], "it is no finished run"),
        (["no-such-run"], "no such folder"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    before = sorted(path.name for path in folder.iterdir())
    assert invoke(["twin", *(each.format(folder=folder) for each in arguments)]) == 2
    assert text in " ".join(capsys.readouterr().err.split())
    assert sorted(path.name for path in folder.iterdir()) == before
    assert not (folder / "twin" / PAGE).exists()
