"""What an interrupted run leaves in its folder, and how to go on."""

from __future__ import annotations

from pathlib import Path

from experiments.run_folder.checkpoint import read_lines
from experiments.run_folder.files import CHECKPOINT, COMPARING, DONE, SCENARIO


def kept(folder: Path) -> str:
    """A sentence for who interrupted the run or comparison in ``folder``."""
    if (folder / DONE).exists():
        return f"the run in {folder} is done; `detabed report {folder}` draws its report"
    if (folder / COMPARING).exists():
        done = sum((run / DONE).exists() for run in folder.iterdir() if run.is_dir())
        begun = sum((run / CHECKPOINT).exists() for run in folder.iterdir() if run.is_dir())
        parts = f"{done} finished runs" + (f" and {begun} begun" if begun else "")
        return f"{parts} are kept in {folder}; `detabed resume {folder}` goes on"
    if (folder / CHECKPOINT).exists():
        slots = len({line["slot"] for line in read_lines(folder)})
        return f"{slots} slots are kept in {folder}; `detabed resume {folder}` goes on"
    if (folder / SCENARIO).exists():
        return f"{folder} holds no slot to go on from; run its {SCENARIO} again, and delete the folder"
    return "nothing was booked"
