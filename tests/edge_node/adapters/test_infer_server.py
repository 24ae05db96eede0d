"""Outside clients on loopback: real model, real gRPC; answers, books, and floods of hostile clients."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.adapters.infer_server import MAX_CONNECTIONS, MAX_STREAMS, WINDOW_BYTES
from edge_node.build import build_node
from edge_node.config import InferenceConfig, NodeConfig, TaskConfig
from edge_node.serving.client import InferClient, InferError
from edge_node.serving.tensors import to_arrays, to_tensors
from edge_node.slots.node import EdgeNode
from edge_node.tasks.registry import find_task
from protos.codec import INFER, MAX_INFER_BYTES
from protos.messages.inference import InferRequest
from protos.messages.slot import UserTraffic
from protos.messages.terms import Component, Stage
from tests.edge_node.application_slot import advance, config, decide, energies, finish, images

STAGES = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.DEVELOPMENT)
MakeConfig = Callable[..., NodeConfig]
PROCESS = Path(__file__).with_name("serving_process.py")
WAIT_S = 60.0
STUBBORN = 4
HELD_BYTES = (MAX_STREAMS + 1) * 2 * MAX_INFER_BYTES + MAX_CONNECTIONS * WINDOW_BYTES
"""Memory that the limits allow at once: for every stream a message as received and as read, and the data that every
connection may send ahead."""
GROWTH_BYTES = 4 * HELD_BYTES
"""What all floods together may add to the process. How much of it is the allocator's slack depends on how busy the
machine is; a server that unpacks or keeps all messages takes several times more."""
LONG_BYTES = 200_000_000
"""A flood goes on until it has delivered as much again."""


class ServingProcess:
    """A serving node, and its largest memory use."""

    def __init__(self, config: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(PROCESS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(config + "\n")
        self._process.stdin.flush()
        self.address = self._process.stdout.readline().strip()
        assert self.address, "the process did not start"
        with InferClient(self.address) as client:  # everything that is imported late is there afterwards
            list(client.stream([pictures(64)] * 20))
        self.before_bytes = self.peak_bytes()

    def peak_bytes(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))

    def growth_bytes(self) -> int:
        return self.peak_bytes() - self.before_bytes

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(WAIT_S)
        self._process.kill()


@pytest.fixture(scope="module")
def serving(make_config: Callable[..., Any]) -> Iterator[ServingProcess]:
    config = make_config(
        0,
        stages=(Stage.APPLICATION, Stage.APPLICATION),
        task=TaskConfig(
            name="mnist-mlp",
            data="digits",
            batch_size=8,
            batches_per_slot=1,
            learning_rate=0.1,
            partitions=1,
            partition_index=0,
        ),
        inference=InferenceConfig(batches_per_slot=1, requests_per_batch=64, max_wait_s=0.01),
    )
    process = ServingProcess(config.model_dump_json())
    try:
        yield process
    finally:
        process.close()


def pictures(count: int) -> dict[str, np.ndarray]:
    return {"images": np.random.default_rng(0).integers(0, 256, (count, 1, 28, 28)).astype(np.uint8)}


def request(arrays: dict[str, np.ndarray]) -> bytes:
    return INFER.encode_request(InferRequest("r", "", to_tensors(arrays)))


def field(number: int, content: bytes) -> bytes:
    """One length-delimited field of a protobuf."""
    length, written = len(content), bytearray()
    while length >= 0x80:
        written.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2, *written, length]) + content


LARGEST = request({"images": np.zeros((MAX_INFER_BYTES - 4096,), np.uint8)})
TINY_TENSORS = b"\x1a\x00" * (MAX_INFER_BYTES // 2)
"""Field 3, empty, over a hundred thousand times."""
LONG_SHAPE = field(
    3, field(1, b"images") + field(2, b"uint8") + field(3, b"\x81\x01" * (MAX_INFER_BYTES // 2 - 99))
)
"""A tensor of over a hundred thousand axes."""
BEYOND = bytes(16 * MAX_INFER_BYTES)
"""Within the limits of a parcel from a peer, not of a request from an outside client."""
BOMB = bytes(200 * MAX_INFER_BYTES)
"""Compressed: a fifth of the limit of an outside client."""


def flood(address: str, messages: list[bytes], compression: grpc.Compression | None, clients: int) -> None:
    """``clients`` connections at once, each sending all ``messages`` on a stream of its own."""

    def send(_: int) -> None:
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1))
        with grpc.insecure_channel(address, options=options) as channel:
            call = channel.stream_stream(INFER.path)(iter(messages), timeout=20, compression=compression)
            with contextlib.suppress(grpc.RpcError):
                list(call)

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(send, range(clients)))


def assert_others_are_served(address: str) -> None:
    """A client is answered. What a flood left open in the server's queue is closed after its clients are gone, and
    until then a connection too many is closed as it should be: who is turned away asks again."""
    until_s = time.monotonic() + WAIT_S
    while True:
        try:
            with InferClient(address) as client:
                assert client.ask(pictures(3)).tensors[0].shape == (3,)
            return
        except InferError as error:
            if error.code != "UNAVAILABLE" or time.monotonic() > until_s:
                raise
        time.sleep(0.1)


def test_answers_are_those_of_the_model_and_come_in_order(host: GrpcHost, node: EdgeNode) -> None:
    asked = [images(1 + k % 3, seed=k) for k in range(20)]
    with InferClient(host.infer_address) as client:
        answers = list(client.stream(asked))
    assert len(answers) == len(asked)
    for request, answer in zip(asked, answers, strict=True):
        direct = node.answer(request).arrays
        given = to_arrays(answer.tensors)
        assert np.array_equal(given["classes"], direct["classes"])
        assert np.allclose(given["confidence"], direct["confidence"], atol=1e-5)
        assert (answer.tokens_in, answer.tokens_out) == (0, 0)  # a class is an answer, not a token
        assert answer.node_id == "n0"
        assert len(request["images"]) <= answer.batch_examples <= 8


def test_what_outsiders_had_answered_is_booked_in_the_running_slots_application_lines(
    host: GrpcHost, node: EdgeNode, make_config: MakeConfig
) -> None:
    silent = build_node(config(make_config))
    advance(silent, 0)
    expected = advance(silent, 1)
    with InferClient(host.infer_address) as client:
        list(client.stream([images(2, seed=k) for k in range(5)]))
    usage = finish(node, 1)
    assert usage.outside is not None
    assert (usage.outside.requests, usage.outside.tokens_out) == (10, 0)
    assert usage.serving == expected.serving  # the slot's own latencies do not change
    before, after = energies(expected, Stage.APPLICATION), energies(usage, Stage.APPLICATION)
    board, flop = node.config.board, 10 * find_task("mnist-mlp").serve_flop()
    joules = flop / board.effective_flop_per_s * (board.busy_w - board.static_w)
    assert after[Component.COMPUTE] - before[Component.COMPUTE] == pytest.approx(joules * 1e6, abs=1.0)
    received_uj = after[Component.RADIO_RX] - before[Component.RADIO_RX]
    assert received_uj == pytest.approx(10 * 784 * board.rx_j_per_byte * 1e6, abs=1.0)
    # An answer has 8 B of class and 4 B of confidence; bits counted are those that travelled.
    sent_uj = after[Component.RADIO_TX] - before.get(Component.RADIO_TX, 0)
    assert sent_uj == pytest.approx(10 * 12 * board.tx_j_per_byte * 1e6, abs=1.0)
    (traffic,) = (each for each in usage.users if each.outside)
    assert traffic == UserTraffic("n0", Stage.APPLICATION, 10 * 784, 10 * 12, outside=True)
    assert usage.outside.bits == 8 * (traffic.up_bytes + traffic.down_bytes)
    assert sum(line.energy_uj for line in usage.lines) > sum(line.energy_uj for line in expected.lines)

    # In a slot meant for training, answers are application lines all the same.
    decide(node, 2, work=False)
    with InferClient(host.infer_address) as client:
        client.ask(images(3))
    training = finish(node, 2)
    assert energies(training, Stage.APPLICATION)[Component.COMPUTE] > 0
    assert sum(part.requests for part in training.served) == 3
    assert training.users == (UserTraffic("n0", Stage.APPLICATION, 3 * 784, 3 * 12, outside=True),)


def test_texts_are_continued_and_tokens_counted_apart(host: GrpcHost, make_config: MakeConfig) -> None:
    made = build_node(config(make_config, task="tiny-gpt", requests_per_batch=2))
    GrpcLink(made, host, "127.0.0.1:1")
    advance(made, 0, work=False)
    decide(made, 1)
    with InferClient(host.infer_address) as client:
        answers = list(
            client.stream([{"tokens": np.frombuffer(text, np.uint8)[None]} for text in (b"def f(", b"class")])
        )
    assert [(answer.tokens_in, answer.tokens_out) for answer in answers] == [(7, 16), (6, 16)]
    assert to_arrays(answers[0].tensors)["tokens"].shape == (1, 16)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read in /proc")
@pytest.mark.parametrize(
    ("messages", "compression", "clients"),
    [
        ([LARGEST] * 4, None, 96),
        ([TINY_TENSORS], None, 40),
        ([LONG_SHAPE], None, 40),
        ([BEYOND], None, 40),
        ([BOMB], grpc.Compression.Gzip, 4),
    ],
    ids=["largest", "many-tensors", "long-shape", "beyond-the-limit", "compression-bomb"],
)
def test_a_flood_costs_a_bounded_amount_of_memory_and_others_are_served(
    serving: ServingProcess, messages: list[bytes], compression: grpc.Compression | None, clients: int
) -> None:
    flood(serving.address, messages, compression, clients)
    short_bytes = serving.growth_bytes()
    assert short_bytes < GROWTH_BYTES
    delivered = 0
    while delivered < LONG_BYTES:
        flood(serving.address, messages, compression, clients)
        delivered += clients * sum(map(len, messages))
    assert serving.growth_bytes() - short_bytes < LONG_BYTES / 4
    assert_others_are_served(serving.address)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read in /proc")
def test_a_client_that_reads_no_answers_is_not_read_any_further(serving: ServingProcess) -> None:
    """Valid requests as fast as possible on every stream; no client reads an answer."""
    data, sent, lock = request(pictures(64)), [0], threading.Lock()
    stop = threading.Event()

    def endless() -> Iterator[bytes]:
        while not stop.is_set():
            with lock:
                sent[0] += 1
            yield data

    with contextlib.ExitStack() as stack:
        calls = []
        for _ in range(STUBBORN):
            options = (("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0))
            channel = stack.enter_context(grpc.insecure_channel(serving.address, options=options))
            calls.append(channel.stream_stream(INFER.path)(endless(), timeout=WAIT_S))
        count = -1
        while count != sent[0]:  # until nothing more is taken
            count = sent[0]
            time.sleep(0.5)
        stop.set()
        assert serving.growth_bytes() < GROWTH_BYTES
        for call in calls:
            call.cancel()
    assert_others_are_served(serving.address)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read in /proc")
def test_more_connections_than_allowed_are_closed_and_cost_little(serving: ServingProcess) -> None:
    host, port = serving.address.rsplit(":", 1)
    opened = [socket.create_connection((host, int(port)), WAIT_S) for _ in range(8 * MAX_CONNECTIONS)]
    for connection in opened:
        connection.close()
    assert serving.growth_bytes() < GROWTH_BYTES
    assert_others_are_served(serving.address)
