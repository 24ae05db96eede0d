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


_THREADS = """
import ctypes, sys, threading
from pathlib import Path
from edge_node.tasks.memory import share_one_heap
if sys.argv[1] == "one":
    assert share_one_heap()
malloc = ctypes.CDLL(None).malloc
malloc.restype = ctypes.c_size_t
found = []
threads = [threading.Thread(target=lambda: found.append(malloc(50_000))) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
(heap,) = (line.split()[0] for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("[heap]"))
first, last = (int(end, 16) for end in heap.split("-"))
print(sum(first <= address < last for address in found))
"""

_GIVEN_BACK = """
import ctypes, resource
from pathlib import Path
from edge_node.tasks.memory import give_back, keep_memory
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
assert keep_memory()
blocks = [ctypes.create_string_buffer(b"x" * 100_000, 100_000) for _ in range(600)]
last = ctypes.create_string_buffer(100_000)
full = resident()
del blocks
kept = resident()
give_back()
print(full, kept, resident())
"""

needs_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not sys.platform.startswith("linux"), reason="settings of glibc"
)


def told_by(code: str, *arguments: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True, timeout=300
    )
    return [int(number) for number in done.stdout.split()]


@needs_glibc
def test_threads_of_a_daemon_share_one_heap():
    assert told_by(_THREADS, "one") == [4]
    (shared,) = told_by(_THREADS, "as usual")
    assert shared < 4


@needs_glibc
def test_freed_memory_that_is_kept_can_be_given_back():
    full, kept, left = told_by(_GIVEN_BACK)
    assert kept > full - 30_000_000, "kept although it is free"
    assert left < kept - 30_000_000
