"""Words that the parts of the coordinator share: effects of a message, refusals, failed calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from coordinator.ledger.entry import Entry
from protos import codec
from protos.messages.stream import DownMessage, Refusal


class RequestError(ValueError):
    """A call of the runner that cannot be served now; ``code`` is for programs, the text for people."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)


Answer = TypeVar("Answer")


def require_sendable(answer: Answer) -> Answer:
    """The answer to a call. Raises RequestError where no message can hold it: then it must not be booked either."""
    try:
        codec.to_proto(answer)
    except codec.ProtocolError as error:
        raise RequestError(
            "out_of_range", f"the answer cannot be sent: {error}; nothing was booked"
        ) from error
    return answer


class TryLaterError(RequestError):
    """A call that may be served once something outside the run has changed: the run can be resumed."""


class Refused(Exception):
    """A node's message that is refused: ``code`` for programs, ``reason`` for people.

    ``alarms`` go into the ledger (they are applied to the books already); ``follow`` is sent after the
    refusal.
    """

    def __init__(
        self, code: str, reason: str, alarms: tuple[Entry, ...] = (), follow: tuple[DownMessage, ...] = ()
    ) -> None:
        self.refusal = Refusal(code, reason)
        self.alarms = alarms
        self.follow = follow
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Effects:
    """Effects of a message: ``entries`` must be durable before ``sends`` (node id, message) leave."""

    entries: tuple[Entry, ...] = ()
    sends: tuple[tuple[str, DownMessage], ...] = ()
