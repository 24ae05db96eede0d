"""Ring buffer of samples in a file that two processes map."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest

from edge_node.meters.sampling.ring import RECORDS, TEXT_BYTES, Ring, Sample, Status


@pytest.fixture
def ends() -> Iterator[tuple[Ring, Ring]]:
    with tempfile.TemporaryFile() as file:
        writer, reader = Ring(file.fileno()), Ring(file.fileno())
        yield writer, reader
        writer.close()
        reader.close()


def test_samples_arrive_once_and_in_order(ends: tuple[Ring, Ring]) -> None:
    writer, reader = ends
    writer.write(10, -3)
    writer.write(20, 4, Status.RESTARTED)
    assert reader.samples() == [Sample(10, -3, Status.OK), Sample(20, 4, Status.RESTARTED)]
    assert reader.samples() == []
    writer.write(30, 5, Status.FAILED)
    assert reader.samples() == [Sample(30, 5, Status.FAILED)]


def test_samples_that_were_overwritten_are_missing_and_the_rest_is_right(ends: tuple[Ring, Ring]) -> None:
    writer, reader = ends
    for k in range(RECORDS + 500):
        writer.write(k, 2 * k)
    found = reader.samples()
    assert [sample.at_ns for sample in found] == list(range(501, RECORDS + 500))
    assert all(sample.value == 2 * sample.at_ns for sample in found)


def test_a_text_and_the_cpu_time_pass(ends: tuple[Ring, Ring]) -> None:
    writer, reader = ends
    assert (reader.said, reader.cpu_s) == ("", 0.0)
    writer.say("x" * 2000)
    writer.say("sensor gone: µ")
    writer.spent(1_500_000_000)
    assert (reader.said, reader.cpu_s) == ("sensor gone: µ", 1.5)
    writer.say("y" * 2000)
    assert reader.said == "y" * TEXT_BYTES
