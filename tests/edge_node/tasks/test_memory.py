"""Memory that a process with large tensors keeps."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Bytes of large tensors that are mapped for them alone, and given back once they are freed; and bytes that the heap
# holds after that. (The kernel's count of page faults would show the same, but some sandboxes always report 0.)
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
tensors = [torch.ones(12_000_000) for _ in range(3)]  # 48 MB each: beyond what glibc ever keeps of its own accord
mapped = mallinfo2().hblkhd
del tensors
print(mapped, mallinfo2().arena)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or tuple(map(int, platform.libc_ver()[1].split("."))) < (2, 35),
    reason="a setting of glibc, whole since 2.35",
)
def test_a_process_that_trains_keeps_the_memory_of_its_tensors():
    def told(which: str) -> list[int]:
        done = subprocess.run(
            [sys.executable, "-c", _HELD, which], check=True, capture_output=True, text=True, timeout=300
        )
        return [int(number) for number in done.stdout.split()]

    size = 3 * 48_000_000
    mapped, heap = told("kept")
    assert mapped < size <= heap
    mapped, heap = told("as usual")
    assert heap < size <= mapped
