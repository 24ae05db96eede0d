"""A user's ClientApp and ServerApp, imported from their project's folder.

Runs follow each other in one process, and the packages of two projects may have the same name: what one run imported is
forgotten before the next (``forget_apps``).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import TypeVar

from carbon_data.own_code import leave, lies_below, named, place_of, search

App = TypeVar("App")
_projects: set[str] = set()


class AppLoadError(ValueError):
    """A user's ClientApp or ServerApp cannot be imported, or is something else."""


def load_app_object(reference: str, folder: str, kind: type[App]) -> App:
    """The ClientApp or ServerApp ``package.module:name``.

    ``folder``: of the project; empty: looked for as all code of users. Raises AppLoadError where there is none.
    """
    if not folder:
        found = named(reference, {}, kind.__name__, AppLoadError)
    else:
        try:
            found = _from_project(reference, folder)
        except Exception as error:  # code of users may raise anything while it is imported
            raise AppLoadError(
                f"{kind.__name__} {reference} of {folder} cannot be loaded: {type(error).__name__}: {error} (at "
                f"{place_of(error)}){_way_out(error, folder)}"
            ) from None  # the sentence names it: a file that lacks there is no fault of this machine
    if not isinstance(found, kind):
        raise AppLoadError(f"{reference} is a {type(found).__name__}, no {kind.__name__} of Flower's")
    return found


def forget_apps() -> None:
    """Have projects imported anew from now on."""
    for folder in _projects:
        leave(folder)
    _projects.clear()


@contextmanager
def fresh_apps() -> Iterator[None]:
    """While it lasts, projects are imported anew; afterwards nothing of theirs is found by this process."""
    forget_apps()
    try:
        yield
    finally:
        forget_apps()


def _from_project(reference: str, folder: str) -> object:
    module, _, attributes = reference.partition(":")
    root, package = str(Path(folder).absolute()), module.partition(".")[0]
    search(root, first=True)
    _projects.add(root)
    importlib.invalidate_caches()  # it may have been written while we run
    found = importlib.import_module(module)
    if _is_own(package, root) and not lies_below(sys.modules[package], root):
        raise ImportError(
            f"a package {package} is imported already, from {_place(package)}; call the project's own otherwise"
        )
    return reduce(getattr, attributes.split("."), found)


def _is_own(package: str, folder: str) -> bool:
    return Path(folder, package).is_dir() or Path(folder, f"{package}.py").is_file()


def _place(package: str) -> str:
    module = sys.modules[package]
    return str(
        getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), "Python itself")
    )


def _way_out(error: Exception, folder: str) -> str:
    """What to do where a package lacks that is not the project's own."""
    package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if not package or _is_own(package, folder):
        return ""
    return f"; install {package} where the app runs, for this Python: {sys.executable}"
