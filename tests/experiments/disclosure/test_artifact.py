"""The artifact appendix: its commands repeat the run."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.disclosure.artifact import artifact_of
from experiments.report.read import Run, load


def test_its_commands_repeat_the_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the run folder, as it says; here a copy of the scenario alone."""
    artifact = artifact_of(run)
    (tmp_path / "scenario.toml").write_bytes((run.folder / "scenario.toml").read_bytes())
    monkeypatch.chdir(tmp_path)
    for command in artifact.repeat[1:]:
        program, *arguments = shlex.split(command)
        assert program == "detabed"
        more = ["--no-report"] if arguments[0] == "run" else []
        assert invoke([*arguments, *more]) == 0, command
    capsys.readouterr()
    again = load(tmp_path / f"repeated-{run.folder.name}").any_run
    assert again.emissions_g == run.emissions_g
    for name in ("lines.parquet", "slots.parquet"):
        digest = hashlib.sha256((again.folder / name).read_bytes()).hexdigest()
        assert digest == artifact.files[name], "byte for byte, as it promises"


def test_it_says_what_was_run_on_which_data(run: Run) -> None:
    artifact = artifact_of(run)
    assert artifact.what["policy"] == "deta"
    assert artifact.versions["python"]
    assert all(each["source"] and each["licence"] for each in artifact.data)
    assert run.metadata["ledger"]["head"] in artifact.expected[1]
    assert "byte for byte" in artifact.expected[0]


def test_measured_readings_promise_no_equal_bytes(run: Run) -> None:
    lines = run.tables["lines"].assign(provenance="measured")
    artifact = artifact_of(replace(run, tables={**run.tables, "lines": lines}))
    assert "byte for byte" not in artifact.expected[0]
