"""Polls live services, each in a thread of its own, so that a slow one delays no other and no slot.

A service is asked every ``poll_s`` seconds; after a failure sooner, and never before the time that it named in
Retry-After. ``poll_s = 0``: once for each slot, which waits for the answers.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from carbon_data.files.http import AuthenticationError, NotFoundError, ServiceError
from carbon_data.live.feed import Feed, Frozen, NoValueError
from carbon_data.live.keys import Keys
from carbon_data.live.service import LiveService
from carbon_data.types import DataError

log = logging.getLogger(__name__)
FIRST_RETRY_S = 5.0
LONGEST_POLL_S = 86_400.0
CLOSE_S = 0.2
"""Wait for a thread at the end; one within a request ends with the process."""


@dataclass(frozen=True, slots=True)
class Polled:
    """A signal that is polled: its name in messages, its service, and what is known of it."""

    name: str
    service: LiveService
    feed: Feed
    poll_s: float


class Poller:
    """Threads for ``signals``, from ``start`` to ``close``. ``wait_s``: how long a slot waits for a value at most."""

    def __init__(
        self,
        signals: Sequence[Polled],
        keys: Keys,
        wait_s: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._now, self._wait_s = now, wait_s
        self._news = threading.Condition()
        self._watches = [_Watch(signal, keys, self._news, now) for signal in signals]

    def start(self) -> None:
        """Begin to poll."""
        for watch in self._watches:
            watch.thread.start()

    def close(self) -> None:
        """End the threads; one that waits for an answer ends with the process."""
        for watch in self._watches:
            watch.end()
        for watch in self._watches:
            if watch.thread.is_alive():
                watch.thread.join(CLOSE_S)

    def freeze(self, slots: int) -> tuple[datetime, tuple[Frozen, ...]]:
        """The present time, and what a slot that begins now takes of each signal, with forecasts of the ``slots`` slots
        after it. Waits ``wait_s`` at most for what is missing. Raises NoValueError."""
        with self._news:
            for watch in self._watches:
                watch.ask()
            self._news.wait_for(
                lambda: all(watch.is_ready(self._now()) for watch in self._watches), self._wait_s
            )
            at = self._now()
            return at, tuple(watch.freeze(at, slots) for watch in self._watches)


class _Watch:
    """One signal and its thread. All but the request itself happens under ``news``."""

    def __init__(
        self, signal: Polled, keys: Keys, news: threading.Condition, now: Callable[[], datetime]
    ) -> None:
        self._signal, self._keys, self._news, self._now = signal, keys, news, now
        self.thread = threading.Thread(target=self._run, name=f"live {signal.name}", daemon=True)
        self._closed = self._hopeless = False
        self._asked = self._answered = 0
        self._failures = 0
        self._fault = ""
        self._no_forecast: str | None = None
        self._due_s = time.monotonic()

    def ask(self) -> None:
        """Ask for a poll for this slot, where each slot has one."""
        if self._signal.poll_s == 0:
            self._asked += 1
            self._news.notify_all()

    def is_ready(self, at: datetime) -> bool:
        """Whether there is no reason to wait."""
        if self._signal.poll_s == 0:
            return self._answered >= self._asked
        return self._hopeless or self._signal.feed.is_usable(at)

    def freeze(self, at: datetime, slots: int) -> Frozen:
        try:
            return self._signal.feed.freeze(at, slots)
        except NoValueError as error:
            why = f" (the last poll failed: {self._fault})" if self._fault else ""
            raise NoValueError(f"{self._signal.name}: {error}{why}") from None

    def end(self) -> None:
        with self._news:
            self._closed = True
            self._news.notify_all()

    def _run(self) -> None:
        while self._may_poll():
            try:
                answer = self._signal.service.fetch(self._now())
            except Exception as error:
                self._failed(error)
                continue
            with self._news:
                self._signal.feed.take(answer, self._now())
                self._told("")
                self._told_of_forecast(answer.no_forecast)
                self._failures, self._hopeless = 0, False
                self._done(self._signal.poll_s)

    def _may_poll(self) -> bool:
        """Wait until the next poll is due; False at the end."""
        with self._news:
            while not self._closed:
                left_s = self._due_s - time.monotonic()
                if self._signal.poll_s == 0 and self._answered < self._asked:
                    if left_s <= 0:
                        return True
                    self._answered = self._asked  # the service asked to wait longer: what is known must do
                    self._news.notify_all()
                elif self._signal.poll_s > 0 and left_s <= 0:
                    return True
                self._news.wait(max(left_s, 0.0) if self._signal.poll_s > 0 else None)
        return False

    def _failed(self, error: Exception) -> None:
        with self._news:
            expected = isinstance(error, DataError)
            self._told(self._keys.hidden(str(error) if expected else f"{type(error).__name__}: {error}"))
            self._failures += 1
            self._hopeless = isinstance(error, AuthenticationError | NotFoundError) or not isinstance(
                error, ServiceError
            )
            asked_s = (error.retry_after_s if isinstance(error, ServiceError) else None) or 0.0
            again_s = FIRST_RETRY_S * 2.0 ** min(self._failures - 1, 20)
            pause_s = self._signal.poll_s if self._hopeless else min(self._signal.poll_s, again_s)
            self._done(min(max(pause_s, asked_s), LONGEST_POLL_S))

    def _done(self, pause_s: float) -> None:
        self._due_s = time.monotonic() + pause_s
        self._answered = self._asked
        self._news.notify_all()

    def _told(self, fault: str) -> None:
        """Log a fault once, and its end."""
        if fault != self._fault:
            if fault:
                log.warning("%s: %s", self._signal.name, fault)
            else:
                log.info("%s answers again", self._signal.name)
            self._fault = fault

    def _told_of_forecast(self, why: str | None) -> None:
        """Log once that forecasts are refused."""
        if why is not None and why != self._no_forecast:
            log.warning("%s: no forecast, persistence instead: %s", self._signal.name, self._keys.hidden(why))
        self._no_forecast = why
