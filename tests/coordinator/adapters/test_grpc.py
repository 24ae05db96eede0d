"""The coordinator as a process, real gRPC, real node clients: ``kill -9``, fencing, unknown nodes, floods."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from coordinator.adapters.control_client import (
    ControlClient,
    CoordinatorRefusedError,
    CoordinatorUnreachableError,
)
from coordinator.ledger import Ledger, Unit, verify
from coordinator.slots.books import Books
from protos import codec
from protos.messages.market import MarketCall, MarketNews
from protos.messages.runner import BeginSlot, Status
from protos.messages.slot import Telemetry
from protos.messages.stream import Heartbeat, Refusal, Register, UpMessage, Welcome
from protos.messages.terms import Stage

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[3]
LEASE_S = 8.0
"""Many times the stubs' heartbeat, so that nodes keep their lease on a busy machine."""


class Process:
    """``python -m coordinator`` on a configuration; comes back on the same port."""

    def __init__(self, config: Any, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.address, self.epoch = "", 0
        self.popen: subprocess.Popen[str] | None = None

    def start(self) -> None:
        path = self.folder / "coordinator.json"
        path.write_text(self.config.model_dump_json())
        with (self.folder / "coordinator.log").open("a") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "coordinator", str(path)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, (self.folder / "coordinator.log").read_text()
        ready = json.loads(line)
        assert ready["pid"] == self.popen.pid
        self.address, self.epoch = ready["address"], ready["epoch"]
        self.config = self.config.model_copy(update={"port": int(self.address.rpartition(":")[2])})

    def kill(self) -> None:
        assert self.popen is not None
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> int:
        assert self.popen is not None
        self.popen.terminate()
        return self.popen.wait(15)


class NodeThreads:
    """Stub nodes on real streams, in one event loop of a thread; they come back when a stream breaks."""

    def __init__(self, stubs: list[Any], address: str) -> None:
        self.stubs = {stub.node_id: stub for stub in stubs}
        self.address = address
        self.loop = asyncio.new_event_loop()
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        for node in self.stubs:
            self.revive(node)

    def revive(self, node: str) -> None:
        async def begin() -> None:
            self.tasks[node] = asyncio.ensure_future(self._attend(self.stubs[node]))

        asyncio.run_coroutine_threadsafe(begin(), self.loop).result(10)

    def kill(self, node: str) -> None:
        """Like kill -9 of the node: the stream ends, and unsent messages are lost."""

        async def end() -> None:
            self.tasks[node].cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.tasks[node]

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)

    def stop(self) -> None:
        for node in list(self.tasks):
            self.kill(node)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def _attend(self, stub: Any) -> None:
        while True:
            try:
                async with aio.insecure_channel(
                    self.address,
                    options=[
                        ("grpc.initial_reconnect_backoff_ms", 50),
                        ("grpc.use_local_subchannel_pool", 1),
                    ],
                ) as channel:
                    await self._stream(stub, channel)
            except (aio.AioRpcError, asyncio.InvalidStateError):
                pass  # the coordinator ended, perhaps within a message: reconnect
            await asyncio.sleep(0.03)

    async def _stream(self, stub: Any, channel: aio.Channel) -> None:
        call = channel.stream_stream(
            codec.ATTEND.path, request_serializer=codec.encode_up, response_deserializer=codec.decode_down
        )()
        await call.write(stub.register())
        beat = asyncio.ensure_future(self._beat(stub, call))
        try:
            while (message := await call.read()) is not aio.EOF:
                for answer in stub.handle(message):
                    await call.write(answer)
        finally:
            beat.cancel()

    async def _beat(self, stub: Any, call: Any) -> None:
        while True:
            await asyncio.sleep(0.3)
            with contextlib.suppress(aio.AioRpcError, asyncio.InvalidStateError):
                await call.write(Heartbeat(stub.node_id, stub.boot_id, stub.seq, time.monotonic_ns()))


@pytest.fixture
def process(tmp_path: Path, kit: Any, request: pytest.FixtureRequest) -> Iterator[Process]:
    slots = getattr(request, "param", 12)
    made = Process(kit.make_config(tmp_path, nodes=3, slots=slots, policy="deta", lease_s=LEASE_S), tmp_path)
    made.start()
    yield made
    if made.popen is not None and made.popen.poll() is None:
        made.kill()


@pytest.fixture
def nodes(process: Process, kit: Any) -> Iterator[NodeThreads]:
    made = NodeThreads([kit.StubNode(node) for node in process.config.node_ids], process.address)
    yield made
    made.stop()


def books_of(config: Any) -> Books:
    books = Books(config)
    with Ledger(config.ledger_path, config.run_id) as ledger:
        for stored in ledger.entries():
            books.apply(stored.entry)
    return books


def assert_every_joule_once(process: Process, stubs: dict[str, Any]) -> None:
    """Booked energy equals the nodes' readings, node by node; so does the battery's content."""
    report = verify(process.config.ledger_path)
    assert report.ok, report.findings[:5]
    books = books_of(process.config)
    for node, stub in stubs.items():
        ended = [slot for slot, state in books.slots.items() if state.summary is not None]
        metered = sum(line.energy_uj for slot in ended for line in stub.usages[slot].lines)
        booked = sum(
            amount
            for (account, unit), amount in books.balances.items()
            if unit is Unit.MICROJOULES and account.startswith(f"node/{node}/stage/")
        )
        assert booked == metered
        assert books.battery_uj(node) == stub.battery_uj
        assert stub.executed_twice == 0


def test_run_over_grpc_and_clean_end(process: Process, nodes: NodeThreads) -> None:
    with ControlClient(process.address) as control:
        control.wait_for_nodes(3, 10)
        for slot in range(3):
            plan = control.begin_slot(slot, Stage.DEVELOPMENT, 5.0)
            assert control.begin_slot(slot, Stage.DEVELOPMENT, 5.0) == plan
            summary = control.end_slot(slot, 5.0, 1000, 10)
            assert len(summary.settled_nodes) == 3
            assert control.end_slot(slot, 5.0) == summary
        status = control.status()
        assert (status.next_slot, status.epoch, status.pid) == (3, 1, process.popen.pid)  # type: ignore[union-attr]
        assert control.report().tokens_out > 0
        with pytest.raises(CoordinatorRefusedError) as caught:
            control.begin_slot(9, Stage.DEVELOPMENT, 1.0)
        assert caught.value.code == "wrong_slot"
        with pytest.raises(CoordinatorRefusedError) as caught:
            control.report("n99")
        assert caught.value.code == "unknown_node"
    assert process.stop() == 0
    assert_every_joule_once(process, nodes.stubs)


@pytest.mark.parametrize(
    ("process", "kills"),
    [
        pytest.param(12, 6, id="some"),
        pytest.param(20_000, 1000, id="many", marks=pytest.mark.long),
    ],
    indirect=["process"],
)
def test_kill_9_at_random_moments_loses_and_doubles_nothing(
    process: Process, nodes: NodeThreads, kills: int
) -> None:
    """The runner continues by itself; every slot settles with every node, at any time of the kill."""
    chance = random.Random(7)
    done = threading.Event()
    errors: list[BaseException] = []
    shot, stopped = threading.Event(), threading.Event()

    def shoot() -> None:
        try:
            for _ in range(kills):
                if done.wait(chance.uniform(0.0, 0.25)):
                    break
                process.kill()
                process.start()
        except BaseException as error:
            errors.append(error)
        shot.set()
        stopped.wait()  # the kernel ties a child's parent-death signal to the thread that started it

    shooter = threading.Thread(target=shoot)
    with ControlClient(process.address, patience_s=60.0) as control:
        control.wait_for_nodes(3, 10)
        shooter.start()
        for slot in range(len(process.config.stages)):
            if slot >= 12 and (shot.is_set() or errors):
                break
            control.begin_slot(slot, Stage.DEVELOPMENT, 20.0)
            summary = control.end_slot(slot, 20.0, 1000, 10)
            assert len(summary.settled_nodes) == 3, summary
            assert summary.executed_batches == 18
        done.set()
        assert shot.wait(60)
        control.wait_for_nodes(3, 10)
    assert not errors
    assert process.epoch > 1
    process.stop()
    stopped.set()
    shooter.join()
    assert_every_joule_once(process, nodes.stubs)
    assert not [n for n in verify(process.config.ledger_path).notices if "alarm" in n]


def test_a_dead_node_delays_the_slot_by_its_lease_at_most(
    process: Process, nodes: NodeThreads, kit: Any
) -> None:
    with ControlClient(process.address) as control:
        control.wait_for_nodes(3, 10)
        control.begin_slot(0, Stage.DEVELOPMENT, 5.0)
        nodes.kill("n01")
        summary = control.end_slot(0, 60.0)
        assert summary.missing_nodes == ("n01",)
        plan = control.begin_slot(1, Stage.DEVELOPMENT, 5.0)
        assert plan.lost_nodes == ("n01",)
        control.end_slot(1, 5.0)
        nodes.stubs["n01"] = kit.StubNode("n01", boot_id="boot2", battery_uj=5)
        nodes.revive("n01")
        control.wait_for_nodes(3, 10)
        control.begin_slot(2, Stage.DEVELOPMENT, 5.0)
        assert control.end_slot(2, 5.0).missing_nodes == ()
    process.stop()
    report = verify(process.config.ledger_path)
    assert report.ok, report.findings
    assert report.notices == ["2 unmetered node slots"]


@pytest.mark.parametrize("policy", ["auction", "admm"])
def test_a_node_that_never_answers_the_market_is_dropped_after_its_lease(
    policy: str, tmp_path: Path, kit: Any
) -> None:
    """It sends heartbeats but no answer to the market: the others trade without it, and the slot continues."""

    class Mute(kit.TradingStub):  # type: ignore[misc, name-defined]
        def handle(self, message: Any) -> list[Any]:
            return [] if isinstance(message, MarketCall | MarketNews) else list(super().handle(message))

    process = Process(kit.make_config(tmp_path, nodes=3, slots=2, policy=policy, lease_s=LEASE_S), tmp_path)
    process.start()
    stubs = [(Mute if node == "n01" else kit.TradingStub)(node) for node in process.config.node_ids]
    nodes = NodeThreads(stubs, process.address)
    try:
        with ControlClient(process.address) as control:
            control.wait_for_nodes(3, 10)
            plan = control.begin_slot(0, Stage.DEVELOPMENT, 1.0)
            assert plan.status.startswith("rule: negotiated")
            assert {decision.node_id for decision in plan.decisions} == {"n00", "n02"}
            assert plan.lost_nodes == ("n01",)
            summary = control.end_slot(0, 10.0)
            assert summary.missing_nodes == ("n01",)
            assert summary.executed_batches == 2 * kit.BATCHES
        process.stop()
        market = books_of(process.config).slots[0].market
        assert market is not None
        assert market["silent"] == ["n01"]
        assert market["up_bytes"].keys() == {"n00", "n02"}
        report = verify(process.config.ledger_path)
        assert report.ok, report.findings
    finally:
        nodes.stop()
        if process.popen is not None and process.popen.poll() is None:
            process.kill()


def say(address: str, *messages: UpMessage | bytes) -> list[Any]:
    """Answers of a stream to raw messages, until it ends or sends nothing more."""

    async def run() -> list[Any]:
        async with aio.insecure_channel(address) as channel:
            call = channel.stream_stream(codec.ATTEND.path)()
            for message in messages:
                await call.write(message if isinstance(message, bytes) else codec.encode_up(message))
            heard = []
            with contextlib.suppress(TimeoutError):
                while (data := await asyncio.wait_for(call.read(), 1.0)) is not aio.EOF:
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
        channel.unary_unary(codec.BEGIN_SLOT.path)(b"\xff\xff\xff", timeout=5)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(codec.BEGIN_SLOT.path)(b"\0" * (codec.MAX_STREAM_BYTES + 1), timeout=5)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    bomb = b"\0" * (codec.MAX_STREAM_BYTES - 1)  # allowed in length: it is not even unpacked
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(codec.BEGIN_SLOT.path)(bomb, timeout=5, compression=grpc.Compression.Gzip)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    channel.close()
    process.stop()
    assert books_of(process.config).nodes == {}


def test_an_invalid_message_in_a_stream_is_refused_and_the_stream_continues(
    process: Process, kit: Any
) -> None:
    stub = kit.StubNode("n00")
    heard = say(process.address, stub.register(), b"\xff", stub.telemetry(0))
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
                await asyncio.wait_for(streams[0].read(), 5),
                await asyncio.wait_for(streams[0].read(), 5),
            ]
            stub = kit.StubNode("n00")
            await streams[1].write(stub.telemetry(0))
            heard.append(await asyncio.wait_for(streams[1].read(), 5))
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
        control.wait_for_nodes(3, 10)
        assert asyncio.run(flood()) > 0
        control.begin_slot(0, Stage.DEVELOPMENT, 10.0)
        assert len(control.end_slot(0, 10.0).settled_nodes) == 3


def test_bad_configuration_ends_with_2_and_one_line(tmp_path: Path, kit: Any) -> None:
    good = json.loads(kit.make_config(tmp_path).model_dump_json())
    cases = [
        ("not json", "JSON"),
        (json.dumps({**good, "colour": "red"}), "colour"),
        (json.dumps({**good, "policy": "nonsense"}), "no policy is called"),
        (json.dumps({**good, "zones": good["zones"][:1]}), None),
        (json.dumps({**good, "body": {**good["body"], "zone": "ZZ"}}), "no intensities"),
    ]
    for text, said in cases:
        path = tmp_path / "c.json"
        path.write_text(text)
        if said is None:
            continue
        ended = subprocess.run(
            [sys.executable, "-m", "coordinator", str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert ended.returncode == 2
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr
        assert said in json.loads(ended.stdout)["failed"]  # for the process that started it


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the parent-death signal is Linux's")
def test_coordinator_dies_with_its_parent(tmp_path: Path, kit: Any) -> None:
    path = tmp_path / "c.json"
    path.write_text(kit.make_config(tmp_path).model_dump_json())
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys\n"
            f"command = [sys.executable, '-m', 'coordinator', {str(path)!r}]\n"
            "p = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
            "sys.stdout.buffer.write(p.stdout.readline()); sys.stdout.flush(); p.wait()",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = json.loads(parent.stdout.readline())["pid"]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(200):
        if not _runs(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the coordinator outlived its parent")


def _runs(pid: int) -> bool:
    """Whether a process is alive; a zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


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


def test_start_up_imports_neither_pandas_nor_torch_nor_a_solver() -> None:
    script = (
        "import sys, coordinator.__main__, coordinator.adapters.grpc_server, coordinator.slots.service\n"
        "import coordinator.policies.registry\n"
        "print([m for m in ('pandas', 'torch', 'ray', 'flwr', 'highspy', 'pyarrow') if m in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"


def test_begin_slot_message_round_trip_is_bytes_only() -> None:
    request = BeginSlot(3, Stage.RECYCLING, 1.5)
    assert codec.BEGIN_SLOT.decode_request(codec.BEGIN_SLOT.encode_request(request)) == request
