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
from experiments.studies.kinds.tables import difference, kinds_of


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
    assert rows["FedAvg"][6:9] == ["–", "–", "–"]
    assert rows["Central privacy, noise 1"][6] == "20.0"


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
    assert "What kinds of federated learning cost" in (tmp_path / "study" / "report.html").read_text()
