"""The benchmark of meters, on a trace made here."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from benchmarks._traces import Trace, read
from benchmarks.meters import against_official, equal_times, random_times, windows


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    """20 s at 1 kHz of 40 mW with noise; a window from 2 s to 12 s."""
    energy = 40.0 + np.random.default_rng(5).normal(0, 4.0, 20_000).astype("<f4")
    (tmp_path / "energy.bin").write_bytes(
        b"\xf1" + struct.pack("<f", 1000.0) + energy.astype("<f4").tobytes()
    )
    (tmp_path / "edges.json").write_text(json.dumps([0.5, 2.0, 12.0]))
    (tmp_path / "results.txt").write_text(
        "00140.197 ulp-ml: Energy data for window 2 at time 2.00 for 10.00 sec.:\n"
        f"00140.197 ulp-ml:   Energy       :  {energy[2000:12000].sum():.3f} uJ\n"
    )
    return read("made", tmp_path / "energy.bin", tmp_path / "edges.json", tmp_path / "results.txt")


def test_the_official_joules_are_those_of_the_trace(trace: Trace) -> None:
    assert trace.official == ((2.0, 12.0, pytest.approx(400_000, rel=0.01)),)
    assert against_official(trace) < 1e-5
    assert trace.between_uj(19 * 10**9, 21 * 10**9) == pytest.approx(
        trace.between_uj(19 * 10**9, 20 * 10**9) + trace.between_uj(0, 10**9)
    )
    assert trace.between_uj(2 * 10**9, 12 * 10**9) == pytest.approx(trace.official[0][2], rel=1e-6)


@pytest.mark.parametrize("regular", [True, False])
def test_windows_have_an_error_and_an_interval(trace: Trace, regular: bool) -> None:
    found = windows(trace, 100.0, equal_times(100.0, 0.5) if regular else random_times(100.0, 1), 1.0)
    assert len(found) == 19
    assert sum(error <= half for error, half in found) >= 18
    assert all(0.005 < half < 0.05 for _, half in found)  # 10 % noise, 100 samples
