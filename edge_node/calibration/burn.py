"""Keeps one core busy until its standard input closes: ``python -m edge_node.calibration.burn CORE``.

It says so in one line before it begins."""

from __future__ import annotations

import contextlib
import os
import select
import sys

ROUNDS = 20_000
"""Multiplications between two looks at the input: a millisecond."""


def burn(asked: int) -> float:
    """Multiply until ``asked`` (a descriptor) is closed at its other end."""
    value = 1.0
    while not select.select([asked], [], [], 0)[0]:
        for _ in range(ROUNDS):
            value = value * 1.000_000_1 % 3.0 + 0.1
    return value


if __name__ == "__main__":
    with contextlib.suppress(AttributeError, OSError):  # no such call here, or the core is not ours
        os.sched_setaffinity(0, {int(sys.argv[1])})
    print("busy", flush=True)
    burn(sys.stdin.fileno())
