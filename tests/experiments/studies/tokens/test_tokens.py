"""The study from made-up cells to its page, and its refusals."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edge_node.language.model_file import ModelFile
from experiments.errors import UsageError
from experiments.studies.tokens import study
from experiments.studies.tokens.measured import run as measured_run
from experiments.studies.tokens.modelled import run as modelled_run
from tests.experiments.studies.tokens.made_up import results_of

ROOT = Path(__file__).parents[4]


def documented() -> set[str]:
    """Keys that docs/command-line.md promises of the study."""
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    found = re.search(r"\*\*`reproduce tokens`\*\*(.*?)\n\n", text, re.DOTALL)
    assert found
    return set(re.findall(r"`(\w+)`", found[1].partition(":")[2]))


def test_from_cells_to_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF and more")
    monkeypatch.setattr(study, "NEEDS", ())
    monkeypatch.setattr(measured_run, "file_of", lambda kind, cache: ModelFile(model, "0"))
    for module in (measured_run, modelled_run):
        monkeypatch.setattr(module, "run_jobs", results_of)
    report = study.reproduce_tokens(tmp_path / "study", False, None, 1, cache=tmp_path / "cache")
    assert json.loads((tmp_path / "study" / "checks.json").read_text()) == json.loads(json.dumps(report))
    assert set(report) - {"checks", "run"} <= documented()
    for path in (*report["tables"].values(), *report["figures"].values(), report["page"]):
        assert Path(path).stat().st_size > 0
    checks = report["checks"]
    assert all(set(check) == {"statement", "verdict", "ours", "figure"} for check in checks.values())
    assert checks["q4-0-reads-for-less"]["verdict"] == "met"
    assert checks["more-bits-bring-nothing-back"]["verdict"] == "met"
    assert checks["q4-0-predicts-worse"]["verdict"] == "met"
    assert checks["answers-stay"]["verdict"] == "met"
    assert checks["deta-saves"]["verdict"] == "met"
    assert checks["hand-over-between-alike"]["verdict"] == "not met"
    assert checks["links-are-heeded"]["verdict"] == "met"
    costs = report["costs"]
    assert costs["prefill"]["coefficients"] == pytest.approx((0.01, 0.008, 2.5e-6), rel=1e-6)
    assert costs["step"]["mean_error_fraction"] < 1e-9
    page = Path(report["page"]).read_text()
    for said in (
        "Modelled with what was measured",
        "Points of operation (DVFS) are not modelled",
        "Disaggregated",
    ):
        assert said in page


def test_packages_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "NEEDS", ("no_such_package",))
    with pytest.raises(UsageError, match=r"no_such_package not installed; pip install 'detabed\[llm\]'"):
        study.reproduce_tokens(tmp_path, False)
