"""A process of this machine that computes cells: one line of JSON in, one out. It ends with the process that started
it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TextIO

READY = json.dumps({"ready": True})


def serve(questions: TextIO, answers: TextIO, scratch: Path) -> None:
    """Answer every line until there are no more."""
    # It takes seconds to import; whoever starts this process is told when it is done.
    from experiments.sweep.work.compute import answer
    from experiments.sweep.work.jobs import Job

    _tell(answers, READY)
    for line in questions:
        _tell(answers, answer(Job.of_line(line), scratch).as_line())


def _tell(answers: TextIO, line: str) -> None:
    answers.write(line + "\n")
    answers.flush()


def main() -> None:
    # What libraries print goes to standard error: standard output is for answers.
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, own, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
