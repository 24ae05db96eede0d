"""``detabed watch``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.run_folder.failed import mark_failed
from experiments.run_folder.files import CHECKPOINT, DONE
from tests.scenarios import SMALL


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watch")
    (folder / "small.toml").write_text(SMALL)
    assert invoke(["run", str(folder / "small.toml"), "-o", str(folder / "run"), "--no-report"]) == 0
    return folder / "run"


def test_a_run_is_followed_to_its_end(tmp_path: Path) -> None:
    """As another process: `run` writes, `watch` reads."""
    (tmp_path / "small.toml").write_text(SMALL)
    module = [sys.executable, "-m", "experiments.cli"]
    run = [*module, "run", str(tmp_path / "small.toml"), "-o", str(tmp_path / "run"), "--no-report"]
    with subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        while not (tmp_path / "run" / "scenario.toml").exists():
            assert running.poll() is None
        watch = [*module, "watch", str(tmp_path / "run")]
        done = subprocess.run(watch, capture_output=True, text=True, timeout=300, check=False)
        assert running.wait() == 0
    assert done.returncode == 0, done.stderr
    *_, last, end = done.stdout.splitlines()
    assert "slot 8 of 8 closed" in last
    assert end == f"{tmp_path / 'run'}: finished"


def test_once_and_json_show_and_end(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(
        (path.name, path.stat().st_mtime_ns) for path in finished.iterdir() if path.suffix == ".parquet"
    )
    assert invoke(["watch", str(finished), "--once"]) == 0
    assert "finished" in capsys.readouterr().out
    assert invoke(["watch", str(finished), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ended"] == 8
    after = sorted(
        (path.name, path.stat().st_mtime_ns) for path in finished.iterdir() if path.suffix == ".parquet"
    )
    assert after == before


def test_a_run_that_failed_or_was_broken_off_says_so(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (finished / DONE).unlink()
    try:
        assert invoke(["watch", str(finished)]) == 0
        assert f"detabed resume {finished}" in capsys.readouterr().out
        mark_failed(finished, "the disk is full")
        assert invoke(["watch", str(finished)]) == 1
        assert "failed: the disk is full" in capsys.readouterr().out
    finally:
        (finished / DONE).touch()
    assert not (finished / CHECKPOINT).exists()


def test_what_is_no_run_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["watch", str(tmp_path / "nothing")]) == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize("options", [("--page", "--once"), ("--page", "--json"), ("--port", "7780")])
def test_options_that_would_be_ignored_are_refused(finished: Path, options: tuple[str, ...]) -> None:
    assert invoke(["watch", str(finished), *options]) == 2
