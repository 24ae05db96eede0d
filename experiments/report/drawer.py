"""Draws sections of reports in a process of its own: ``python -m experiments.report.drawer``.

Standard input, a line each: ``{"folder": FOLDER, "section": SECTION}``, in a comparison that still runs with
``"runs": [FOLDER, ...]`` (those that are over). Standard output, a line each: ``{"drawn": [PICTURE, ...]}`` once the
files of the section's figures are written, or ``{"error": WHY}``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from experiments.report.pictures import draw_section
from experiments.report.read import Study, load, load_run, study_of

NICE = 10
"""Nodes that work meanwhile go first."""


@lru_cache(1)
def _study(folder: str, runs: tuple[str, ...]) -> Study:
    if runs:
        return study_of(Path(folder), [load_run(Path(folder) / run) for run in runs])
    return load(Path(folder), require_done=False)  # who asks has read it


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """The section drawn, or why not."""
    try:
        study = _study(question["folder"], tuple(question.get("runs", ())))
        return {"drawn": [asdict(one) for one in draw_section(study, question["section"])]}
    except Exception as error:  # who asks draws the section itself then, and shows the error
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for who asks
    os.nice(NICE)
    # Not sys.stdout: under PYTHONUNBUFFERED it drops what a full pipe leaves when the process is stopped and goes on.
    with open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False) as answers:
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
