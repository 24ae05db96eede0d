"""Handlers of a coordinator that fail at every step: before each real call, one attempt for every function it calls, in
which that function raises instead."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[2]
WATCHED = ("coordinator", "protos", "carbon_data")
PUTS_BACK = ("savepoint.py", "sessions.py")
"""What restores the books, and leases, which are not durable: a message that fails may have renewed one."""
NO_STEPS = frozenset({"together", "<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>"})
"""What keeps changes together; what goes through others' values, which is no call of its own in later Pythons."""
HANDLERS = (
    *("start", "register", "receive"),
    *("deciding.adopt", "negotiating.adopt"),
    *("closing.close", "closing.trade", "closing.finish"),
)
"""Everything of the service that is called from outside and enters something. What a market says before it is adopted
is in no ledger."""


class SabotageError(BaseException):
    """No ``except Exception`` on the way may hide it."""


def fail_at(
    step: int, watched: tuple[str, ...] = WATCHED, spared: tuple[str, ...] = ()
) -> Callable[[FrameType, str, Any], None]:
    """For sys.setprofile: the ``step``-th function of ours that is called raises at once. ``watched``: packages;
    ``spared``: folders and files whose functions do not fail."""
    called = 0

    def hook(frame: FrameType, event: str, _: Any) -> None:
        nonlocal called
        if event != "call":
            return
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if name in NO_STEPS or not _may_fail(file, watched, spared):
            return
        called += 1
        if called == step:
            raise SabotageError(f"{Path(file).name}: {name}")

    return hook


@cache
def _may_fail(file: str, watched: tuple[str, ...], spared: tuple[str, ...]) -> bool:
    place = Path(file)
    if place.name in PUTS_BACK or not place.is_relative_to(ROOT):
        return False
    within = place.relative_to(ROOT)
    return within.parts[0] in watched and not str(within).startswith(spared)


def plain(value: Any) -> Any:
    """A picture that compares by content."""
    if hasattr(value, "__dataclass_fields__"):
        return [(name, plain(getattr(value, name))) for name in value.__dataclass_fields__]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(value)
    return [plain(each) for each in value] if isinstance(value, tuple | list) else value


def memory(service: Any) -> dict[str, Any]:
    """All of a coordinator's memory that stands for entries of its ledger."""
    books = {name: plain(value) for name, value in vars(service.books).items() if name != "config"}
    return {**books, "policy": plain(service.policy.state)}


class Sabotaged:
    """Wraps the handlers of ``service``; ``steps`` counts the failed attempts by handler and kind of message."""

    def __init__(self, service: Any, head: Callable[[], Any]) -> None:
        self.service, self._head = service, head
        self.steps: dict[tuple[str, str], int] = {}
        for name in HANDLERS:
            owner = service
            *path, method = name.split(".")
            for part in path:
                owner = getattr(owner, part)
            setattr(owner, method, self._wrapped(name, getattr(owner, method)))

    def _wrapped(self, name: str, handler: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            kind = name, type(arguments[-1]).__name__ if arguments else ""
            if self.steps.setdefault(kind, 0):
                return handler(*arguments, **named)
            before, head = memory(self.service), self._head()
            while True:
                sys.setprofile(fail_at(self.steps[kind] + 1))
                try:
                    return handler(*arguments, **named)  # where nothing fails, the real call
                except SabotageError as error:
                    failed_in = str(error)
                finally:
                    sys.setprofile(None)
                assert memory(self.service) == before, f"{kind} changed memory, then failed in {failed_in}"
                assert self._head() == head
                self.steps[kind] += 1

        return call
