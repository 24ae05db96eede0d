"""The sampler's process: reads one sensor on an absolute schedule and writes what it read into a ring buffer.

Started as ``python -m edge_node.meters.sampling.process SPEC RATE DESCRIPTOR``: a program of its own, never a fork of
a process with threads. It ends when its standard input closes, that is with the process that started it. A byte on
standard input asks for a read now: the edge of a window, for sensors that are read seldom.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import struct
import sys
import time

from edge_node.meters.sampling.ring import Ring, Status
from edge_node.meters.sampling.schedule import REGULAR_HZ, Schedule
from edge_node.meters.sources.registry import open_source
from edge_node.meters.sources.source import Restarted, Source, SourceError

NS_PER_S = 1_000_000_000
ASKED_HZ = 50.0
"""Below this rate the process waits on its input, too; above, it looks there every tenth of a second."""
LOOK_NS = NS_PER_S // 10
ENDED = 0
FAULTS = (SourceError, OSError, struct.error)
"""Of a read: why it gave nothing. Restarted is a SourceError; struct.error is a number that no record holds."""


def sample(source: Source, ring: Ring) -> None:
    """One read, stamped with the middle of the time it took."""
    before_ns = time.monotonic_ns()
    try:
        value = source.read()
        ring.write((before_ns + time.monotonic_ns()) // 2, value)
    except FAULTS as error:
        _missed(ring, before_ns, error)


def _missed(ring: Ring, before_ns: int, error: Exception) -> None:
    """A read that gave nothing, and why: the counter restarted, or the sensor failed."""
    status = Status.RESTARTED if isinstance(error, Restarted) else Status.FAILED
    text = "the sensor gave a number beyond 63 bits" if isinstance(error, struct.error) else str(error)
    if text:
        ring.say(text)
    ring.write((before_ns + time.monotonic_ns()) // 2, 0, status)


def run(source: Source, rate_hz: float, ring: Ring, asked: int) -> None:
    """Sample until ``asked`` (a descriptor) is closed at its other end."""
    schedule = Schedule(time.monotonic_ns(), rate_hz, seed=os.getpid())
    if rate_hz < ASKED_HZ:
        _run_asked(source, schedule, ring, asked)
    else:
        _run_fast(source, schedule, ring, asked)


def _run_asked(source: Source, schedule: Schedule, ring: Ring, asked: int) -> None:
    """A slow sensor is read on its schedule, and whenever a byte comes in."""
    while True:
        due_ns = schedule.next_ns(time.monotonic_ns())
        while select.select([asked], [], [], max(0, due_ns - time.monotonic_ns()) / NS_PER_S)[0]:
            if len(os.read(asked, 4096)) == ENDED:
                return
            sample(source, ring)
        ring.spent(time.process_time_ns())
        sample(source, ring)


def _run_fast(source: Source, schedule: Schedule, ring: Ring, asked: int) -> None:
    """A fast sensor is read on its schedule only. Every step here runs a thousand times a second with cold caches:
    the loop says ``sample`` in fewer of them, and goes there where a read fails."""
    next_ns, clock_ns, sleep, read, write = (
        schedule.next_ns,
        time.monotonic_ns,
        time.sleep,
        source.read,
        ring.write,
    )
    looked_ns, now_ns = 0, clock_ns()
    while True:
        due_ns = next_ns(now_ns)
        if due_ns > now_ns:
            sleep(
                (due_ns - now_ns) / NS_PER_S
            )  # clock_nanosleep on the monotonic clock: it does not end early
        before_ns = clock_ns()
        try:
            value = read()
            now_ns = clock_ns()
            write((before_ns + now_ns) // 2, value)
        except FAULTS as error:
            _missed(ring, before_ns, error)
            now_ns = clock_ns()
        if due_ns - looked_ns > LOOK_NS:
            looked_ns = due_ns
            ring.spent(time.process_time_ns())
            if select.select([asked], [], [], 0)[0] and len(os.read(asked, 4096)) == ENDED:
                return


def be_punctual(rate_hz: float) -> None:
    """A fast sampler runs before other work where that is allowed (root, or RLIMIT_RTPRIO). Where it is not, reads
    that come late show in the achieved rate and in the gaps."""
    if rate_hz >= REGULAR_HZ:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def main(arguments: list[str]) -> int:
    spec, rate, descriptor = arguments
    ring = Ring(int(descriptor))
    try:
        source = open_source(spec)
        opened_ns = time.monotonic_ns()
        source.read()
    except (SourceError, OSError) as error:
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
        return 1
    rate_hz = float(rate) or source.rate_hz
    started = {
        "kind": source.kind,
        "rate_hz": rate_hz,
        "resolution": source.resolution,
        "steady": getattr(source, "steady", False),
        "opened_ns": opened_ns,
    }
    sys.stdout.write(json.dumps(started) + "\n")
    sys.stdout.flush()
    be_punctual(rate_hz)
    gc.disable()  # nothing here makes circles, and a collection delays a read
    try:
        run(source, rate_hz, ring, sys.stdin.fileno())
    finally:
        source.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
