"""The mark of a failed run in its folder: FAILED, with one sentence, instead of DONE."""

from __future__ import annotations

from pathlib import Path

from experiments.run_folder.files import DONE, FAILED


def mark_failed(folder: Path, sentence: str) -> None:
    """Write FAILED. A full disk, which may be the failure, is no reason for a second one."""
    try:
        (folder / FAILED).write_text(" ".join(sentence.split()) + "\n", encoding="utf-8")
    except OSError:
        (folder / DONE).unlink(missing_ok=True)


def mark_unfinished(folder: Path) -> None:
    """A run that failed goes on: take FAILED away."""
    (folder / FAILED).unlink(missing_ok=True)


def failure_of(folder: Path) -> str:
    """Why the run in ``folder`` failed; empty where it did not, or is not over."""
    try:
        return (folder / FAILED).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
