"""The coordinator on gRPC: one stream a node (attendance.py), four calls for the runner (runner_calls.py). Loopback"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from coordinator.adapters.control_client import (
    ControlClient,
)
from coordinator.ledger import verify
from edge_node.slots.windows import Windows
from protos import codec
from protos.messages.slot import Telemetry
from protos.messages.stream import Refusal, Register, UpMessage, Welcome
from protos.messages.terms import Overrun, Stage
from tests.coordinator.adapters.conftest import LEASE_S
from tests.coordinator.adapters.process import PATIENT_S, NodeThreads, Process, books_of

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[3]
SILENT_S = 1.0
"""So long it is listened to whether more comes than what was expected."""


def say(address: str, *messages: UpMessage | bytes, answers: int = 1) -> list[Any]:
    """Answers of a stream to raw messages, until it ends or, after so many ``answers``, sends nothing more."""

    async def run() -> list[Any]:
        async with aio.insecure_channel(address) as channel:
            call = channel.stream_stream(codec.ATTEND.path)()
            for message in messages:
                await call.write(message if isinstance(message, bytes) else codec.encode_up(message))
            heard = []
            with contextlib.suppress(TimeoutError):
                while True:
                    wait_s = PATIENT_S if len(heard) < answers else SILENT_S
                    if (data := await asyncio.wait_for(call.read(), wait_s)) is aio.EOF:
                        break
                    heard.append(codec.decode_down(data))
            call.cancel()
            return heard

    return asyncio.run(run())


def test_unknown_nodes_and_invalid_messages_are_refused_and_leave_no_row(process: Process, kit: Any) -> None:
    stub = kit.StubNode("n00")
    stranger = Register("n66", "boot1", "", stub.profile)
    cases: list[tuple[tuple[Any, ...], str]] = [
        ((stranger,), "unknown_node"),
        ((b"\xff\xfe no protobuf",), "malformed"),
        ((b"",), "malformed"),
        ((Telemetry("n00", "boot1", 1, 0, 0, (1,), (1,)),), "not_registered"),
        ((Register("n00", "boot1", "", kit.profile(0, zone="ZZ")),), "unknown_zone"),
        ((Register("n00", "boot1", "", kit.profile(0, work=())),), "bad_profile"),
    ]
    for messages, code in cases:
        heard = say(process.address, *messages)
        assert [m.code for m in heard if isinstance(m, Refusal)] == [code]
        assert not any(isinstance(m, Welcome) for m in heard)
    channel = grpc.insecure_channel(process.address)
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(codec.BEGIN_SLOT.path)(b"\xff\xff\xff", timeout=PATIENT_S)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(codec.BEGIN_SLOT.path)(b"\0" * (codec.MAX_STREAM_BYTES + 1), timeout=PATIENT_S)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    bomb = b"\0" * (codec.MAX_STREAM_BYTES - 1)  # allowed in length: it is not even unpacked
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(codec.BEGIN_SLOT.path)(bomb, timeout=PATIENT_S, compression=grpc.Compression.Gzip)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    channel.close()
    process.stop()
    assert books_of(process.config).nodes == {}


def test_an_invalid_message_in_a_stream_is_refused_and_the_stream_continues(
    process: Process, kit: Any
) -> None:
    stub = kit.StubNode("n00")
    heard = say(process.address, stub.register(), b"\xff", stub.telemetry(0), answers=3)
    kinds = [type(m).__name__ for m in heard]
    assert kinds == ["Welcome", "Refusal", "Ack"]
    process.stop()
    assert "n00" in books_of(process.config).waiting


def test_second_stream_fences_the_first(process: Process, kit: Any) -> None:
    async def run() -> list[Any]:
        async with aio.insecure_channel(process.address) as channel:
            streams = []
            for _ in range(2):
                call = channel.stream_stream(
                    codec.ATTEND.path,
                    request_serializer=codec.encode_up,
                    response_deserializer=codec.decode_down,
                )()
                await call.write(kit.StubNode("n00").register())
                assert isinstance(await call.read(), Welcome)
                streams.append(call)
            heard = [
                await asyncio.wait_for(streams[0].read(), PATIENT_S),
                await asyncio.wait_for(streams[0].read(), PATIENT_S),
            ]
            stub = kit.StubNode("n00")
            await streams[1].write(stub.telemetry(0))
            heard.append(await asyncio.wait_for(streams[1].read(), PATIENT_S))
            return heard

    refusal, end, ack = asyncio.run(run())
    assert refusal.code == "fenced"
    assert end is aio.EOF
    assert ack.seq == 1


def test_many_streams_do_not_starve_a_healthy_node(process: Process, nodes: NodeThreads) -> None:
    """Calls beyond the limit are refused; heartbeats of admitted nodes are kept."""

    async def flood() -> int:
        refused = 0
        async with aio.insecure_channel(process.address) as channel:
            calls = [channel.stream_stream(codec.ATTEND.path)() for _ in range(300)]
            reads = [asyncio.ensure_future(call.read()) for call in calls]
            # Admitted calls wait for an answer that never comes; a refused call gets its answer at once.
            done, waiting = await asyncio.wait(reads, timeout=600, return_when=asyncio.FIRST_EXCEPTION)
            for read in done:
                error = read.exception()
                refused += isinstance(error, aio.AioRpcError) and (
                    error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                )
            for read in waiting:
                read.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        return refused

    with ControlClient(process.address) as control:
        control.wait_for_nodes(3, PATIENT_S)
        assert asyncio.run(flood()) > 0
        control.begin_slot(0, Stage.DEVELOPMENT, PATIENT_S)
        assert len(control.end_slot(0, PATIENT_S).settled_nodes) == 3


def test_slots_on_the_wall_clock_are_due_on_schedule_over_grpc(tmp_path: Path, kit: Any) -> None:
    """Six slots of 0.3 s, a pause of the runner before the fourth: later slots are due as planned."""
    config = kit.make_config(
        tmp_path, slots=6, policy="deta", lease_s=LEASE_S, slot_s=0.3, overrun=Overrun.CUT
    )
    process = Process(config, tmp_path)
    process.start()
    # Its energies are those of a longer slot: no limit of its battery stands in their way.
    changes = {"self_discharge_fraction": 0.0, "charge_limit_w": 1e6, "discharge_limit_w": 1e6}
    stubs = [kit.StubNode(node, **changes) for node in config.node_ids]
    for stub in stubs:
        stub.windows = Windows()
    nodes = NodeThreads(stubs, process.address)
    left = []
    with ControlClient(process.address, slot_s=0.3) as control:
        control.wait_for_nodes(3, PATIENT_S)
        for slot in range(6):
            plan = control.begin_slot(slot, Stage.DEVELOPMENT, 5.0)
            left.append([decision.remaining_s for decision in plan.decisions])
            time.sleep(0.4 if slot == 3 else 0.0)
            control.end_slot(slot, 5.0)
    nodes.stop()
    assert process.stop() == 0
    assert verify(config.ledger_path).ok
    books = books_of(config)
    assert all(0 <= seconds <= 0.3 for told in left for seconds in told)
    assert books.run_time.due_s == pytest.approx(7 * 0.3), "no delay of any slot is in it"
    assert books.run_time.end_s >= 6 * 0.3
