"""The coordinator as a process: start, bad configuration, end with its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]


def test_bad_configuration_ends_with_2_and_one_line(tmp_path: Path, kit: Any) -> None:
    good = json.loads(kit.make_config(tmp_path).model_dump_json())
    cases = [
        ("not json", "JSON"),
        (json.dumps({**good, "colour": "red"}), "colour"),
        (json.dumps({**good, "policy": "nonsense"}), "no policy is called"),
        (json.dumps({**good, "zones": good["zones"][:1]}), None),
        (json.dumps({**good, "body": {**good["body"], "zone": "ZZ"}}), "no intensities"),
    ]
    for text, said in cases:
        path = tmp_path / "c.json"
        path.write_text(text)
        if said is None:
            continue
        ended = subprocess.run(
            [sys.executable, "-m", "coordinator", str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert ended.returncode == 2
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr
        assert said in json.loads(ended.stdout)["failed"]  # for the process that started it


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the parent-death signal is Linux's")
def test_coordinator_dies_with_its_parent(tmp_path: Path, kit: Any) -> None:
    path = tmp_path / "c.json"
    path.write_text(kit.make_config(tmp_path).model_dump_json())
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys\n"
            f"command = [sys.executable, '-m', 'coordinator', {str(path)!r}]\n"
            "p = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
            "sys.stdout.buffer.write(p.stdout.readline()); sys.stdout.flush(); p.wait()",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = json.loads(parent.stdout.readline())["pid"]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(200):
        if not _runs(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the coordinator outlived its parent")


def _runs(pid: int) -> bool:
    """Whether a process is alive; a zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_start_up_imports_neither_pandas_nor_torch_nor_a_solver() -> None:
    script = (
        "import sys, coordinator.__main__, coordinator.adapters.grpc_server, coordinator.slots.service\n"
        "import coordinator.policies.registry\n"
        "print([m for m in ('pandas', 'torch', 'ray', 'flwr', 'highspy', 'pyarrow') if m in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"
