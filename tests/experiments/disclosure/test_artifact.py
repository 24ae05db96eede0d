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


def test_a_live_run_is_repeated_from_what_it_froze(run: Run, tmp_path: Path) -> None:
    for name in ("scenario.toml", "recorded.toml", "signals.jsonl"):
        (tmp_path / name).write_text("")
    (tmp_path / "ledger.sqlite").write_bytes((run.folder / "ledger.sqlite").read_bytes())
    (tmp_path / "metadata.json").write_bytes((run.folder / "metadata.json").read_bytes())
    artifact = artifact_of(replace(run, folder=tmp_path))
    assert all("recorded.toml" in command for command in artifact.repeat[1:3])
    assert {"recorded.toml", "signals.jsonl"} <= set(artifact.files)
