"""Long counts in pieces: a piece that is done is a line of a file, so that several calls, also side by side, add up.

``python -m tests.reliability.counts KIND FILE --pieces 0 17``: pieces that the file has already are left out, and what
it holds is added up at the end. Kinds: kills (ten or some more a piece, of coordinator and nodes), runner (five kills),
raylet (six kills of runner or raylet), simulation (50 seeds).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.reliability.simulation.explore import first_failure
from tests.reliability.test_kills import run_with_kills
from tests.reliability.test_runner_kills import RAY, kill_runs

SEEDS = 50


def _simulated(folder: Path, piece: int) -> dict[str, Any]:
    failure, count = first_failure(range(SEEDS * piece, SEEDS * (piece + 1)))
    assert failure is None, str(failure)
    return {"seeds": count}


KINDS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "kills": lambda folder, piece: run_with_kills(folder, 10, 1000 + piece),
    "runner": lambda folder, piece: kill_runs(folder, 'kind = "inprocess"', ("runner",), 5, piece),
    "raylet": lambda folder, piece: kill_runs(folder, RAY, ("runner", "raylet"), 6, piece),
    "simulation": _simulated,
}


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run_piece(kind: str, piece: int, path: Path) -> None:
    """One piece, and its line. Of one that failed the folder stays."""
    folder = Path(tempfile.mkdtemp(prefix=f"detabed-{kind}-{piece}-"))
    line: dict[str, Any] = {"kind": kind, "piece": piece}
    try:
        line |= KINDS[kind](folder, piece)
        shutil.rmtree(folder, ignore_errors=True)
    except Exception:
        line |= {"failed": traceback.format_exc(), "folder": str(folder)}
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def totals(kind: str, path: Path) -> dict[str, Any]:
    """Sums of counts, and the longest of times."""
    found: Counter[str] = Counter()
    longest: dict[str, float] = {}
    for line in lines_of(path):
        if line.pop("kind") != kind:
            continue
        found["pieces"] += 1
        found["failed"] += "failed" in line
        for name, value in line.items():
            if isinstance(value, float):
                longest[name] = max(longest.get(name, 0.0), value)
            elif isinstance(value, int) and name != "piece":
                found[name] += value
    return {**found, **longest}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.counts", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("file", type=Path)
    parser.add_argument("--pieces", type=int, nargs=2, default=(0, 0), metavar=("FIRST", "BEYOND"))
    told = parser.parse_args()
    for piece in range(*told.pieces):
        if (told.kind, piece) not in {(line["kind"], line["piece"]) for line in lines_of(told.file)}:
            run_piece(told.kind, piece, told.file)
    found = totals(told.kind, told.file)
    print(json.dumps(found))
    return int(found.get("failed", 0) > 0)


if __name__ == "__main__":
    sys.exit(main())
