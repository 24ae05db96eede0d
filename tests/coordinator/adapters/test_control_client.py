"""The runner's side of the coordinator: the four calls with deadlines, back-off and typed failures."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from coordinator.adapters.control_client import (
    ControlClient,
    CoordinatorRefusedError,
    CoordinatorUnreachableError,
)
from protos import codec
from protos.messages.runner import BeginSlot, Status
from protos.messages.terms import Stage

pytestmark = pytest.mark.processes


def test_client_gives_up_with_a_typed_failure_without_an_answer() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    client = ControlClient(
        "127.0.0.1:1", patience_s=3.0, clock=lambda: now[0], sleep=sleep, jitter=lambda: 1.0
    )
    with client, pytest.raises(CoordinatorUnreachableError, match="is its process running"):
        client.begin_slot(0, Stage.DEVELOPMENT, 1.0)
    assert slept[:4] == [0.1, 0.2, 0.4, 0.8]


def test_coordinator_that_dies_late_in_a_long_call_is_waited_for() -> None:
    """A decision may take longer than the client's time-out for a coordinator that has ended."""
    now, calls = [0.0], []

    def get_status(data: bytes, context: grpc.ServicerContext) -> bytes:
        calls.append(data)
        now[0] += 50.0  # at work
        if len(calls) == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "killed")
        return codec.GET_STATUS.encode_response(Status("run", 2, 0, (), (), 1))

    def sleep(seconds: float) -> None:
        now[0] += seconds

    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.unary_unary_rpc_method_handler(get_status)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(codec.GET_STATUS.service, {codec.GET_STATUS.method: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with ControlClient(f"127.0.0.1:{port}", patience_s=30.0, clock=lambda: now[0], sleep=sleep) as client:
            assert client.status().epoch == 2
    finally:
        server.stop(None)


def test_a_slots_end_may_be_held_up_by_a_disk() -> None:
    """Beyond the waits for readings and for settlements, which nodes may use up."""
    left_s: list[float] = []

    def end_slot(data: bytes, context: grpc.ServicerContext) -> bytes:
        left_s.append(context.time_remaining())
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "wrong_slot: none is open")

    server = grpc.server(ThreadPoolExecutor(1))
    handlers = {codec.END_SLOT.method: grpc.unary_unary_rpc_method_handler(end_slot)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(codec.END_SLOT.service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with (
            ControlClient(f"127.0.0.1:{port}", slot_s=100.0) as client,
            pytest.raises(CoordinatorRefusedError),
        ):
            client.end_slot(0, 1000.0)
    finally:
        server.stop(None)
    assert left_s[0] - 2100.0 > 10.0


def test_another_server_that_has_the_port_for_a_moment_is_waited_out() -> None:
    """The coordinator was killed, and somebody else's server got its port before it came back."""
    stranger = grpc.server(ThreadPoolExecutor(1))
    port = stranger.add_insecure_port("127.0.0.1:0")
    stranger.start()
    servers, slept = [stranger], []

    def answer(data: bytes, context: grpc.ServicerContext) -> bytes:
        return codec.GET_STATUS.encode_response(Status("run", 2, 0, (), (), 1))

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        stranger.stop(None).wait()
        own = grpc.server(ThreadPoolExecutor(1))
        handlers = {codec.GET_STATUS.method: grpc.unary_unary_rpc_method_handler(answer)}
        own.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(codec.GET_STATUS.service, handlers),)
        )
        assert own.add_insecure_port(f"127.0.0.1:{port}") == port
        own.start()
        servers.append(own)

    try:
        with ControlClient(f"127.0.0.1:{port}", sleep=lambda s: sleep(s) if not slept else None) as client:
            assert client.status().epoch == 2
        assert slept
    finally:
        for server in servers:
            server.stop(None)


def test_begin_slot_message_round_trip_is_bytes_only() -> None:
    request = BeginSlot(3, Stage.RECYCLING, 1.5)
    assert codec.BEGIN_SLOT.decode_request(codec.BEGIN_SLOT.encode_request(request)) == request
