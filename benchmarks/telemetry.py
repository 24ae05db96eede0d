"""Telemetry that is durable before it is acknowledged, beside a bare echo of the same messages over gRPC.

Claim:   durable acknowledged telemetry at least 0.5 of a bare gRPC echo in the same run; 1,000 nodes at one report
         a second without a missed lease.
Cost:    --quick a minute; otherwise four.
Command: python -m benchmarks.telemetry [--quick] [--json]

Both servers are processes of their own on loopback, and the load is one asyncio client for both: 32 messages of 182
bytes on their way a stream (benchmarks/_echo.py). The coordinator is the real one (``python -m coordinator``): each
report is checked, chained, written and synced before its acknowledgement. Turns alternate; a ratio is the median of
the turns' ratios. A missed lease: a node hears nothing for 0.8 of a lease, after which it stops working for the
coordinator, or the coordinator counts it as absent. Joules of an SD card: benchmarks/_sd_card.py.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import grpc
import psutil
from grpc import aio

from benchmarks import _echo, _sd_card
from benchmarks._command import against, measuring, parser, show
from benchmarks._echo import Load, one_each
from coordinator.config import CoordinatorBody, CoordinatorConfig, LimitsConfig, ZoneIntensity
from protos import codec
from protos.messages.runner import StatusRequest
from protos.messages.slot import Telemetry
from protos.messages.stream import Ack, Heartbeat, NodeProfile, Register, WorkProfile
from protos.messages.terms import Stage

MESSAGE_BYTES = 182
RATIO = "durable_telemetry_over_bare_echo"
MISSED = "missed_leases_of_1000_nodes"
AT_LEAST = 0.5
NODES, LEASE_S, HEARTBEAT_S, FENCE_FRACTION = 1000, 6.0, 2.0, 0.8
TURNS = (20_000, 15)
"""Messages of a turn, and turns. A turn of 8,000 is 80 messages a stream, two and a half times what may be on its way:
how it begins and ends counts for a twentieth of the rate."""
STREAMS = (1, 100)
"""The goal is held against the worst of them."""
BOOT = "boot"


class Server:
    """A server process; ``ready``: what it printed first."""

    def __init__(self, *arguments: str, log: Path) -> None:
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments], stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self._process.stdout is not None
        self.ready = json.loads(self._process.stdout.readline())

    def cpu_s(self) -> float:
        used = psutil.Process(self._process.pid).cpu_times()
        return used.user + used.system

    def memory_mb(self) -> float:
        return psutil.Process(self._process.pid).memory_info().rss / 1e6

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)


def coordinator(folder: Path, nodes: int) -> Server:
    config = CoordinatorConfig(
        run_id="telemetry",
        ledger_path=folder / "ledger.sqlite",
        policy="local",
        slot_s=3600.0,
        stages=(Stage.DEVELOPMENT,) * 4,
        node_ids=tuple(f"n{k:04d}" for k in range(nodes)),
        zones=(ZoneIntensity(zone="DE", intensity_g_per_kwh=(400.0,) * 30, origin={"source": "none"}),),
        limits=LimitsConfig(net_j_per_byte=1e-6),
        body=CoordinatorBody(
            zone="DE",
            static_w=1.0,
            joules_per_aggregated_parameter=0.0,
            joules_per_evaluated_example=0.0,
            router_w=0.0,
        ),
        tree_alpha_bits_per_token=1.0,
        heartbeat_s=HEARTBEAT_S,
        lease_s=LEASE_S,
    )
    folder.mkdir()
    (folder / "coordinator.json").write_text(config.model_dump_json())
    return Server("coordinator", str(folder / "coordinator.json"), log=folder / "coordinator.log")


def register(node: str) -> bytes:
    work = tuple(WorkProfile(stage, 1.0, 1.0, 1000) for stage in Stage if stage is not Stage.UNALLOCATED)
    profile = NodeProfile(
        zone="DE",
        static_w=2.0,
        sleep_w=0.5,
        wake_j=1.0,
        wake_s=1.0,
        tx_j_per_byte=1e-7,
        rx_j_per_byte=1e-7,
        storage_bytes=10**6,
        battery_capacity_uj=0,
        charge_efficiency_fraction=1.0,
        discharge_efficiency_fraction=1.0,
        self_discharge_fraction=0.0,
        charge_limit_w=0.0,
        discharge_limit_w=0.0,
        export_loss_fraction=0.0,
        import_loss_fraction=0.0,
        work=work,
        meter="modelled",
        provenance="modelled",
        num_examples=100,
        data_digest="0" * 64,
    )
    return codec.encode_up(Register(node, BOOT, "", profile))


def report(node: str, seq: int) -> Telemetry:
    """Telemetry of MESSAGE_BYTES, or some bytes less or more by the length of its number."""
    return Telemetry(node, BOOT, seq, 0, 0, (4_000_000_000,) * 31, (100_000,), ())


def acknowledged(answer: bytes, before: int) -> int:
    """Of the coordinator: everything up to the number in it. ``before`` is then of the same count."""
    message = codec.decode_down(answer)
    return max(before, message.seq) if isinstance(message, Ack) else before


class Reports:
    """Load on the coordinator: numbers go on from turn to turn."""

    def __init__(self, load: Load, nodes: Sequence[str]) -> None:
        self._load, self._nodes, self._sent = load, nodes, 0

    async def turn(self, count: int) -> float:
        first = self._sent
        self._sent += count
        messages = [
            [codec.encode_up(report(node, first + 1 + k)) for k in range(count)] for node in self._nodes
        ]
        answered = [lambda answer, before: max(before, acknowledged(answer, 0) - first)] * len(messages)
        return await self._load.rate(messages, answered)


async def beside_echo(folder: Path, streams: int, messages: int, turns: int) -> dict[str, float]:
    """Rates of both servers, in turns."""
    node_ids = [f"n{k:04d}" for k in range(streams)]
    real = coordinator(folder, streams)
    bare = Server("benchmarks._echo", log=folder / "echo.log")
    loads = [
        Load(real.ready["address"], codec.ATTEND.path, streams),
        Load(f"127.0.0.1:{bare.ready}", _echo.PATH, streams),
    ]
    try:
        await loads[0].open([register(node) for node in node_ids])
        reports, count = Reports(loads[0], node_ids), max(1, messages // streams)
        same = [[codec.encode_up(report(node, 1))] * count for node in node_ids]
        await reports.turn(count // 4)
        await loads[1].rate(same, [one_each] * streams)
        echoes, durable, used = [], [], 0.0
        for _ in range(turns):
            echoes.append(await loads[1].rate(same, [one_each] * streams))
            before = real.cpu_s()
            durable.append(await reports.turn(count))
            used += real.cpu_s() - before
    finally:
        for load in loads:
            await load.close()
        real.stop()
        bare.stop()
    ratios = [ours / theirs for ours, theirs in zip(durable, echoes, strict=True)]
    return {
        "echo_per_s": statistics.median(echoes),
        "durable_per_s": statistics.median(durable),
        "ratio": statistics.median(ratios),
        "cpu_ms_per_message": 1e3 * used / (turns * count * streams),
    }


class Fleet:
    """Nodes that report once a second and send heartbeats, on one channel for a hundred of them."""

    def __init__(self, address: str, nodes: int) -> None:
        self._channels: list[Any] = [
            aio.insecure_channel(address, options=_echo.OPTIONS) for _ in range(-(-nodes // 100))
        ]
        self._node_ids = [f"n{k:04d}" for k in range(nodes)]
        self.longest_silence_s = dict.fromkeys(self._node_ids, 0.0)
        self.acknowledged = 0

    async def live(self, duration_s: float) -> None:
        await asyncio.gather(
            *(
                self._node(node, self._channels[k // 100], k / len(self._node_ids), duration_s)
                for k, node in enumerate(self._node_ids)
            )
        )

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def _node(self, node: str, channel: Any, phase: float, duration_s: float) -> None:
        call = channel.stream_stream(codec.ATTEND.path)()
        await call.write(register(node))
        await call.read()
        heard, begin = time.monotonic(), time.monotonic() + phase

        async def hear() -> None:
            nonlocal heard
            while (answer := await call.read()) is not _echo.END_OF_STREAM:
                now = time.monotonic()
                self.longest_silence_s[node] = max(self.longest_silence_s[node], now - heard)
                heard = now
                self.acknowledged = self.acknowledged + (acknowledged(answer, 0) > 0)

        hearing = asyncio.ensure_future(hear())
        for second in range(int(duration_s)):
            await asyncio.sleep(max(0.0, begin + second - time.monotonic()))
            await call.write(codec.encode_up(report(node, second + 1)))
            if second % int(HEARTBEAT_S) == 0:
                await call.write(codec.encode_up(Heartbeat(node, BOOT, second + 1, time.monotonic_ns())))
        await asyncio.sleep(1.0)
        self.longest_silence_s[node] = max(self.longest_silence_s[node], time.monotonic() - heard)
        hearing.cancel()
        call.cancel()


async def thousand(folder: Path, nodes: int, duration_s: float) -> dict[str, float]:
    """Leases missed, as nodes and coordinator see them, and what the coordinator uses meanwhile."""
    server = coordinator(folder, nodes)
    fleet = Fleet(server.ready["address"], nodes)
    absent: list[int] = []

    async def watch() -> None:
        async with aio.insecure_channel(server.ready["address"], options=_echo.OPTIONS) as channel:
            ask: Any = cast(Any, channel).unary_unary(codec.GET_STATUS.path)
            came = False
            while True:
                said = codec.GET_STATUS.decode_response(
                    await ask(codec.GET_STATUS.encode_request(StatusRequest()))
                )
                came = came or len(said.live_nodes) == nodes
                if came:
                    absent.append(nodes - len(said.live_nodes))
                await asyncio.sleep(0.5)

    watching = asyncio.ensure_future(watch())
    before, began = server.cpu_s(), time.monotonic()
    try:
        await fleet.live(duration_s)
        used, lasted = server.cpu_s() - before, time.monotonic() - began
        watching.cancel()
        return {
            "missed": sum(silence > FENCE_FRACTION * LEASE_S for silence in fleet.longest_silence_s.values())
            + max(absent, default=nodes),
            "longest_silence_s": max(fleet.longest_silence_s.values()),
            "acknowledgements": fleet.acknowledged,
            "coordinator_core_fraction": used / lasted,
            "coordinator_mb": server.memory_mb(),
        }
    finally:
        watching.cancel()
        await fleet.close()
        server.stop()


def sd_card() -> dict[str, float]:
    """Commits per joule of a node's outbox, and of the ledger with few and many reports a commit."""
    one = report("n0000", 1)
    outbox = _sd_card.outbox_commit_bytes(one, 500)
    found = {
        "sd_card_outbox_bytes_per_commit": outbox,
        "sd_card_outbox_commits_per_joule": 1 / _sd_card.joules_per_commit(outbox),
    }
    for entries in (1, 100):
        written = _sd_card.ledger_commit_bytes(asdict(one), entries, 50)
        joules = _sd_card.joules_per_commit(written)
        found[f"sd_card_ledger_{entries}_reports_commits_per_joule"] = 1 / joules
        found[f"sd_card_ledger_{entries}_reports_reports_per_joule"] = entries / joules
    return found


def measure(say: Callable[[str], None], quick: bool) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "message_bytes": len(codec.encode_up(report("n0000", 100))),
        "grpc": grpc.__version__,
    }
    ratios = {}
    with tempfile.TemporaryDirectory(prefix="detabed-telemetry-") as name:
        for streams in STREAMS:
            say(f"telemetry beside an echo, {streams} streams")
            sizes = (2_000, 5) if quick else TURNS
            found = asyncio.run(beside_echo(Path(name) / f"s{streams}", streams, *sizes))
            figures |= {f"{key}_{streams}_streams": value for key, value in found.items()}
            ratios[streams] = found["ratio"]
        say(f"{NODES} nodes, a report a second each")
        found = asyncio.run(thousand(Path(name) / "thousand", NODES, 15 if quick else 60))
        figures |= {f"{key}_{NODES}_nodes": value for key, value in found.items()}
        missed = found["missed"]
    say("commits on a simulated SD card")
    figures |= sd_card()
    goals = against({RATIO: AT_LEAST}, {RATIO: min(ratios.values())}, ">=")
    return {"figures": figures, "goals": goals | against({MISSED: 0}, {MISSED: missed}, "<=")}


if __name__ == "__main__":
    options = parser(__doc__, "fewer messages and turns, 15 s in place of 60 s of 1,000 nodes").parse_args()
    show(measuring(lambda say: measure(say, options.quick)), options.json)
