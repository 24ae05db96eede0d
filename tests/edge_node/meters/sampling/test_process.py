"""The sampler's process: it reads one sensor on an absolute schedule and writes what it read into a ring buffer."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator

import pytest

from edge_node.meters.sampling.process import main, run, sample
from edge_node.meters.sampling.ring import Ring, Status
from edge_node.meters.sources.source import Restarted, SourceError
from protos.messages.terms import MeterKind


class Scripted:
    kind, rate_hz, resolution = MeterKind.POWER, 100.0, 0

    def __init__(self, *results: int | Exception) -> None:
        self._results = iter(results)

    def read(self) -> int:
        result = next(self._results, 0)
        if isinstance(result, Exception):
            raise result
        return result

    def close(self) -> None:
        pass


@pytest.fixture
def ring() -> Iterator[Ring]:
    with tempfile.TemporaryFile() as file:
        yield Ring(file.fileno())


def test_a_read_that_fails_is_written_as_failed(ring: Ring) -> None:
    source = Scripted(5, SourceError("gone"), OSError("no device"), Restarted("anew"), 6)
    for _ in range(5):
        sample(source, ring)
    found = ring.samples()
    assert [each.status for each in found] == [
        Status.OK, Status.FAILED, Status.FAILED, Status.RESTARTED, Status.OK,
    ]  # fmt: skip
    assert [each.value for each in found if each.status is Status.OK] == [5, 6]
    assert ring.said == "anew"
    assert [each.at_ns for each in found] == sorted(each.at_ns for each in found)


@pytest.mark.parametrize("rate_hz", [200.0, 5.0])
def test_it_samples_until_its_input_closes(ring: Ring, rate_hz: float) -> None:
    """A byte on the input asks a slow one for a read at once."""
    asked, ask = os.pipe()
    thread = threading.Thread(target=run, args=(Scripted(), rate_hz, ring, asked))
    begun_ns = time.monotonic_ns()
    thread.start()
    os.write(ask, b"r")
    time.sleep(0.6)
    while ring.written < 2 and time.monotonic_ns() < begun_ns + 60e9:
        time.sleep(0.01)
    os.close(ask)
    thread.join(timeout=60)
    assert not thread.is_alive()
    passed_s = (time.monotonic_ns() - begun_ns) / 1e9
    assert 2 <= len(ring.samples()) <= rate_hz * passed_s + 3
    os.close(asked)


def test_a_sensor_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str], ring: Ring) -> None:
    with tempfile.TemporaryFile() as file:
        assert main(["guess", "0", str(file.fileno())]) == 1
    assert '"error": "no sensor is called' in capsys.readouterr().out
