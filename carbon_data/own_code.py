"""Code of one's own, named ``package.module:Name``: where it is looked for, in every process of a run.

First where Python looks anyway (the working directory, PYTHONPATH, installed packages), then in the folder of the
scenario that names it. That folder is told to processes that start later (coordinator, Ray's workers, daemons) in the
environment. It comes last, so that no file beside a scenario takes the place of a module that is there already, and it
is looked at only once something of one's own is named: naming it is what lets its code run."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

VARIABLE = "DETABED_OWN_CODE"
"""Folder of the scenario in use; inherited by child processes."""


def look_beside(folder: Path | None) -> None:
    """Look for modules of one's own in ``folder`` too, here and in processes started from now on; None: no longer."""
    if folder is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = str(folder.absolute())


def import_named(module: str) -> ModuleType:
    """The module of a ``package.module:Name`` that somebody named. Raises ImportError, which says where was looked."""
    folder = os.environ.get(VARIABLE)
    if folder and folder not in sys.path:
        sys.path.append(folder)
    importlib.invalidate_caches()  # it may have been written while we run
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # found, but something that it needs is not
        beside = f", beside the scenario in {folder}" if folder else ""
        raise ModuleNotFoundError(
            f"{error}; looked for in the working directory, on PYTHONPATH, among installed packages{beside}",
            name=error.name,
        ) from error
