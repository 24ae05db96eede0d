"""The study of forecasts on one day, from cells to page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from carbon_data.files.datasets import DatasetState, dataset, status_of
from experiments.studies.forecasts import ranking
from experiments.studies.forecasts.cells import DATASETS
from experiments.studies.forecasts.study import reproduce_forecasts
from experiments.studies.forecasts.survive import Extent

ROOT = Path(__file__).parents[4]


def documented() -> set[str]:
    """Keys that docs/command-line.md promises of the study."""
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    found = re.search(r"\*\*`reproduce forecasts`\*\*(.*?)\n\n", text, re.DOTALL)
    assert found
    return set(re.findall(r"`(\w+)`", found[1].partition(":")[2]))


def test_one_day_from_cells_to_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "POLICIES", ("grid", "local", "deta"))
    monkeypatch.setattr(ranking, "DRAWS", 50)
    for name in DATASETS:
        if status_of(dataset(name)).state is not DatasetState.PRESENT:
            pytest.skip(f"{name} is not in the data folder")
    extent = Extent(1, {0: ("issued", "persistence", "issued-48h")})
    report = reproduce_forecasts(tmp_path / "study", False, None, 1, cache=tmp_path / "cache", extent=extent)
    assert report["computed"] == 1 + 5 + 3
    assert json.loads((tmp_path / "study" / "checks.json").read_text()) == json.loads(json.dumps(report))
    assert set(report) - {"checks", "run"} <= documented()
    for path in (*report["tables"].values(), *report["figures"].values(), report["page"]):
        assert Path(path).stat().st_size > 0
    assert all(
        set(check) == {"statement", "verdict", "ours", "figure"} for check in report["checks"].values()
    )
    assert report["checks"]["simulator-agrees"]["verdict"] == "met"
    kept = {row["regime"]: row["surviving_fraction"] for row in report["surviving"]}
    assert kept["perfect"] == 1.0
    assert 0.5 < kept["issued"] <= 1.0 + 1e-6
    assert {row["reading"] for row in report["ranking"]} == {one.name for one in ranking.READINGS}
    again = reproduce_forecasts(tmp_path / "study", False, None, 1, cache=tmp_path / "cache", extent=extent)
    assert again["computed"] == 0
    assert {**again, "computed": 0} == {**report, "computed": 0}
