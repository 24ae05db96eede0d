"""What a live run left, read as a source."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from carbon_data.sources.conformance import intensity_violations
from carbon_data.sources.recorded import FORMAT, RecordedIntensity
from carbon_data.types import DataError, Provenance, Signal

START = datetime(2024, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def row(zone: str, value: float) -> dict[str, Any]:
    return {"zone": zone, "g_per_kwh": value, "age_s": 0.0, "stale": False, "kept": False}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    origin = {"source": "a service", "licence": "a licence", "scope": "direct", "notes": "a note"}
    head = {
        "format": FORMAT,
        "start": START.isoformat(),
        "step_s": 3600.0,
        "zones": {zone: {**origin, "signal": "average"} for zone in ("DE", "FR")},
        "marginal": {"DE": {**origin, "signal": "marginal"}},
    }
    slots = [
        {
            "at": (datetime(2026, 1, 1, tzinfo=UTC) + k * HOUR).isoformat(),
            "zones": [row("DE", 100.0 + k), row("FR", 50.0 + k)],
            "marginal": [row("DE", 700.0 + k)],
        }
        for k in range(48)
    ]
    file = tmp_path / "signals.jsonl"
    file.write_text("\n".join(json.dumps(each) for each in (head, *slots)) + "\n", encoding="utf-8")
    return file


def test_a_recording_conforms_and_says_what_it_is(path: Path) -> None:
    source = RecordedIntensity(path)
    assert intensity_violations(source, START) == []
    origin = source.series("DE", START, HOUR, 48).origin
    assert (origin.signal, origin.provenance) == (Signal.AVERAGE, Provenance.REPLAYED)
    assert origin.notes[0] == "a note"
    assert "2026-01-01T00:00:00" in origin.notes[1]


def test_the_marginal_part_is_apart(path: Path) -> None:
    source = RecordedIntensity(path, part="marginal")
    series = source.series("DE", START, HOUR, 2)
    assert list(series.intensity_g_per_kwh) == [700, 701]
    assert series.origin.signal is Signal.MARGINAL
    assert source.zones() == ["DE"]
    with pytest.raises(DataError, match="average and marginal"):
        RecordedIntensity(path, part="both")


@pytest.mark.parametrize(
    ("start", "step", "count"), [(START + HOUR, HOUR, 4), (START, 2 * HOUR, 4), (START, HOUR, 49)]
)
def test_other_slots_than_the_recorded_ones_are_refused(
    path: Path, start: datetime, step: timedelta, count: int
) -> None:
    RecordedIntensity(path).require_slots(START, HOUR, 48)
    with pytest.raises(DataError, match=r"48 slots of 1:00:00 .*keep \[time\] and \[stages\]"):
        RecordedIntensity(path).require_slots(start, step, count)


@pytest.mark.parametrize("text", ["", "{}\n", "no json\n", '{"format": 1}\n', "[1]\n[2]\n"])
def test_another_file_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"is no record of live intensities .* signals\.jsonl"):
        RecordedIntensity(file)
