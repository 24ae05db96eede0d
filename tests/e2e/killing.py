"""Commands that are killed by SIGKILL at a chosen moment: killed.py, in forks of one process (killed_ahead)."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.fleet.ahead import Ahead

BOOKED = "experiments.runs.recording:Recording.keep"
"""Called once a slot is in the books."""
ASKED = "edge_node.adapters.node_host:NodeHost.handle"
"""Called with every message that a node in one process gets."""
END_S = 600.0
KillAt = Callable[..., None]
"""(place, count, "before" or "after", command...): the command until the ``count``-th call of ``place``."""


@contextmanager
def kills(log: Path) -> Iterator[KillAt]:
    """What the commands said is in ``log``."""
    ahead = Ahead("tests.e2e.killed_ahead")
    ahead.prepare()

    def kill_at(place: str, count: int, when: str, *command: str) -> None:
        process = ahead.take([place, str(count), when, *command], log)
        assert process is not None
        assert process.wait(END_S) == -signal.SIGKILL, log.read_text()

    yield kill_at
    ahead.stop()
