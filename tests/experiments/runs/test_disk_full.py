"""A disk that becomes full during a run: one sentence, exit code 1, an incomplete ledger. On a real small disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.cli import invoke

ROOT = Path(__file__).parents[3]
SCENARIO = """name = "full"
policy = "local"
[time]
start = 2022-06-21T12:00:00Z
[stages]
preparation = 0
development = 2
application = 1
recycling = 0
[task]
data = "digits"
local_epochs = 1
batches_per_slot = 2
[inference]
batches_per_slot = 1
requests_per_batch = 8
[[nodes]]
zone = "DE"
count = 3
"""
SCRIPT = """mount -t tmpfs -o size={size} tmpfs small || exit 99
{python} -m experiments.cli run full.toml -o small/run --fleet {fleet} {more}
echo "code $?"
{python} -m experiments.cli ledger verify small/run --json > verdict.json
echo "verdict $?"
cp small/run/FAILED . 2>/dev/null
"""


def can_mount() -> bool:
    if not (sys.platform.startswith("linux") and shutil.which("unshare")):
        return False
    tried = subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


needs_a_small_disk = pytest.mark.skipif(not can_mount(), reason="mounting a small disk needs root on Linux")


def run_on(size: str, fleet: str, folder: Path, more: str) -> subprocess.CompletedProcess[str]:
    (folder / "full.toml").write_text(SCENARIO)
    (folder / "small").mkdir()
    script = SCRIPT.format(size=size, fleet=fleet, python=sys.executable, more=more)
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert "code 1\n" in done.stdout, done.stdout + done.stderr
    sentences = [line for line in done.stderr.splitlines() if "disk is full" in line]
    assert len(sentences) == 1, done.stderr
    assert sentences[0].startswith("failed:")
    return done


@needs_a_small_disk
@pytest.mark.parametrize("fleet", ["inprocess", pytest.param("ray", marks=pytest.mark.e2e)])
def test_a_disk_that_cannot_take_the_ledger(tmp_path: Path, fleet: str) -> None:
    done = run_on("200k", fleet, tmp_path, "--no-report")
    assert "verdict 1\n" in done.stdout
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert not verdict["ok"]
    assert verdict["findings"] == []
    assert len(verdict["incomplete"]) == 1


@needs_a_small_disk
def test_a_disk_that_cannot_take_the_report(tmp_path: Path) -> None:
    done = run_on("1200k", "inprocess", tmp_path, "")
    assert "verdict 0\n" in done.stdout  # the ledger was complete by then


@pytest.mark.parametrize("content", ["nothing", "no tables"])
def test_a_ledger_of_nothing_is_incomplete_and_not_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"")
    if content == "no tables":
        import sqlite3

        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE t (x)")
        connection.execute("DROP TABLE t")
        connection.commit()
        connection.close()
        assert path.stat().st_size > 0
    assert invoke(["ledger", "verify", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "incomplete" in said.out
    assert "sound" not in said.out


def test_books_of_a_run_that_was_broken_off_are_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own_breaking.py").write_text(
        "from flwr.serverapp.strategy import FedAvg\n"
        "class Breaking(FedAvg):\n"
        "    def aggregate_train(self, server_round, replies):\n"
        "        if server_round == 2:\n"
        "            raise RuntimeError('enough')\n"
        "        return super().aggregate_train(server_round, replies)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "broken.toml"
    path.write_text(SCENARIO.replace("[task]", '[task]\nstrategy = "own_breaking:Breaking"'))
    folder = tmp_path / "run"
    assert invoke(["run", str(path), "--fleet", "inprocess", "-o", str(folder), "--no-report"]) == 1
    capsys.readouterr()
    assert invoke(["ledger", "verify", str(folder), "--json"]) == 1
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["incomplete"] == ["1 of 3 slots are closed"]
    assert verdict["findings"] == []
