"""What we take from HiGHS."""

from __future__ import annotations

import subprocess
import sys


def test_the_solver_prints_nothing():
    """``--json`` promises one object on standard output: text printed by the solver would break it."""
    code = (
        "from coordinator.market.instances import reference_day\n"
        "from coordinator.policies.deta import Deta\n"
        "Deta().decide(reference_day(2, 3), None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True
    )
    assert done.stdout == ""
