"""A node's own sampler: starts the process that reads the sensor, and makes readings of windows from its samples.

The process is a program of its own (``process.py``), started with ``subprocess``: memory, locks and threads of this
process are not copied into it.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from typing import Any

from edge_node.meters.base import MeterError
from edge_node.meters.sampling.counted import Edge
from edge_node.meters.sampling.integral import Mark
from edge_node.meters.sampling.limits import Limits
from edge_node.meters.sampling.reading import Reading
from edge_node.meters.sampling.ring import Ring
from edge_node.meters.sampling.samples import Samples
from protos.messages.terms import MeterKind

NS_PER_S = 1_000_000_000
START_S = 20.0
"""A cold start of Python on a slow board, and a sensor's first answer."""
REFUSED_S = 3.0
"""A sensor of which so long no sample but refused ones came does not begin to show what its board draws (choice: some
samples of a slow sensor)."""
LATE_PERIODS, LATE_S = 3, 2.5
"""How long the sample after a window's end is waited for: periods, and at least the time-out of a slow sensor."""
DRAIN_S = 5.0
"""The ring is emptied this often; it holds 65 s at 1 kHz."""
POLL_S = 0.0005
MODULE = "edge_node.meters.sampling.process"


class Sampler:
    """One sensor."""

    def __init__(
        self,
        spec: str,
        limits: Limits,
        rate_hz: float = 0.0,
        start_s: float = START_S,
        may_rest: bool = False,
    ) -> None:
        """``spec`` of the sensor (sources/registry.py); ``rate_hz``: 0 takes the sensor's own; ``may_rest``: it may
        show zero for long. Raises MeterError where the sensor gives no samples within ``start_s``."""
        self.spec = spec
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the sampler)
        self._ring = Ring(self._file.fileno())
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, spec, str(rate_hz), str(self._file.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(self._file.fileno(),),
            start_new_session=True,  # an interrupt from the keyboard is this process's matter
        )
        self._end = weakref.finalize(self, _end, self._process)
        started = self._started()
        self.kind, self.rate_hz = MeterKind(started["kind"]), float(started["rate_hz"])
        self.opened_ns = int(started["opened_ns"])
        """When the sensor was opened, on the monotonic clock of this machine."""
        resolution = int(started["resolution"])
        steady = bool(started["steady"])
        self._samples = Samples(spec, self.kind, self.rate_hz, resolution, limits, steady, may_rest)
        self._stopped = threading.Event()
        self._settle(start_s)
        threading.Thread(
            target=_keep_draining,
            args=(weakref.ref(self), self._stopped),
            name=f"sampler {spec}",
            daemon=True,
        ).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def cpu_s(self) -> float:
        """CPU seconds that the process has taken."""
        return self._ring.cpu_s

    def edge(self) -> Mark | Edge:
        """A window's edge, now; it is the end of one window and may be the beginning of the next. Raises MeterError."""
        with self._lock:
            self._require_running()
            self._samples.take(self._ring.samples())
            edge = self._samples.mark(time.monotonic_ns())
        self._ask()
        return edge

    def window(self, begin: Mark | Edge, end: Mark | Edge) -> Reading:
        """The reading between two edges. Raises MeterError where it is missing or cannot be true."""
        self._wait_for(end)
        with self._lock:
            self._require_running()
            return self._samples.close(begin, end, self._ring.said)

    def forget(self, edge: Mark | Edge) -> None:
        with self._lock:
            self._samples.forget(edge)

    def stop(self) -> None:
        """End the process."""
        self._stopped.set()
        self._end()
        with self._lock:
            self._ring.close()
            self._file.close()

    def _started(self) -> dict[str, Any]:
        assert self._process.stdout
        line = b""
        if select.select([self._process.stdout], [], [], START_S)[0]:
            line = self._process.stdout.readline()
        try:
            found = json.loads(line)
        except ValueError:
            found = {"error": f"its process did not start within {START_S:g} s"}
        if "error" in found:
            self._end()
            self._ring.close()
            self._file.close()
            raise MeterError(f"meter {self.spec}: {found['error']}")
        return dict(found)

    def _settle(self, start_s: float) -> None:
        """Wait for the first samples, so that the first window has an interval. Raises MeterError without them."""
        until = time.monotonic() + start_s
        while not self._samples.ready:
            self._samples.take(self._ring.samples())
            since_ns, now_ns = self._samples.refused_since_ns, time.monotonic_ns()
            is_refused = since_ns is not None and now_ns - since_ns > REFUSED_S * NS_PER_S
            if is_refused or time.monotonic() > until or self._process.poll() is not None:
                why = self._why()
                self.stop()
                waited_s = min(REFUSED_S, start_s) if is_refused else start_s
                raise MeterError(
                    f"meter {self.spec}: the sensor gave no usable samples in {waited_s:g} s{why}"
                )
            time.sleep(POLL_S)

    def _ask(self) -> None:
        """Have the sensor read now: the edge then lies beside a sample."""
        assert self._process.stdin
        try:
            self._process.stdin.write(b"r")
            self._process.stdin.flush()
        except OSError:
            pass  # the process has ended: the window that this edge closes is missing

    def _wait_for(self, end: Mark | Edge) -> None:
        until = time.monotonic() + max(LATE_S, LATE_PERIODS / self.rate_hz)
        while True:
            with self._lock:
                self._require_running()
                self._samples.take(self._ring.samples())
                passed = self._samples.passed(end)
            if passed:
                return
            if self._process.poll() is not None:
                self._require_running()
                raise MeterError(
                    f"meter {self.spec}: its process ended ({self._process.returncode}){self._why()}"
                )
            if time.monotonic() > until:
                return  # closing the window then says what is missing
            time.sleep(POLL_S)

    def _require_running(self) -> None:
        """Raises MeterError once it was stopped: a node may end while its slot is read."""
        if self._stopped.is_set():
            raise MeterError(f"meter {self.spec}: its sensor was let go of, for the node has ended")

    def _why(self) -> str:
        return self._samples.why(self._ring.said)

    def drain(self) -> None:
        """Take what is in the ring."""
        with self._lock:
            if not self._stopped.is_set():
                self._samples.take(self._ring.samples())


def _keep_draining(sampler: weakref.ref[Sampler], stopped: threading.Event) -> None:
    while not stopped.wait(DRAIN_S) and (kept := sampler()) is not None:
        kept.drain()
        del kept  # a sampler that nobody uses any more is collected, and its process ends


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process by closing its input."""
    assert process.stdin
    assert process.stdout
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(timeout=LATE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
