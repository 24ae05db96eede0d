"""What is shown follows from the entries alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from coordinator.ledger import Entry, Kind, StoredEntry, read_entries
from experiments.live.picture import FAULTS_SHOWN, Picture
from experiments.run_folder.files import LEDGER


def stored(*entries: Entry) -> list[StoredEntry]:
    return [StoredEntry(number, entry, "", "") for number, entry in enumerate(entries)]


def test_totals_are_those_of_the_tables(finished: Path) -> None:
    picture = Picture()
    picture.take(read_entries(finished / LEDGER))
    lines = pd.read_parquet(finished / "lines.parquet")
    assert picture.emissions_g == pytest.approx(lines["operational_g"].sum(), rel=1e-12)
    assert picture.energy_j == pytest.approx(lines["energy_j"].sum(), rel=1e-12)
    assert (picture.ended, picture.slots, picture.slot, picture.stage) == (8, 8, 7, "recycling")
    assert picture.history[-1]["emissions_g"] == picture.emissions_g
    grams = [row["emissions_g"] for row in picture.history]
    assert grams == sorted(grams)
    flows = pd.read_parquet(finished / "batch_flows.parquet")
    last = flows[flows["slot"] == 7]
    assert sum(count for *_, count in picture.batch_flows) == last["batches"].sum()


def test_entry_by_entry_gives_what_all_at_once_gives(finished: Path) -> None:
    entries = list(read_entries(finished / LEDGER))
    whole, parts = Picture(), Picture()
    whole.take(entries)
    for one in entries:
        parts.take([one])
    assert parts == whole


def test_gaps_restarts_and_alarms_are_faults_and_a_gap_is_not_zero(finished: Path) -> None:
    entries = [one for one in read_entries(finished / LEDGER) if one.entry.kind is not Kind.SLOT_END]
    picture = Picture()
    picture.take(entries)
    node_id = next(iter(picture.nodes))
    again = next(
        one.entry for one in entries if one.entry.kind is Kind.REGISTRATION and one.entry.node_id == node_id
    )
    boot = {**again.body, "boot_id": "f" * 32}
    picture.take(
        stored(
            Entry(Kind.GAP, "gap/1", {"reason": "no report"}, (), 8, node_id),
            Entry(Kind.START, "start/2", {"epoch": 2}),
            Entry(Kind.REGISTRATION, "registration/2", boot, (), None, node_id),
            Entry(Kind.ALARM, "alarm/1", {"alarm": "key_conflict"}, (), 8, node_id),
        )
    )
    assert [fault["text"] for fault in picture.faults] == [
        "no reading: no report",
        "the coordinator was started again",
        "the node was started again",
        "alarm: key conflict",
    ]
    node = picture.nodes[node_id]
    assert (node.demand_j, node.grid_j, node.green_j, node.gaps) == (None, None, None, 1)


def test_all_faults_are_counted_and_the_newest_kept() -> None:
    picture = Picture()
    count = FAULTS_SHOWN + 5
    picture.take(
        stored(*(Entry(Kind.GAP, f"gap/{k}", {"reason": str(k)}, (), k, "n0") for k in range(count)))
    )
    assert (picture.fault_count, len(picture.faults)) == (count, FAULTS_SHOWN)
    assert picture.faults[-1]["slot"] == count - 1


def test_a_virtual_fleet_is_shown_as_a_whole(tmp_path: Path) -> None:
    from experiments.cli import invoke  # the whole product, which the other tests here do without

    text = (
        '[task]\nname = "none"\n[stages]\ndevelopment = 3\n[fleet]\nkind = "virtual"\n[[nodes]]\nzone = "DE"\n'
        'count = 40\n[nodes.demand]\nkind = "constant"\npeak_w = 2\n'
    )
    (tmp_path / "rows.toml").write_text(text)
    assert invoke(["run", str(tmp_path / "rows.toml"), "-o", str(tmp_path / "run"), "--no-report"]) == 0
    picture = Picture()
    picture.take(read_entries(tmp_path / "run" / LEDGER))
    assert picture.is_rows
    assert picture.ended == 3
    lines = pd.read_parquet(tmp_path / "run" / "lines.parquet")
    assert picture.emissions_g == pytest.approx(lines["operational_g"].sum(), rel=1e-12)


def test_live_intensities_are_shown_with_their_slot_and_old_ones_are_faults() -> None:
    told = {"zone": "GB", "g_per_kwh": 170.0, "age_s": 0.0, "stale": False, "kept": False}
    old = told | {"g_per_kwh": 180.0, "age_s": 9000.0, "stale": True}
    picture = Picture()
    picture.take(
        stored(
            Entry(Kind.SIGNAL, "signal/0", {"zones": [told]}, (), 0),
            Entry(Kind.SIGNAL, "signal/1", {"zones": [old]}, (), 1),
            Entry(Kind.SIGNAL, "signal/2", {"zones": [old | {"kept": True}]}, (), 2),
        )
    )
    assert [picture.intensity_of("GB", slot) for slot in (0, 1, 3)] == [170.0, 180.0, None]
    assert [fault["text"] for fault in picture.faults] == [
        "the intensity of GB is 2.5 h old",
        "the intensity of GB is 2.5 h old, beyond the limit",
    ]
