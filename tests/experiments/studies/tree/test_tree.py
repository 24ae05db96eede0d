"""The whole reproduction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.studies.tree import fig4
from experiments.studies.tree.fig4 import reproduce_fig4, verdicts
from experiments.studies.tree.settings import (
    Extent,
    study_settings,
)


@pytest.mark.long
def test_the_whole_reproduction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fig4, "QUICK", Extent(seeds=10, window_s=6.0, warmup_s=1.0))
    report = reproduce_fig4(tmp_path)
    assert len(report["claims"]) == 16
    for claim in report["claims"].values():
        assert claim["met_in"] + claim["not_met_in"] + claim["not_decidable_in"] == claim["settings"] <= 96
    # Alpha and the way of counting tokens cannot change figures without tokens.
    assert all(report["claims"][name]["settings"] <= 8 for name in ("VR2", "VR5", "VU6", "VG3", "VG5"))
    assert report["claims"]["VG2"]["settings"] > 8
    assert json.loads((tmp_path / "claims.json").read_text()) == report
    assert verdicts(report).row_count == 16
    assert all(Path(path).is_file() for path in (*report["tables"].values(), *report["figures"].values()))
    assert len(study_settings()) * 10 == len(list((tmp_path / "cells").iterdir()))
