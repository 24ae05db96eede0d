"""An event loop in virtual time: nothing waits, and the same calls give the same order of events.

Work for threads (``asyncio.to_thread``) runs at one virtual moment, after a delay that the world draws.
"""

from __future__ import annotations

import asyncio
from asyncio import base_events
from collections.abc import Callable
from contextvars import copy_context
from typing import Any


class Killed(BaseException):
    """The process that ran this was killed here; nothing of it runs on."""


class VirtualLoop(base_events.BaseEventLoop):
    """``work_delay`` gives the seconds before a thread's work runs, None where it never does."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self
        self._clock_resolution = 1e-9
        self.work_delay: Callable[[], float | None] = lambda: 0.0
        self.failures: list[BaseException] = []
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        """In place of a selector: go to the next event."""
        if timeout is None:
            raise RuntimeError("nothing will ever happen again")
        self._now += timeout
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        future: asyncio.Future[Any] = self.create_future()
        delay = self.work_delay()
        if delay is not None:
            self.call_later(delay, _work, future, func, args, context=copy_context())
        return future


def _work(future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if future.cancelled():
        return
    try:
        result = func(*args)
    except Killed:
        return  # the thread died with its process
    except Exception as error:
        future.set_exception(error)
    else:
        future.set_result(result)
