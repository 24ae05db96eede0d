"""The study from end to end at a small size."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from edge_node.tasks.data import mnist
from experiments.studies.fei import fig5, market
from experiments.studies.fei.computed import Bench
from experiments.studies.fei.spec import QUICK, BatchReading, Reduction
from experiments.studies.fei.study import reproduce

SMALL = Reduction(0.02, 2, 0.6, servers=(1, 3, 5), max_rounds=8, test_examples=500)
TINY = replace(
    QUICK,
    trainings={},
    scaled={("MLP", BatchReading.BATCH_50): SMALL},
    train_seeds=1,
    rates={},
    uses_shipped=False,
    panels_w=(5.0, 20.0),
    losses_fraction=(0.1, 0.3),
    caps_fraction=(0.25, 0.5),
    deadlines_slots=(0,),
    days=2,
    seeds=2,
)


@pytest.mark.skipif(not mnist.is_present(), reason="the four files of MNIST are not in the data folder")
def test_from_training_to_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market, "FIG5_SERVERS", (2, 4))
    monkeypatch.setattr(fig5, "SURFACE_SERVERS", 4)
    found = reproduce("all", TINY, Bench(tmp_path / "cache", tmp_path / "run", None, workers=1))
    stored = json.loads((tmp_path / "run" / "reproduce.json").read_text())
    assert stored["claims"] == found["claims"]
    for claim in found["claims"].values():
        assert claim["verdict"] in ("met", "not met", "not decidable")
        assert claim["paper"]
        assert claim["ours"]
    points = pd.DataFrame(stored["tables"]["surface_seeds"])
    assert set(points["seed"]) == {0, 1}
    assert (points["deta_bound_g"] <= points["deta_g"] * (1 + 1e-9)).all()
    for case in ("fig5-servers4-seed1", "surface-panel20-slack0-seed0", "surface-panel20-sleep-seed1"):
        assert len(pd.read_csv(tmp_path / "run" / "cases" / case / "grams.csv")) > 2
        assert json.loads((tmp_path / "run" / "cases" / case / "case.json").read_text())["day"] > 0
    rows = found["tables"]["table1"]
    assert len(rows) == 3 * 2 * 2 * 6
    trained = [row for row in rows if row["ours_kwh"] is not None]
    assert trained
    assert all(row["basis"].startswith("scaled") for row in trained)
    assert all(row["ratio_kwh"] == pytest.approx(1.0) for row in trained if row["role"] == "calibrated")
    assert found["tables"]["seeds"] == [], "one training seed"
    by_reading = found["tables"]["claims_by_reading"]
    assert {row["verdict"] for row in by_reading} <= {"met", "not met", "not decidable"}
    assert len(by_reading) == 4 * len({row["claim"] for row in by_reading})
    page = Path(found["report"]).read_text()
    assert "Claims in every reading" in page
    assert "Inconsistencies of the paper" in page
    assert "http-equiv" not in page
    assert 'src="' not in page, "self-contained"
    at_rates = found["tables"]["rates"]
    assert {(row["model"], row["learning_rate"]) for row in at_rates if row["is_own"]} == {
        ("MLP", 0.2),
        ("CNN", 0.1),
        ("LSTM", 2.0),
    }
    assert all(row["basis"] for row in at_rates)
    said = {
        name: claim["by_construction"]
        for name, claim in found["claims"].items()
        if "by_construction" in claim
    }
    assert {"deta-not-above-det", "det-not-above-none", "parameters-mlp"} <= said.keys()
    assert "by construction" in page
    for name in ("fig3", "fig4", "fig4-three-stages", "fig5", "surface-grid", "surface-local", "sleep"):
        assert (tmp_path / "run" / "figures" / f"{name}.svg").stat().st_size > 1000
        assert (tmp_path / "run" / "figures" / f"{name}.pdf").stat().st_size > 1000
        assert (tmp_path / "run" / "tables" / f"figure-{name}.csv").exists()
