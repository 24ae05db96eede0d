"""Goal 12: a default start, Ray included, has no listener outside loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from experiments.fleet.isolation import exposed, is_isolated, listeners
from experiments.run_folder.files import ADDRESSES
from tests.scenarios import FULL

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]
ROOT = Path(__file__).parents[2]


def test_a_default_run_listens_on_loopback_only(tmp_path: Path) -> None:
    scenario, folder = tmp_path / "full.toml", tmp_path / "run"
    scenario.write_text(FULL)
    arguments = ["run", str(scenario), "-o", str(folder), "--no-report", "--serve-for", "600"]
    with psutil.Popen(
        [sys.executable, "-P", "-m", "experiments.cli", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            while not (folder / ADDRESSES).exists():
                assert process.poll() is None
                time.sleep(0.1)
            found = listeners(process.pid)
        finally:
            process.terminate()
    programs = {listener.process for listener in found}
    print(
        f"{len(found)} listeners of {len(programs)} programs ({', '.join(sorted(programs))}): none beyond loopback"
    )
    assert {"gcs_server", "raylet"} <= programs
    assert is_isolated() or exposed(found) == []
