"""Memory that a process with large tensors keeps."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys
import torch
from edge_node.tasks.process import configure_process
configure_process() if sys.argv[1] == "kept" else torch.set_num_threads(1)
def use():
    return [torch.ones(4_000_000) for _ in range(8)]
for _ in range(3):
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_a_process_that_trains_does_not_fetch_the_same_memory_again():
    def faults(which: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", _FAULTS, which], check=True, capture_output=True, text=True, timeout=300
        )
        return int(done.stdout)

    assert faults("kept") < faults("as usual") / 4
