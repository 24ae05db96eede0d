"""The study of kinds: tables by hand, checks that can fail, and a small study of two kinds from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments.resolve.resolve import resolve
from experiments.studies.kinds.checks import judge
from experiments.studies.kinds.kinds import KINDS, scenario_of
from experiments.studies.kinds.page import shown
from experiments.studies.kinds.study import reproduce_kinds
from experiments.studies.kinds.tables import difference, kinds_of, static_part


def run(kind: str, seed: int, accuracy: float, grams: float = 10.0, **more: object) -> dict[str, object]:
    return {
        "kind": kind,
        "seed": seed,
        "rounds": 3,
        "accuracy": accuracy,
        "personal_accuracy": accuracy + 0.01 * seed,
        "energy_j": 100.0,
        "emissions_g": grams,
        "sent_bytes": 1000,
        "slot_s": 2.0,
        "static_j": 20.0,
        "static_g": 2.0,
        "epsilon": None,
        "delta": None,
        "ledger_ok": True,
        **more,
    }


RUNS = pd.DataFrame(
    [
        *(run("fedavg", seed, 0.8 + 0.01 * seed) for seed in (0, 1)),
        *(run("secure", seed, 0.8 + 0.01 * seed, 11.0, sent_bytes=1010) for seed in (0, 1)),
        *(run("central", seed, 0.5 + 0.01 * seed, epsilon=20.0, delta=1e-5) for seed in (0, 1)),
    ]
)


def test_differences_are_paired_by_seed() -> None:
    assert difference(RUNS, "central", "fedavg", "accuracy") == pytest.approx((-0.3, -0.3, -0.3))
    assert difference(RUNS, "secure", "fedavg", "emissions_g") == pytest.approx((0.1, 0.1, 0.1))
    assert difference(RUNS, "split", "fedavg", "accuracy") == (None, None, None)
    one = RUNS[RUNS["seed"] == 0]
    assert difference(one, "secure", "fedavg", "sent_bytes") == pytest.approx((0.01, None, None))


def test_a_kind_with_longer_slots_says_what_static_power_makes_of_its_grams() -> None:
    """Grams rise by 30 % and 50 % of 10, of which 2 and 3 g are static power."""
    ditto = [
        run("ditto", seed, 0.8, 13.0 + 2 * seed, slot_s=4.0, static_j=40.0, static_g=4.0 + seed)
        for seed in (0, 1)
    ]
    runs = pd.concat([RUNS, pd.DataFrame(ditto)], ignore_index=True)
    kinds = kinds_of(runs)
    row = kinds.set_index("kind").loc["ditto"]
    assert (row["slot_s_more"], row["static_j_more"]) == pytest.approx((1.0, 1.0))
    assert (row["emissions_g_more"], row["static_g_more"]) == pytest.approx((0.4, 0.25))
    assert static_part(runs, "ditto", "fedavg")[0] == pytest.approx(0.25)
    assert static_part(runs, "split", "fedavg") == (None, None, None)
    said = judge(runs, kinds)["ditto-grams"]["ours"]
    assert said.endswith("static power in slots 2.00 times as long makes 25.0 of these points")
    shown_row = {each[0]: each for each in shown(kinds).rows}["Ditto: a second model"]
    assert shown_row[3:6] == ["4.00", "100", "40"]


def test_checks_are_met_or_not_by_the_figures() -> None:
    kinds = kinds_of(RUNS)
    found = judge(RUNS, kinds)
    assert found["secure-accuracy"]["verdict"] == found["secure-bytes"]["verdict"] == "met"
    assert found["central-accuracy"]["verdict"] == "not met"
    assert "epsilon 20.0 at delta 1e-05" in found["central-accuracy"]["ours"]
    assert found["books"]["verdict"] == "met"
    worse = RUNS.assign(ledger_ok=False)
    worse.loc[worse["kind"] == "secure", "accuracy"] = 0.7
    assert judge(worse, kinds_of(worse))["secure-accuracy"]["verdict"] == "not met"
    assert judge(worse, kinds_of(worse))["books"]["verdict"] == "not met"


def test_a_row_without_a_figure_says_so() -> None:
    rows = {row[0]: row for row in shown(kinds_of(RUNS)).rows}
    assert rows["FedAvg"][8:12] == ["–", "–", "–", "–"]
    assert rows["Central privacy, noise 1"][8] == "20.0"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_a_scenario_that_can_be_run(kind: str) -> None:
    assert len(resolve(scenario_of(kind, 0, 2)).boards) == 6


def test_a_small_study_writes_page_tables_and_checks(tmp_path: Path) -> None:
    report = reproduce_kinds(
        tmp_path / "study",
        False,
        workers=1,
        cache=tmp_path / "kept",
        size=(1, 2),
        chosen=("fedavg", "secure"),
    )
    assert report["checks"]["secure-accuracy"]["verdict"] == "met"
    assert report["computed"] == 2
    told = json.loads((tmp_path / "study" / "checks.json").read_text())
    assert {row["kind"] for row in told["kinds"]} == {"fedavg", "secure"}
    for row in told["kinds"]:
        assert 0.0 < row["static_j"] < row["energy_j"]
        assert row["slot_s"] > 0
    assert "What kinds of federated learning cost" in (tmp_path / "study" / "report.html").read_text()
