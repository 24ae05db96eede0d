"""The coordinator as a process starts without slow libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]


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
