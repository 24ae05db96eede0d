"""What mutual TLS costs the servers of a run: CPU per message with certificates, and with a run's secret on loopback.

Both servers run side by side and take turns; every ratio is the median of the turns' ratios. *stream*: heartbeats of
ten nodes, a connection each, a millisecond apart: the smallest message there is, so that TLS weighs most. *control*:
the runner's GetStatus. *parcel*: batch transfers of 64 KiB (and, as a figure, of 1 MiB). The goal is held against the
worst of the three. A handshake, once a connection, is a figure of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
import psutil

from edge_node.adapters.batch_transfer import PeerServer, head_metadata
from edge_node.build import build_node
from experiments.fleet.run_access import RunAccess, run_access
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from protos import codec
from protos.access.calls import Calls
from protos.access.config import COORDINATOR, Access
from protos.access.guard import Guard
from protos.messages.parcels import Parcel, Receipt, Tensor
from protos.messages.runner import StatusRequest
from protos.messages.stream import Heartbeat, Welcome

SCENARIO = """name = "boards"
policy = "local"
[task]
name = "none"
[time]
start = 2022-06-21T00:00:00Z
[demand]
kind = "constant"
peak_w = 1.5
[stages]
preparation = 0
development = 2
application = 0
recycling = 0
[fleet]
kind = "inprocess"
[[nodes]]
zone = "DE"
count = 10
"""
GOAL = "mutual_tls_over_plaintext_server_cpu_per_message"
AT_MOST = 1.3
BOOT, WAIT_S = "boot", 120.0
PACE_S = 0.001
WARM_UP = 5
OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", 2 << 20))


@dataclass(frozen=True)
class Server:
    """A server process, and what its callers show."""

    process: psutil.Process
    address: str
    nodes: Access
    runner: Access

    def cpu_s(self) -> float:
        """Of all its threads, so far."""
        if sys.platform.startswith("linux"):  # the process's own clock (clock_getcpuclockid), in nanoseconds
            return time.clock_gettime((~self.process.pid << 3) | 2)
        times = self.process.cpu_times()
        return float(times.user + times.system)


def registrations() -> dict[str, bytes]:
    """First message of every node's stream."""
    resolved = resolve(parse_scenario(SCENARIO))
    configs = resolved.node_configs("bench", "", with_harvest=True)
    return {
        config.node_id: codec.encode_up(build_node(config).register(BOOT, "127.0.0.1:1"))
        for config in configs
    }


@contextlib.contextmanager
def accesses(folder: Path, nodes: list[str]) -> Iterator[dict[str, RunAccess]]:
    """As a run on loopback has it, and as one beyond it has it."""
    with contextlib.ExitStack() as stack:
        found = {}
        for name, host in (("plain", "127.0.0.1"), ("tls", "0.0.0.0")):
            (folder / name).mkdir()
            found[name] = stack.enter_context(run_access(folder / name, host, nodes, insecure=False))
        yield found


@contextlib.contextmanager
def coordinator(folder: Path, access: RunAccess) -> Iterator[Server]:
    """A coordinator's process on loopback."""
    config = resolve(parse_scenario(SCENARIO)).coordinator_config("bench", folder / "ledger.sqlite")
    config = config.model_copy(update={"access": access.coordinator, "lease_s": 3600.0})
    path = folder / "coordinator.json"
    path.write_text(config.model_dump_json(), encoding="utf-8")
    with started([sys.executable, "-m", "coordinator", str(path)]) as (process, ready):
        yield Server(process, ready["address"], access.nodes, access.runner)


@contextlib.contextmanager
def node_host(access: RunAccess) -> Iterator[Server]:
    """A process with the servers of nodes, and no node: it refuses every parcel after it has read it."""
    with started([sys.executable, "-m", "benchmarks._tls", str(access.nodes.model_dump_json())]) as (
        process,
        ready,
    ):  # fmt: skip
        yield Server(process, ready["address"], access.nodes, access.runner)


def serve_node_host(access: str) -> None:
    """What ``node_host`` runs; ends with its standard input. It takes every parcel."""
    asyncio.run(_take_parcels(Guard(Access.model_validate_json(access))))


async def _take_parcels(guard: Guard) -> None:
    server = PeerServer(lambda head: None, lambda parcel: Receipt(True, 0), guard)
    print(json.dumps({"address": await server.start("127.0.0.1", 0)}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[tuple[psutil.Process, dict[str, Any]]]:
    """A process and its first line of JSON; it is ended with the block."""
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert child.stdout is not None
        yield psutil.Process(child.pid), json.loads(child.stdout.readline())
    finally:
        child.kill()
        child.wait(WAIT_S)


class NodeStream:
    """A node's stream, written one message at a time."""

    def __init__(self, channel: grpc.Channel, metadata: Any) -> None:
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        call: Any = cast(Any, channel).stream_stream(codec.ATTEND.path)
        self._answers = call(iter(self._out.get, None), metadata=metadata)

    def say(self, data: bytes) -> None:
        self._out.put(data)

    def hear(self, kind: type) -> None:
        """Read on until an answer is one of ``kind``."""
        while not isinstance(codec.decode_down(next(self._answers)), kind):
            pass

    def close(self) -> None:
        self._out.put(None)
        self._answers.cancel()


class Callers:
    """Nodes and the runner of one way, connected to its servers."""

    def __init__(self, center: Server, peer: Server, registers: dict[str, bytes]) -> None:
        self.center, self.peer = center, peer
        self._as_node, self._as_runner = Calls(center.nodes), Calls(center.runner)
        self._open = contextlib.ExitStack()
        self._runner = self._channel(self._as_runner, center.address, COORDINATOR)
        self._owner, self._executor = list(registers)[:2]
        self._deliver = self._channel(self._as_node, peer.address, self._executor)
        before = center.cpu_s()
        self._streams: dict[str, NodeStream] = {}
        for node, register in registers.items():
            channel = self._channel(self._as_node, center.address, COORDINATOR)
            self._streams[node] = stream = NodeStream(channel, self._as_node.metadata)
            self._open.callback(stream.close)
            stream.say(register)
            stream.hear(Welcome)
        self.connection_s = (center.cpu_s() - before) / len(registers)
        """Handshake and registration of one node."""

    def close(self) -> None:
        self._open.close()

    def heartbeats(self, each: int) -> None:
        """One after the other, as they come from boards: each is read by itself."""
        for _ in range(each):
            for node, stream in self._streams.items():
                stream.say(codec.encode_up(Heartbeat(node, BOOT, 1, 1)))
                time.sleep(PACE_S)

    def status_calls(self, count: int) -> None:
        data = codec.GET_STATUS.encode_request(StatusRequest())
        call: Any = cast(Any, self._runner).unary_unary(codec.GET_STATUS.path)
        for _ in range(count):
            call(data, timeout=WAIT_S, metadata=self._as_runner.metadata)

    def parcels(self, size: int, count: int) -> None:
        tensor = Tensor("x", "uint8", (size,), bytes(size))
        parcel = Parcel("bench", 1, 0, self._owner, self._executor, (1,), (tensor,), (size,))
        data = codec.DELIVER.encode_request(parcel)
        call: Any = cast(Any, self._deliver).unary_unary(codec.DELIVER.path)
        metadata = (*self._as_node.metadata, *head_metadata(parcel))
        for _ in range(count):
            call(data, timeout=WAIT_S, metadata=metadata)

    def _channel(self, calls: Calls, address: str, name: str) -> grpc.Channel:
        return self._open.enter_context(calls.channel(address, name, OPTIONS))


@dataclass(frozen=True)
class Kind:
    """A kind of message: sends ``count`` of them, and which server reads them."""

    count: int
    send: Callable[[Callers], None]
    server: Callable[[Callers], Server]


KINDS = {
    "stream": Kind(30, lambda callers: callers.heartbeats(3), lambda callers: callers.center),
    "control": Kind(20, lambda callers: callers.status_calls(20), lambda callers: callers.center),
    "parcel": Kind(20, lambda callers: callers.parcels(64 * 1024, 20), lambda callers: callers.peer),
    "parcel_1_mib": Kind(5, lambda callers: callers.parcels(1024 * 1024, 5), lambda callers: callers.peer),
}


def in_turns(kind: Kind, callers: dict[str, Callers], turns: int) -> dict[str, list[float]]:
    """CPU seconds per message by way, one value a turn. Turns are short: what else the machine does meets both ways."""
    ways = list(callers)
    taken: dict[str, list[float]] = {way: [] for way in ways}
    before = {way: kind.server(callers[way]).cpu_s() for way in ways}
    for turn in range(turns + WARM_UP):
        for way in ways if turn % 2 else reversed(ways):
            kind.send(callers[way])
        for way in ways:
            now = kind.server(callers[way]).cpu_s()
            if turn >= WARM_UP:
                taken[way].append((now - before[way]) / kind.count)
            before[way] = now
    return taken


def measure(quick: bool, say: Callable[[str], None]) -> dict[str, dict[str, list[float]]]:
    """CPU seconds by kind of message and way."""
    registers = registrations()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        callers: dict[str, Callers] = {}
        for way, access in stack.enter_context(accesses(folder, list(registers))).items():
            center = stack.enter_context(coordinator(folder / way, access))
            peer = stack.enter_context(node_host(access))
            callers[way] = Callers(center, peer, registers)
            stack.callback(callers[way].close)
        taken = {"connection": {way: [caller.connection_s] for way, caller in callers.items()}}
        for name, kind in KINDS.items():
            say(f"{name}, with and without TLS")
            taken[name] = in_turns(kind, callers, 150 if quick else 600)
    return taken


def judged(taken: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Figures in microseconds of CPU, medians of the turns' ratios, and the goal."""
    figures: dict[str, Any] = {}
    ratios: dict[str, float] = {}
    for kind, ways in taken.items():
        for way, seconds in ways.items():
            figures[f"{kind}_{way}_cpu_us"] = 1e6 * statistics.median(seconds)
        ratios[kind] = statistics.median(
            tls / plain for tls, plain in zip(ways["tls"], ways["plain"], strict=True)
        )
        figures[f"{kind}_tls_over_plain"] = ratios[kind]
    worst = max(ratios[kind] for kind in ("stream", "control", "parcel"))
    goal = {"op": "<=", "goal": AT_MOST, "value": worst, "met": worst <= AT_MOST}
    return {"figures": figures, "goals": {GOAL: goal}}


if __name__ == "__main__":
    serve_node_host(sys.argv[1])
