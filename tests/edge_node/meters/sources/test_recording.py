"""A recording of powers, played in real time from its beginning."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from edge_node.meters.sources.recording import Recording, open_recording
from edge_node.meters.sources.source import SourceError

S = 1_000_000_000


def test_a_power_holds_until_the_next_row_and_the_end_ends() -> None:
    times = iter([100 * S, 100 * S, 100 * S + S // 2, 101 * S, 103 * S - 1, 103 * S])
    recording = Recording([(0, 5), (S, 7), (3 * S, 0)], repeat=False, clock=lambda: next(times))
    assert [recording.read() for _ in range(4)] == [5, 5, 7, 7]
    with pytest.raises(SourceError, match="ended after 3 s"):
        recording.read()


def test_a_recording_may_repeat() -> None:
    times = iter([0, 3 * S, 4 * S])
    recording = Recording([(0, 5), (S, 7), (3 * S, 0)], repeat=True, clock=lambda: next(times))
    assert [recording.read(), recording.read()] == [5, 7]


def test_both_forms_are_read(tmp_path: Path) -> None:
    table, trace = tmp_path / "table.csv", tmp_path / "trace.bin"
    table.write_text("at_s,power_w\n0,2.5\n3600,0\n")
    trace.write_bytes(b"\xf1" + struct.pack("<fff", 0.001, 4.0, 8.0))  # 4 uJ in 1000 s
    assert open_recording(str(table)).read() == 2_500_000
    assert open_recording(f"{trace},repeat").read() == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"power\n1\n",
        b"at_s,power_w\n0,1\n",
        b"at_s,power_w\n1,1\n2,0\n",
        b"at_s,power_w\n0,x\n1,0\n",
        b"\xf1\x00\x00",
    ],
)
def test_a_damaged_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recording"
    path.write_bytes(content)
    with pytest.raises(SourceError):
        open_recording(str(path))
    with pytest.raises(SourceError, match="cannot be read"):
        open_recording(str(tmp_path / "none"))
