"""A run on live intensity, and a run of its recording, which decides and books the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coordinator.ledger import verify
from coordinator.ledger.entry import Kind
from coordinator.ledger.store import read_entries
from experiments.cli import invoke
from experiments.report.lifecycle.report import lifecycle_of
from experiments.report.notices import notices
from experiments.report.read import load
from tests.carbon_data.live.replayed import HOUR, KEYS, TOKEN, Replayed

TABLES = (
    *("slots", "lines", "batch_flows", "energy_flows"),
    *("rounds", "nodes", "decisions", "serving"),
)
SCENARIO = """name = "live"
policy = "dat"
[stages]
preparation = 1
development = 4
application = 1
recycling = 0
[task]
data = "digits"
batch_size = 16
local_epochs = 1
[inference]
batches_per_slot = 2
requests_per_batch = 8
[forecast]
kind = "live"
[intensity]
source = "live"
[intensity.live]
service = "electricity-maps"
base_url = "{url}"
poll_s = 0
refuse_after_s = 10800
beyond = "keep"
zones = {{ US-CAL-CISO = {{ service = "eia", base_url = "{url}" }} }}
[accounting.marginal]
source = "live"
live = {{ service = "watttime", base_url = "{url}", poll_s = 0 }}
[fleet]
kind = "inprocess"
[[nodes]]
zone = "GB"
count = 2
[[nodes]]
zone = "US-CAL-CISO"
"""
FRESH_FROM = 3
"""Slot from which Electricity Maps, which was behind, has present values."""


@dataclass
class Runs:
    live: Path
    recorded: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder, replayed = tmp_path_factory.mktemp("live"), Replayed()
    polls = 0

    def moving(document: Any) -> Any:
        """A grid that changes from slot to slot."""
        nonlocal polls
        if "history" in document:
            polls += 1
            replayed.level = 40.0 * polls
            replayed.lag = 5 * HOUR if polls < FRESH_FROM else 0 * HOUR
        return document

    replayed.change, replayed.lag = moving, 5 * HOUR
    (folder / "live.toml").write_text(SCENARIO.format(url=replayed.url), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, key in KEYS.items():
            patch.setenv(name, key)
        try:
            arguments = ["run", str(folder / "live.toml"), "--output", str(folder / "one"), "--no-report"]
            assert invoke(arguments) == 0
        finally:
            replayed.close()
    # Neither a service nor a key is left.
    recorded = str(folder / "one" / "recorded.toml")
    assert invoke(["run", recorded, "--output", str(folder / "two"), "--no-report"]) == 0
    return Runs(folder / "one", folder / "two")


def decisions(folder: Path) -> list[str]:
    """Every decision as it is in the ledger, but for the wall time that it took."""
    found = []
    for stored in read_entries(folder / "ledger.sqlite"):
        if stored.entry.kind is Kind.DECISION:
            body = json.loads(stored.entry.text)
            del body["plan"]["decide_s"]
            found.append(json.dumps(body, sort_keys=True))
    return found


def test_the_recording_decides_and_books_the_same_byte_for_byte(runs: Runs) -> None:
    assert decisions(runs.live) == decisions(runs.recorded)
    assert len(decisions(runs.live)) == 6
    for table in TABLES:
        one, two = ((folder / f"{table}.parquet").read_bytes() for folder in (runs.live, runs.recorded))
        assert one == two, table


def test_each_slot_has_what_was_known_when_it_began(runs: Runs) -> None:
    slots = pd.read_parquet(runs.live / "slots.parquet")
    gb = slots[slots["node_id"] == "n0"].set_index("slot")
    assert gb["intensity_g_per_kwh"].is_unique
    assert gb["intensity_stale"].tolist() == [slot < FRESH_FROM for slot in range(6)]
    assert gb["intensity_kept"].tolist() == gb["intensity_stale"].tolist()
    assert (gb["intensity_age_s"][FRESH_FROM:] == 0).all()
    assert (gb["intensity_age_s"][:FRESH_FROM] > 10_800).all()
    us = slots[slots["zone"] == "US-CAL-CISO"]
    assert not us["intensity_stale"].any()
    assert (us["intensity_age_s"] >= 3600).all(), "EIA is an hour behind"


def test_the_ledger_is_sound_and_counts_what_was_stale(runs: Runs) -> None:
    report = verify(runs.live / "ledger.sqlite")
    assert report.ok, report.findings
    assert report.kinds["signal"] == 6
    assert "3 intensities kept beyond their limit" in report.notices
    assert "3 stale intensities" in report.notices


def test_no_key_is_in_any_file(runs: Runs) -> None:
    secrets = [
        KEYS["ELECTRICITYMAPS_TOKEN"],
        KEYS["EIA_API_KEY"],
        "eia%2Fsecret",
        KEYS["WATTTIME_PASSWORD"],
        TOKEN,
    ]
    for path in [*runs.live.parent.rglob("*")]:
        if path.is_file():
            content = path.read_bytes()
            assert not [key for key in secrets if key.encode() in content], path


def test_the_report_names_old_values_and_keeps_marginal_apart(runs: Runs) -> None:
    study = load(runs.live)
    (stale,) = [notice for notice in notices(study) if notice.title == "Stale intensity"]
    assert "GB in 3 slots" in stale.text
    assert "beyond the limit, and kept" in stale.text
    assert stale.level == "bad"
    origins = json.loads((runs.live / "metadata.json").read_text())["origins"]
    assert {origin["signal"] for name, origin in origins.items() if name.startswith("intensity")} == {
        "average"
    }
    marginal, again = (lifecycle_of(folder)["columns"]["marginal"] for folder in (runs.live, runs.recorded))
    assert marginal["value"] == again["value"] > 0
    assert "WattTime" in marginal["source"]
    one, two = (json.loads((folder / "metadata.json").read_text()) for folder in (runs.live, runs.recorded))
    assert one["intensity_digest"] == two["intensity_digest"]
