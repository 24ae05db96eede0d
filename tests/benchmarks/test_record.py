"""A recording has command, date, machine and what was found; a command that fails leaves none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.record import record

OBJECT = ["python", "-c", 'print(\'{"figures": {"ratio": 1.5}}\')', "--json"]


def test_what_is_found_is_kept_with_its_command_and_machine(tmp_path: Path) -> None:
    path = record("small", OBJECT, tmp_path)
    kept = json.loads(path.read_text())
    assert kept["found"] == {"figures": {"ratio": 1.5}}
    assert kept["command"].startswith("python -c ")
    assert kept["command"].endswith(" --json")
    assert kept["machine"]["cores"] >= 1


def test_parts_are_kept_where_asked_for(tmp_path: Path) -> None:
    code = 'print(\'{"a": {"b": 1, "c": 2}, "d": 3}\')'
    path = record("small", ["python", "-c", code, "--json"], tmp_path, keep=("a.c", "d"))
    kept = json.loads(path.read_text())
    assert kept["found"] == {"a": {"c": 2}, "d": 3}
    assert kept["kept"] == ["a.c", "d"]
    path.unlink()
    with pytest.raises(RuntimeError, match=r"a\.x; there are b, c"):
        record("small", ["python", "-c", code, "--json"], tmp_path, keep=("a.x",))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "code",
    [
        "print('words')",
        "raise SystemExit(2)",
        "print('{}'); raise SystemExit(2)",
        'print(\'{"failed": "why", "run": "r"}\')',
    ],
)
def test_a_failure_is_not_recorded(code: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        record("small", ["python", "-c", code], tmp_path)
    assert list(tmp_path.iterdir()) == []
