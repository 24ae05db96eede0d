"""User code named ``package.module:Name``: search order in every process of a run.

First Python's own search path (PYTHONPATH, installed packages), then the working directory and the folder of the
scenario that names the code. Processes that start later (coordinator, Ray's workers, daemons) get that folder in the
environment. It comes last, so that no file beside a scenario replaces an existing module. It is searched only after a
scenario has named user code: naming it permits its execution."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import Any

from carbon_data.ours import NAMES

VARIABLE = "DETABED_OWN_CODE"
"""Folder of the scenario in use; inherited by child processes."""


_searched: dict[str, frozenset[str]] = {}
"""Folders that this process searches for users, with the modules that were imported before."""


def look_beside(folder: Path | None) -> None:
    """Also search ``folder`` for user modules, here and in processes started from now on; None: stop searching it.

    Modules of the folder before are forgotten: one of the same name beside another scenario is another."""
    wanted = None if folder is None else str(folder.absolute())
    if (before := os.environ.get(VARIABLE)) is not None and before != wanted:
        leave(before)
    if wanted is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = wanted


def search(folder: str, *, first: bool) -> None:
    """Search ``folder`` for modules until ``leave``: before or after all others."""
    if folder in _searched or (not first and folder in sys.path):
        return
    _searched[folder] = frozenset(sys.modules)
    sys.path.insert(0 if first else len(sys.path), folder)


def leave(folder: str) -> None:
    """Search ``folder`` no longer, and forget the modules that were imported from it meanwhile."""
    before = _searched.pop(folder, None)
    if before is None:
        return
    sys.path[:] = [place for place in sys.path if place != folder]
    for name, module in list(sys.modules.items()):
        if name not in before and lies_below(module, folder):
            del sys.modules[name]


def lies_below(module: ModuleType, folder: str) -> bool:
    """Whether a module's file, or its folder without one, is below ``folder``, and of no library installed there."""
    file = getattr(module, "__file__", None)
    found = [file] if file else list(getattr(module, "__path__", ()))
    inside = f"{folder.rstrip(os.sep)}{os.sep}"
    return any(place.startswith(inside) and not place.startswith(_foreign()) for place in found)


def import_named(module: str) -> ModuleType:
    """The module of a ``package.module:Name``. Raises ImportError with the folders that were searched."""
    folder = os.environ.get(VARIABLE)
    if folder:
        search(folder, first=False)
    importlib.invalidate_caches()  # it may have been written while we run
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # found, but something that it needs is not
        if (name := module.partition(".")[0]) in NAMES:
            raise ModuleNotFoundError(
                f"{error}: {name!r} is a package of this project; call yours otherwise", name=error.name
            ) from error
        beside = f", beside the scenario in {folder}" if folder else ""
        raise ModuleNotFoundError(
            f"{error}; looked for in the working directory, on PYTHONPATH, among installed packages{beside}",
            name=error.name,
        ) from error
    except ImportError:
        raise
    except Exception as error:  # user code may raise anything while it is imported
        raise ImportError(
            f"{module} cannot be imported: {type(error).__name__}: {error} (at {place_of(error)})"
        ) from error


def named(
    name: str, ours: Mapping[str, Any], kind: str, refuse: Callable[[str], Exception], also: str = ""
) -> Any:
    """What ``name`` names: an entry of a registry, or the user's object as ``package.module:Name``.

    Args:
        name: As a scenario has it.
        ours: The registry: objects by name, or their ``module:Name``.
        kind: For messages, e.g. ``policy``.
        refuse: Makes the error of a message.
        also: Further forms that are allowed, for messages.

    Raises the error of ``refuse`` for an unknown name, or an object that cannot be loaded.
    """
    if name in ours:
        entry = ours[name]
        return resolve_name(entry) if isinstance(entry, str) else entry
    module_name, _, attribute = name.partition(":")
    if not (module_name and attribute):
        allowed = ", ".join((*ours, also) if also else ours)
        raise refuse(
            f"no {kind} is called {name!r}; allowed are {allowed}, or one of your own as package.module:Name"
        )
    try:
        module = import_named(module_name)
        return getattr(module, attribute)
    except (ImportError, ValueError) as error:
        raise refuse(f"{kind} {name!r} cannot be loaded: {error}") from error
    except AttributeError as error:
        has = [key for key, value in vars(module).items() if _is_class_of(value, module_name)]
        raise refuse(
            f"{kind} {name!r} cannot be loaded: {module_name!r} has no {attribute!r}; it has "
            f"{', '.join(sorted(has)) or 'no class'}"
        ) from error


def _is_class_of(value: object, module: str) -> bool:
    return inspect.isclass(value) and value.__module__ == module


def place_of(error: BaseException, thing: object = None) -> str:
    """``file:line`` at which ``error`` was raised, for the author of the user code: the last line in the module of
    ``thing`` (an object of the user), otherwise the last in code that is neither ours nor a library's, otherwise the
    last line."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = _frames(error)
    if not frames:
        return "an unknown place"
    home = _file_of(thing)
    in_home = [frame for frame in frames if frame[0] == home]
    own = [frame for frame in frames if not frame[0].startswith(_foreign())]
    file, line = (in_home or own or frames)[-1]
    return f"{file}:{line}"


def raised_in_own_code(error: BaseException) -> bool:
    """Whether a user's code raised ``error``, itself or by a call into a library: of the lines that are ours or a
    user's the last is a user's."""
    root = str(Path(__file__).resolve().parents[1])
    ours = tuple(f"{root}{os.sep}{name}{os.sep}" for name in NAMES)
    of_user = [
        not file.startswith(ours)
        for file, _ in _frames(error)
        if file.startswith(ours) or not file.startswith(_foreign())
    ]
    return bool(of_user) and of_user[-1]


def place_in(error: BaseException, thing: object, method: str) -> str:
    """Like ``place_of``, but the line of ``method`` where the error was not raised in the user's code: the method
    returned an object of another kind, or has another signature."""
    elsewhere = all(frame[0].startswith(_foreign()) for frame in _frames(error))
    return place_of_method(thing, method) if elsewhere else place_of(error, thing)


def place_of_method(thing: object, name: str) -> str:
    """``file:line`` of the method ``name`` of ``thing``; of its class where the method is inherited from elsewhere, or
    not written in Python."""
    method = inspect.unwrap(getattr(type(thing), name))
    code = getattr(method, "__code__", None)
    home = _file_of(thing)
    if code is not None and (home is None or code.co_filename == home or home.startswith(_foreign())):
        return f"{code.co_filename}:{code.co_firstlineno}"
    try:
        return f"{home}:{inspect.getsourcelines(type(thing))[1]}"
    except (OSError, TypeError):  # its text is not at hand
        return f"class {type(thing).__qualname__}"


def place_of_object(thing: Any) -> str:
    """``file:line`` of a class or function."""
    try:
        return f"{inspect.getsourcefile(thing)}:{inspect.getsourcelines(thing)[1]}"
    except (OSError, TypeError):  # its text is not at hand
        return f"{getattr(thing, '__module__', 'an unknown module')}"


def _frames(error: BaseException) -> list[tuple[str, int | None]]:
    """File and line of every frame that has a file, the innermost last."""
    return [
        (frame.filename, frame.lineno)
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<")
    ]


def _file_of(thing: object) -> str | None:
    module = sys.modules.get(type(thing).__module__)
    return getattr(module, "__file__", None)


def _foreign() -> tuple[str, ...]:
    """Folders of our own packages, of Python and of installed libraries."""
    root = Path(__file__).resolve().parents[1]
    ours = [root / name for name in NAMES]
    libraries = {sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(f"{folder}{os.sep}" for folder in (*map(str, ours), *sorted(libraries)))
