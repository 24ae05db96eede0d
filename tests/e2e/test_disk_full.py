"""A disk that becomes full during a run: one sentence, exit code 1, an incomplete ledger. On a real small disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios import FULL

ROOT = Path(__file__).parents[2]
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
    (folder / "full.toml").write_text(FULL)
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
@pytest.mark.parametrize("fleet", ["inprocess", pytest.param("ray", marks=pytest.mark.processes)])
def test_a_disk_that_cannot_take_the_ledger(tmp_path: Path, fleet: str) -> None:
    done = run_on("200k", fleet, tmp_path, "--no-report")
    assert "verdict 3\n" in done.stdout
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert not verdict["ok"]
    assert verdict["findings"] == []
    assert len(verdict["incomplete"]) == 1


@needs_a_small_disk
def test_a_disk_that_cannot_take_the_report(tmp_path: Path) -> None:
    # Checkpoints, of which two lie there while one is replaced, are gone by then.
    done = run_on("1800k", "inprocess", tmp_path, "")
    assert "verdict 0\n" in done.stdout  # the ledger was complete by then
