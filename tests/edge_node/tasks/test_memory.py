"""Memory that a process with large tensors keeps."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

# How much the allocator still holds once all large tensors are freed. (The kernel's count of page faults would show
# the same, but some sandboxes always report 0.)
_HELD = """
import ctypes, sys
import torch
from edge_node.tasks.process import configure_process
configure_process() if sys.argv[1] == "kept" else torch.set_num_threads(1)
class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]
mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Mallinfo2
def held():
    now = mallinfo2()
    return now.arena + now.hblkhd
before = held()
for _ in range(3):
    tensors = [torch.ones(4_000_000) for _ in range(8)]
    del tensors
print(held() - before)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="a setting of glibc, seen through its mallinfo2 (glibc 2.33 or later)",
)
def test_a_process_that_trains_keeps_the_memory_of_its_tensors():
    def held_bytes(which: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", _HELD, which], check=True, capture_output=True, text=True, timeout=300
        )
        return int(done.stdout)

    assert held_bytes("kept") >= 8 * 16_000_000
    assert held_bytes("as usual") < 4 * 16_000_000
