"""Outside clients on loopback: real model, real gRPC; answers, shared batches, books, refusals."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest

from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.build import build_node
from edge_node.config import InferenceConfig, NodeConfig, TaskConfig
from edge_node.serving.answers import TaskAnswers
from edge_node.serving.client import InferClient, InferError, run_infer_client
from edge_node.serving.port import Answered
from edge_node.serving.tensors import to_arrays, to_tensors
from edge_node.slots.errors import NoModel
from edge_node.slots.node import EdgeNode
from edge_node.tasks.evaluation import initial_parameters
from edge_node.tasks.registry import find_task
from edge_node.workload import Arrays, Parameters
from protos.codec import INFER, MAX_INFER_BYTES, ProtocolError
from protos.messages.inference import InferRequest
from protos.messages.slot import CloseSlot, Decision, EnergyGrant, Usage, UserTraffic
from protos.messages.stream import Welcome
from protos.messages.terms import Component, Stage

STAGES = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.DEVELOPMENT)
MakeConfig = Callable[..., NodeConfig]


def config(make_config: MakeConfig, task: str = "mnist-mlp", index: int = 0, **inference: Any) -> NodeConfig:
    values = {"batches_per_slot": 1, "requests_per_batch": 8, "max_wait_s": 0.2, **inference}
    data = "digits" if task.startswith("mnist") else "pydoc"
    return make_config(
        index,
        stages=STAGES,
        task=TaskConfig(
            name=task,
            data=data,
            batch_size=8,
            batches_per_slot=1,
            learning_rate=0.1,
            partitions=3,
            partition_index=0,
        ),
        inference=InferenceConfig(**values),
    )


def advance(node: EdgeNode, slot: int, work: bool = True) -> Usage:
    """Go through one slot as the coordinator would have it; returns what was reported."""
    decide(node, slot, work)
    return finish(node, slot)


def decide(node: EdgeNode, slot: int, work: bool = True) -> None:
    if slot == 0 and node.slot < 0:
        node.register(f"boot-{node.node_id}")
        node.on_welcome(Welcome("run", 1, 1.0, 5.0, 0))
    node.on_decision(Decision(node.node_id, 1, slot, STAGES[slot], True, int(work), (), (), 0, 0, 0, 9.0))
    if work:
        node.execute(initial_parameters(node.config.task.name, 0))


def finish(node: EdgeNode, slot: int) -> Usage:
    return finish_at(node, slot, 1)


def finish_at(node: EdgeNode, slot: int, epoch: int) -> Usage:
    usage = node.close(CloseSlot(epoch, slot))
    node.on_grant(EnergyGrant(node.node_id, epoch, slot, 0, 0))
    return usage


def energies(usage: Usage, stage: Stage) -> dict[Component, int]:
    return {line.component: line.energy_uj for line in usage.lines if line.stage is stage}


def images(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    test = find_task("mnist-mlp").dataset("digits").test["images"]
    return {"images": test[np.random.default_rng(seed).integers(0, len(test), count)]}


@pytest.fixture
def host() -> Iterator[GrpcHost]:
    with GrpcHost() as running:
        yield running


@pytest.fixture
def node(host: GrpcHost, make_config: MakeConfig) -> EdgeNode:
    """In its application slot, with a model."""
    made = build_node(config(make_config))
    GrpcLink(made, host, "127.0.0.1:1")
    advance(made, 0)
    decide(made, 1)
    return made


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


def test_callers_share_a_batch(host: GrpcHost, node: EdgeNode) -> None:
    """Eight clients of one image each fill a batch of eight long before its waiting time is over."""
    begin = threading.Barrier(8)

    def ask(k: int) -> int:
        with InferClient(host.infer_address) as client:
            begin.wait()
            return client.ask(images(1, seed=k)).batch_examples

    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(ask, range(8)))
    assert max(sizes) > 1


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


def test_answers_between_two_slots_are_booked_in_the_next(
    node: EdgeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, answer = threading.Event(), TaskAnswers.answer

    def tell(self: TaskAnswers, parameters: Parameters, arrays: Arrays) -> Answered:
        try:
            return answer(self, parameters, arrays)
        finally:
            answered.set()

    monkeypatch.setattr(TaskAnswers, "answer", tell)
    first = node.close(CloseSlot(1, 1))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(node.answer, images(4))
        assert answered.wait(30)
        node.on_grant(EnergyGrant("n0", 1, 1, 0, 0))
        assert len(waiting.result(30).arrays["classes"]) == 4
    second = advance(node, 2, work=False)
    assert first.outside is None
    assert second.outside is not None
    assert second.outside.requests == 4
    assert energies(second, Stage.APPLICATION)[Component.COMPUTE] > 0


def test_before_the_first_model_and_after_the_run_clients_are_refused(
    host: GrpcHost, make_config: MakeConfig
) -> None:
    made = build_node(config(make_config))
    GrpcLink(made, host, "127.0.0.1:1")
    decide(made, 0, work=False)
    with InferClient(host.infer_address) as client:
        with pytest.raises(InferError, match="no global model yet") as refused:
            client.ask(images(1))
        assert refused.value.code == "FAILED_PRECONDITION"
        made.on_decision(Decision("n0", 2, 0, STAGES[0], True, 1, (), (), 0, 0, 0, 9.0))
        made.execute(initial_parameters("mnist-mlp", 0))
        assert client.ask(images(1)).batch_examples == 1  # while others still train
        usage = made.close(CloseSlot(2, 0))
        assert usage.outside is not None
        assert energies(usage, Stage.APPLICATION)[Component.COMPUTE] > 0
        made.on_grant(EnergyGrant("n0", 2, 0, 0, 0))
        made.on_decision(Decision("n0", 2, 1, STAGES[1], True, 1, (), (), 0, 0, 0, 9.0))
        made.execute(initial_parameters("mnist-mlp", 0))
        finish_at(made, 1, 2)
        assert client.ask(images(1)).batch_examples == 1
        made.on_decision(Decision("n0", 2, 2, STAGES[2], True, 0, (), (), 0, 0, 0, 9.0))
        finish_at(made, 2, 2)
        with pytest.raises(InferError, match="is over"):
            client.ask(images(1))
    with pytest.raises(NoModel):
        made.answer(images(1))


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


def test_the_command_says_how_it_went(host: GrpcHost, node: EdgeNode) -> None:
    said = run_infer_client(host.infer_address, data="digits", count=40, batch=4)
    assert said["answered"] == said["requests"] == 10
    assert (said["tokens_out"], said["examples"]) == (0, 40)
    assert 0.0 <= said["accuracy_fraction"] <= 1.0
    assert said["queue_p50_s"] <= said["queue_p95_s"] <= said["queue_p99_s"]
    with pytest.raises(ValueError, match="allowed are"):
        run_infer_client(host.infer_address, data="cats")


def test_nodes_of_one_address_are_told_apart(host: GrpcHost, node: EdgeNode, make_config: MakeConfig) -> None:
    other = build_node(config(make_config, index=1))
    GrpcLink(other, host, "127.0.0.1:1")
    with InferClient(host.infer_address) as client, pytest.raises(InferError, match="n0, n1") as several:
        client.ask(images(1))
    assert several.value.nodes == ("n0", "n1")
    with InferClient(host.infer_address, node_id="n7") as client, pytest.raises(InferError) as unknown:
        client.ask(images(1))
    assert unknown.value.nodes == ()
    with InferClient(host.infer_address, node_id="n0") as client:
        assert client.ask(images(1)).node_id == "n0"


def test_the_command_asks_one_of_several_nodes_and_says_which(
    host: GrpcHost, node: EdgeNode, make_config: MakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.cli import invoke

    GrpcLink(build_node(config(make_config, index=1)), host, "127.0.0.1:1")
    assert invoke(["infer", host.infer_address, "--count", "2", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["node_id"] == "n0"
    assert "n0, n1; asking n0" in said.err
    assert invoke(["infer", host.infer_address, "--node", "n0", "--count", "2"]) == 0
    assert "asking" not in capsys.readouterr().err


class Bomb:
    """Leaves a mark if it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("unpickled",))


def raw(address: str, *messages: bytes) -> grpc.StatusCode:
    with grpc.insecure_channel(address) as channel:
        call = channel.stream_stream(INFER.path)(iter(messages), timeout=20)
        with pytest.raises(grpc.RpcError) as error:
            list(call)
        return error.value.code()


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Bomb()),
        b"\x00" * 100,
        b"\xff" * 1_000,
        b"",
        bytes(MAX_INFER_BYTES + 1),
        INFER.encode_request(
            InferRequest("r", "n0", to_tensors({"images": np.zeros((1, 1, 28, 28), np.float64)}))
        ),
        INFER.encode_request(InferRequest("r", "n0", to_tensors({"images": np.zeros((1, 3), np.uint8)}))),
        INFER.encode_request(
            InferRequest("r", "n0", to_tensors({"images": np.zeros((9, 1, 28, 28), np.uint8)}))
        ),
        INFER.encode_request(InferRequest("r", "n0", to_tensors({"object": np.zeros((1, 784), np.uint8)}))),
    ],
    ids=["pickle", "zeros", "ones", "empty", "too-long", "dtype", "shape", "too-many", "name"],
)
def test_hostile_payloads_are_refused_and_the_next_client_is_served(
    host: GrpcHost, node: EdgeNode, data: bytes
) -> None:
    assert raw(host.infer_address, data) is grpc.StatusCode.INVALID_ARGUMENT
    with InferClient(host.infer_address) as client:
        assert client.ask(images(1)).batch_examples == 1


def test_a_tensor_that_claims_more_than_it_holds_is_refused(host: GrpcHost, node: EdgeNode) -> None:
    """Shape and bytes disagree by a factor of a billion: refused before anything is allocated."""
    good = INFER.encode_request(InferRequest("r", "n0", to_tensors(images(1))))
    huge = good.replace(bytes([1, 1, 28, 28]), b"\xff\xff\xff\x7f")
    assert huge != good
    assert raw(host.infer_address, huge) is grpc.StatusCode.INVALID_ARGUMENT


def test_a_client_cannot_send_what_a_server_would_refuse(host: GrpcHost, node: EdgeNode) -> None:
    with InferClient(host.infer_address) as client, pytest.raises(ProtocolError, match="bytes"):
        client.ask({"images": np.zeros((2_000, 1, 28, 28), np.uint8)})


def test_callers_that_leave_do_not_disturb_others(host: GrpcHost, node: EdgeNode) -> None:
    for seed in range(5):
        with InferClient(host.infer_address) as leaver:
            stream = leaver.stream([images(1, seed=k) for k in range(seed, seed + 20)])
            next(stream)
    with InferClient(host.infer_address) as client:
        assert len(list(client.stream([images(2, seed=k) for k in range(10)]))) == 10
