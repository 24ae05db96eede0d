"""Names of a user's objects, under which other processes of a run import them."""

from __future__ import annotations

import sys

from experiments.errors import UsageError


def class_name(kind: str, found: type) -> str:
    """``module:Name`` of a class. Raises UsageError for one that only this process has."""
    if found.__module__ == "__main__" or "." in found.__qualname__:
        raise UsageError(_elsewhere(kind, found.__qualname__, found.__module__))
    return f"{found.__module__}:{found.__qualname__}"


def task_name(task: object) -> str | None:
    """Name of a task: a name as it is, ``module:Name`` of a class, or of the variable that holds an object. Raises
    UsageError."""
    if task is None or isinstance(task, str):
        return task
    if isinstance(task, type):
        return class_name("task", task)
    if not hasattr(task, "sgd_step"):  # a Task: its class would import torch
        raise UsageError(
            f"task is a {type(task).__name__}; allowed are a name, a TorchTask, and a class derived from detabed.Task"
        )
    places = [
        (module, name)
        for module, found in list(sys.modules.items())
        for name, value in list(getattr(found, "__dict__", {}).items())
        if value is task
    ]
    named = [f"{module}:{name}" for module, name in places if module != "__main__"]
    if named:
        return named[0]
    if places:
        raise UsageError(_elsewhere("task", places[0][1], "__main__"))
    raise UsageError(
        "the task is in no variable of a module, by which other processes of the run could find it; write task = "
        "TorchTask(...) in a file beside your work, e.g. mytask.py, and import it from there"
    )


def _elsewhere(kind: str, name: str, module: str) -> str:
    return (
        f"{kind} {name} lies in {module}, where other processes of the run cannot find it; write it to a file beside "
        f"your work, e.g. my{kind}.py, and import it from there"
    )
