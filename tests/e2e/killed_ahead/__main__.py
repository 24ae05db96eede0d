"""``killed.py`` in forks of one process that has imported what runs import: many kills cost those imports once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pvlib.solarposition  # noqa: F401

import experiments.runs.compare
import experiments.runs.resume  # noqa: F401
from tests.e2e.killed import main

SURVIVES = "jemalloc_bg_thd"
"""Thread of pyarrow's allocator, which starts another one in a fork."""

if __name__ == "__main__":
    # Opened again: those of the process that was forked do not know that they are other files now.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
    sys.exit(main(*sys.argv[1:]))
threads = [task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
if len([name for name in threads if name != SURVIVES]) > 1:
    raise RuntimeError(f"an import has started a thread, which no fork would have: {threads}")
