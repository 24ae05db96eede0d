"""A board's clock beside the coordinator's, which is waited for: after power-off a board has no time of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from experiments.errors import UsageError

DIFFER_AT_MOST = timedelta(minutes=1)
POLL_S = 2.0


@dataclass(frozen=True)
class Clock:
    """This board's clock.

    Args:
        wait_s: Longest time to wait for time synchronisation; 0: not at all.
        tell: Told once why it waits, and then how long it still may.
        now: The time here, aware.
        monotonic, sleep: Of waiting.
    """

    wait_s: float = 0.0
    tell: Callable[[str], None] = lambda _: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def await_agreement(
        self, theirs: datetime | None, ask: Callable[[], datetime | None], node_id: str
    ) -> None:
        """Return as soon as both clocks agree within a minute. Raises UsageError where they do not in time.

        Args:
            theirs: The coordinator's time; None: it does not say, and is not compared.
            ask: What the coordinator's time is now.
            node_id: This board, for messages.
        """
        end = self.monotonic() + self.wait_s
        while theirs is not None and abs(self.now() - theirs) > DIFFER_AT_MOST:
            differ = (
                f"the clock of {node_id} says {self.now():%Y-%m-%d %H:%M:%S} UTC, the coordinator's "
                f"{theirs:%Y-%m-%d %H:%M:%S}"
            )
            left_s = end - self.monotonic()
            if left_s <= 0:
                raise UsageError(
                    f"{differ}: wait for time synchronisation (timedatectl shows it; without a time server in reach: "
                    f'sudo date --utc --set "{theirs:%Y-%m-%d %H:%M:%S}"), then join again; the token is not spent'
                )
            self.tell(f"{differ}; waiting for time synchronisation, {left_s:.0f} s at most")
            self.sleep(min(POLL_S, left_s))
            theirs = ask()
