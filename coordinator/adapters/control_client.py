"""The runner's side of the coordinator: the four calls with deadlines, back-off and typed failures.

All four are idempotent (a repeat of BeginSlot or EndSlot gives the stored answer), so they are asked again
while the coordinator cannot be reached: it may be restarting, and goes on from its ledger.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import grpc

from protos import codec
from protos.access.calls import Calls
from protos.access.config import COORDINATOR, Access
from protos.messages.runner import (
    BeginSlot,
    EndSlot,
    Report,
    ReportQuery,
    SlotPlan,
    SlotSummary,
    Status,
    StatusRequest,
)
from protos.messages.terms import Stage
from protos.wire import proxy_options

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.1, 5.0
SHORT_CALL_S = 30.0
"""Time for an answer itself, beyond the waits for nodes (choice): the coordinator answers once all is on disk, and a
board's card may hold that up for seconds."""
DECIDE_S = 120.0
"""Time for a decision itself, beyond the wait for telemetry."""

RETRIED = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        # While the coordinator starts again, its port may be another program's for a moment.
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""No answer of the coordinator itself: it is away, or others take its room for a moment."""

POLL_S, POLL_TIMES = 0.02, 5.0
"""Between two questions who is there: at least so long, and so many times what an answer takes."""
TOO_LARGE = "larger than max"
"""In the details of the same code for a message over a limit, which no repeat makes smaller."""

T = TypeVar("T")


class CoordinatorError(Exception):
    """A call of the coordinator failed."""


class CoordinatorUnreachableError(CoordinatorError):
    """No answer within the time given, after all retries."""


class CoordinatorRefusedError(CoordinatorError):
    """The coordinator refused the call. ``code`` is for programs."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(f"{text} ({code})")


class ControlClient:
    """Blocking client for one runner. ``patience_s``: how long a coordinator may be gone before a call
    gives up.

    ``address`` may be a callable that gives the address at every attempt (a restarted coordinator may have
    another). ``access``: the runner's certificate, or the run's secret. ``slot_s``: for how
    long a slot on the wall clock is not yet due.
    """

    def __init__(
        self,
        address: str | Callable[[], str],
        patience_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        access: Access | None = None,
        slot_s: float = 0.0,
    ) -> None:
        self._address = address if callable(address) else lambda: address
        self._patience_s, self._slot_s = patience_s, slot_s
        self._clock, self._sleep, self._jitter = clock, sleep, jitter
        self._calls = Calls(access or Access())
        self._channel: grpc.Channel | None = None
        self._connected_to = ""

    def begin_slot(self, slot: int, stage: Stage, wait_s: float) -> SlotPlan:
        """Have a slot decided. Raises CoordinatorRefusedError, CoordinatorUnreachableError."""
        return self._call(codec.BEGIN_SLOT, BeginSlot(slot, stage, wait_s), wait_s + DECIDE_S)

    def end_slot(
        self, slot: int, wait_s: float, aggregated_parameters: int = 0, evaluated_examples: int = 0
    ) -> SlotSummary:
        """Have a slot metered, traded, settled and booked."""
        request = EndSlot(slot, wait_s, aggregated_parameters, evaluated_examples)
        return self._call(codec.END_SLOT, request, self._slot_s + 2 * wait_s + SHORT_CALL_S)

    def status(self) -> Status:
        return self._call(codec.GET_STATUS, StatusRequest(), SHORT_CALL_S)

    def report(self, node_id: str = "") -> Report:
        return self._call(codec.GET_REPORT, ReportQuery(node_id), SHORT_CALL_S)

    def wait_for_nodes(self, count: int, timeout_s: float) -> Status:
        """Until ``count`` nodes hold a lease; raises CoordinatorUnreachableError naming those that are
        there.
        """
        deadline = self._clock() + timeout_s
        while True:
            asked_at = self._clock()
            # A coordinator that is busy with a thousand registrations may take longer than a short call.
            left_s = max(SHORT_CALL_S, deadline - asked_at)
            status: Status = self._call(codec.GET_STATUS, StatusRequest(), left_s)
            if len(status.live_nodes) >= count:
                return status
            if (now := self._clock()) >= deadline:
                raise CoordinatorUnreachableError(
                    f"{len(status.live_nodes)} of {count} nodes came in {timeout_s:g} s: {status.live_nodes}"
                    "; look into the logs of the others"
                )
            # The answer names every node: of a large fleet it is asked for less often.
            self._sleep(max(POLL_S, POLL_TIMES * (now - asked_at)))

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, rpc: codec.Rpc, request: Any, timeout_s: float) -> Any:
        """One idempotent call, repeated with full jitter while no answer comes."""
        gone_since: float | None = None
        attempt = 0
        while True:
            try:
                call = self._connect().unary_unary(
                    rpc.path,
                    request_serializer=rpc.encode_request,
                    response_deserializer=rpc.decode_response,
                )
                return call(request, timeout=timeout_s, metadata=self._calls.metadata)
            except grpc.RpcError as error:
                _raise_if_final(error, rpc, timeout_s)
                if gone_since is None:  # it may have worked on the answer until now, longer than our patience
                    gone_since = self._clock()
                if self._clock() - gone_since >= self._patience_s:
                    raise CoordinatorUnreachableError(
                        f"{rpc.method}: no coordinator at {self._connected_to} within {self._patience_s:g} s "
                        f"({error.details()}); is its process running?"
                    ) from error
            longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**attempt)
            self._sleep(max(0.01, longest * self._jitter()))
            attempt += 1

    def _connect(self) -> grpc.Channel:
        address = self._address()
        if self._channel is None or address != self._connected_to:
            self.close()
            self._connected_to = address
            self._channel = self._calls.channel(
                address,
                COORDINATOR,
                options=[
                    *proxy_options(address),
                    ("grpc.max_receive_message_length", codec.MAX_REPLY_BYTES),
                    ("grpc.max_send_message_length", codec.MAX_STREAM_BYTES),
                    ("grpc.keepalive_time_ms", 5000),
                    ("grpc.keepalive_timeout_ms", 3000),
                    ("grpc.initial_reconnect_backoff_ms", 100),
                    ("grpc.max_reconnect_backoff_ms", 1000),
                    ("grpc.enable_retries", 0),
                ],
            )
        return self._channel


def _raise_if_final(error: grpc.RpcError, rpc: codec.Rpc, timeout_s: float) -> None:
    """Typed failure of an answer that asking again would not change."""
    code, details = error.code(), error.details() or ""
    if code in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT):
        name, _, text = details.partition(": ")
        raise CoordinatorRefusedError(name, text) from error
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        raise CoordinatorUnreachableError(
            f"{rpc.method}: no answer within {timeout_s:g} s; the coordinator is busy or stuck"
        ) from error
    if code not in RETRIED or TOO_LARGE in details:
        raise CoordinatorError(f"{rpc.method}: {code.name} {details}") from error
