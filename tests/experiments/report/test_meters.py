"""A run of which one node has a sensor, one a recorded reading and one a model, from the samples to the report."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.report.lifecycle.factors import Factors
from experiments.report.lifecycle.spread import gram_lines, total_spread
from experiments.report.measured import measured, total_text
from experiments.report.measures import totals
from experiments.report.meters import table
from experiments.report.read import Study, load
from experiments.report.summary import run_json
from tests.scenarios import SMALL

pytestmark = pytest.mark.processes
SLOTS = 5
RECORDED = {
    "lines": [
        {"stage": "development", "component": "static", "energy_uj": 9_000_000, "provenance": "measured"}
    ],
    "metered": {
        "kind": "power",
        "energy_uj": 9_000_000,
        "half_width_uj": 50_000,
        "bias_uj": 30_000,
        "rate_hz": 10.0,
        "coverage_fraction": 0.95,
        "gaps": 1,
        "window_s": 3.0,
    },
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("metered")
    (folder / "wave.csv").write_text("at_s,power_w\n0,4.0\n0.013,4.6\n0.031,3.9\n0.047,5.2\n0.08,0\n")
    log = "".join(json.dumps({"slot": slot, **RECORDED}) + "\n" for slot in range(SLOTS))
    (folder / "log.jsonl").write_text(log)
    text = SMALL.replace("development = 4", "development = 2").replace("application = 2", "application = 1")
    meters = {
        "US-NW-SCL": f"recording:{folder}/wave.csv,repeat",
        "US-SE-SOCO": f"replay:{folder}/log.jsonl",
    }
    for zone, meter in meters.items():
        text = text.replace(f'zone = "{zone}"', f'zone = "{zone}"\nmeter = "{meter}"')
    # On a busy machine the sensor may miss a slot, whose work is then not counted.
    (folder / "metered.toml").write_text(f"{text}[tolerance]\nunserved_fraction = 1\n")
    arguments = ["run", str(folder / "metered.toml"), "--policy", "local", "--output", str(folder / "run")]
    assert invoke([*arguments, "--json"]) == 0
    assert invoke(["ledger", "verify", str(folder / "run")]) == 0
    return load(folder / "run")


def test_the_tables_meter_by_meter(study: Study) -> None:
    nodes = study.any_run.tables["nodes"].set_index("node_id")
    slots = study.any_run.tables["slots"]
    booked = slots[slots["metered"]]
    kinds = booked.groupby("node_id")["meter_kind"].unique().map(list).to_dict()
    assert kinds == {"n0": ["power"], "n1": ["power"], "n2": ["modelled"]}
    own = booked[booked["node_id"] == "n0"]
    assert nodes["interval_slots"].to_dict() == {"n0": len(own), "n1": SLOTS, "n2": 0}
    assert (own["demand_half_width_j"] > 0).all()
    assert (own["demand_half_width_j"] < 0.5 * own["demand_j"]).all()
    # What the board drew: 4.61 W on average, by the recording.
    assert own["demand_j"].sum() == pytest.approx(4.61 * own["meter_window_s"].sum(), rel=0.05)
    # Noise of 40 mJ a window averages out, a step of 30 mJ does not.
    assert nodes.loc["n1", "demand_half_width_j"] == pytest.approx(
        (SLOTS * 0.04**2 + (SLOTS * 0.03) ** 2) ** 0.5
    )


def test_totals_carry_the_interval(study: Study) -> None:
    one = totals(study.any_run)
    nodes = study.any_run.tables["nodes"].set_index("node_id")
    assert one.measured_j == pytest.approx(nodes.loc[["n0", "n1"], "demand_j"].sum())
    halves = nodes.loc[["n0", "n1"], "demand_half_width_j"].astype(float)
    assert one.measured_half_width_j == pytest.approx((halves**2).sum() ** 0.5)
    assert total_text(study).startswith("Measured under LOCAL, seed 0: ")
    assert total_text(study) in html.unescape((study.folder / "report.html").read_text(encoding="utf-8"))


def test_the_table_of_meters_has_a_dash_where_nothing_is_known(study: Study) -> None:
    found = table(study)
    assert found is not None
    rows = {row[0][0]: [text for text, _, _ in row] for row in found.rows()}
    assert rows["n0"][1:3] == ["recording", "power"]
    assert rows["n1"][1:3] == ["replay", "power"]
    assert rows["n2"][1:3] == ["modelled", "modelled"]
    assert [rows[node][4] == "–" for node in ("n0", "n1", "n2")] == [False, False, True]
    assert rows["n1"][7:9] == ["95.0\u202f%", str(SLOTS)]
    assert rows["n2"][7:] == ["–", "–", "–"]


def test_sampling_enters_the_spread_of_the_grams(study: Study) -> None:
    lines = study.any_run.tables["lines"]
    found = measured(lines, "operational_g")
    assert found is not None
    drawn = gram_lines(lines, {})
    assert drawn.noise_std_g == pytest.approx(found.half_width / 1.96, rel=1e-3)
    assert total_spread(study.any_run, Factors()) is not None


def test_the_json_says_it_too(study: Study) -> None:
    told = json.loads(json.dumps(run_json(study.any_run)))
    assert told["measured_half_width_j"] > 0


def test_a_modelled_run_has_no_such_table(make_run: Callable[..., Path]) -> None:
    study = load(make_run())
    assert table(study) is None
    assert total_text(study) == ""
    one = totals(study.any_run)
    assert (one.measured_j, one.measured_half_width_j) == (None, None)
