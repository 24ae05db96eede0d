"""The whole study at a tiny extent."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments.studies.terminal import study
from experiments.studies.terminal.settings import QUICK


@pytest.mark.processes
def test_the_study_runs_and_repeats_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(study, "QUICK", QUICK.__class__("digits", 96, 24, 1, 1, 1, 24, 12, 1, 3))
    first = study.reproduce_terminal(tmp_path / "a", False, None)
    monkeypatch.setattr(study, "draw_figures", lambda *arguments: [])
    second = study.reproduce_terminal(tmp_path / "b", False, None)
    for verdict in ("exact-cuts", "bytes", "incremental-exact", "both-ways"):
        assert first["checks"][verdict]["verdict"] == "met"
    assert first["checks"] == second["checks"]
    # No paper states them: nothing of the study calls them claims.
    assert "claims" not in first
    said = {name for name, check in first["checks"].items() if "by_construction" in check}
    assert said == {"exact-cuts", "incremental-exact", "one-user", "video-exact"}
    for name, path in first["tables"].items():
        assert Path(path).read_bytes() == Path(second["tables"][name]).read_bytes(), name
    for name, path in first["figures"].items():
        assert Path(path).is_file()
        assert Path(path).with_suffix(".pdf").is_file()
        assert Path(path).with_suffix(".png").is_file(), name
    table = pd.read_csv(first["tables"]["mechanisms"])
    assert (table["system_j"] >= table["terminal_j"]).all()
    sent = table[(table["workload"] == "images") & (table["mechanism"] != "dynamic partition")]
    assert sent.groupby("option")["up_bytes"].nunique().max() == 1
    report = json.loads((tmp_path / "a" / "checks.json").read_text())
    assert report["models"] == json.loads((tmp_path / "b" / "checks.json").read_text())["models"]
    facts = pd.read_csv(first["tables"]["users_executed"])
    assert [row["served"] for row in report["users_executed"]] == facts["served"].tolist()
    assert all(row["latency_wall_s"] > 0 for row in report["users_executed"])
    page = Path(first["page"]).read_text()
    assert "<svg" in page
    assert "claim" not in page.lower()
    assert "http://" not in page.replace("http://www.w3.org", "")
