"""Whether a folder holds one finished run with sound books, on which a further statement can rest."""

from __future__ import annotations

from pathlib import Path

from experiments.errors import UsageError
from experiments.run_folder.failed import failure_of
from experiments.run_folder.files import COMPARE, COMPARING, DONE, SCENARIO
from experiments.run_folder.present import require_folder
from experiments.run_folder.verify import verify_run


def require_finished_run(folder: Path) -> None:
    """Raises UsageError where ``folder`` is no finished run, is a comparison, or has lost its scenario."""
    require_folder(folder)
    if (folder / COMPARE).exists() or (folder / COMPARING).exists():
        raise UsageError(f"{folder} is a comparison; give one of the runs in it")
    if why := failure_of(folder):
        raise UsageError(f"{folder}: the run failed, its figures do not count: {why}")
    if not (folder / DONE).exists():
        raise UsageError(
            f"{folder} has no DONE file: it is no finished run; let it end, or `detabed resume {folder}`"
        )
    if not (folder / SCENARIO).is_file():
        raise UsageError(f"{folder / SCENARIO} is missing; restore it from a copy")


def require_sound(folder: Path) -> None:
    """Raises UsageError where the ledger's check finds anything. Tables are not made again."""
    verdict = verify_run(folder, tables=False)
    if not verdict["ok"]:
        said = [*verdict["findings"], *verdict["incomplete"]]
        more = f", and {len(said) - 1} more" if len(said) > 1 else ""
        raise UsageError(
            f"{folder}: the books are {verdict['state']} ({said[0]}{more}), so that nothing can be said from them; "
            f"see `detabed ledger verify {folder}`, and restore the run from a copy"
        )
