"""Messages of a model in parts, to nodes behind the ClientApp."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict

from edge_node.adapters.flower_client import build_client_app
from edge_node.adapters.flower_parts import arrays_in, record_of
from edge_node.adapters.flower_private import bind_identity
from edge_node.adapters.flower_records import from_record, to_record
from edge_node.config import HarvestConfig, NodeConfig, PartsConfig, TaskConfig
from edge_node.energy.boards import load_board
from edge_node.slots.link import LocalLink
from edge_node.tasks.build import build_workload
from edge_node.tasks.registry import find_task
from experiments.fleet.nodes import build_node
from protos.messages.slot import Decision
from protos.messages.stream import Welcome
from protos.messages.terms import Stage

MODEL = find_task("mnist-mlp").initial_parameters(0)
LOWER = {name: MODEL[name] for name in ("hidden.weight", "hidden.bias")}
UPPER = {name: MODEL[name] for name in ("output.weight", "output.bias")}


class Alone:
    """One node that serves itself; the test plays coordinator and runner."""

    def __init__(self, own: int = 2) -> None:
        bind_identity(1)
        config = NodeConfig(
            run_id="test",
            node_id="n0",
            index=0,
            zone="FR",
            seed=0,
            slot_s=60.0,
            stages=(Stage.DEVELOPMENT,),
            board=load_board("raspberry-pi-4b").config(),
            harvest=HarvestConfig(power_w=(0.0,)),
            task=TaskConfig(
                name="mnist-mlp",
                batch_size=16,
                batches_per_slot=2,
                learning_rate=0.1,
                partitions=1,
                partition_index=0,
                parts=PartsConfig(kind="split", server="n0", server_index=0, cut="relu"),
            ),
        )
        self.link = LocalLink(build_node(config), {}, boot_id="boot")
        self.link.register()
        self.link.receive(Welcome("test", 1, 1.0, 3.0, 0))
        self.link.receive(Decision("n0", 1, 0, Stage.DEVELOPMENT, True, own, (), (), 0, 0, 0, deadline_s=1.0))
        self.app = build_client_app({"n0": self.link})

    def ask(self, kind: str, do: str, records=None, **config) -> Message:
        config = ConfigRecord({"do": do, "slot": 0, "deadline-s": 0.5, **config})
        message = Message(RecordDict({"config": config, **(records or {})}), 2, kind)
        return self.app(message, Context(1, 2, {"node-id": "n0"}, RecordDict(), {}))


def test_a_round_over_messages_is_a_round_of_the_whole_model() -> None:
    node = Alone()
    node.ask("query.upper", "begin", {"arrays": to_record(UPPER)}, nodes=["n0"])
    reply = node.ask("query.lower", "begin", {"arrays": to_record(LOWER)})
    while not reply.content["metrics"]["done"]:
        answer = node.ask("query.upper", "answer", {"n0": reply.content["arrays"]})
        reply = node.ask("query.lower", "go-on", {"arrays": answer.content["n0"]})
    rest = node.ask("query.upper", "end").content["n0"]
    task = node.link.node.config.task
    workload = build_workload(task.model_copy(update={"parts": None}))
    expected = workload.train(MODEL, [workload.batch(k, Stage.DEVELOPMENT) for k in (0, 1)], {})
    found = {**from_record(reply.content["arrays"]), **from_record(rest)}
    for name, array in expected.parameters.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-6)
    assert (reply.content["metrics"]["num-examples"], reply.content["metrics"]["batches"]) == (32, 2)


def test_a_node_without_work_has_nothing_to_tell() -> None:
    metrics = Alone(own=0).ask("query.lower", "begin", {"arrays": to_record(LOWER)}).content["metrics"]
    assert (metrics["done"], metrics["num-examples"]) == (1, 0)


def test_what_cannot_be_answered_is_an_error_with_its_reason() -> None:
    node = Alone()
    assert "serves no node" in node.ask("query.upper", "answer").error.reason
    early = node.ask("query.lower", "go-on", {"arrays": to_record(LOWER)})
    assert "no work under way" in early.error.reason


def test_arrays_travel_as_they_are() -> None:
    arrays = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "y": np.array([1, 2])}
    found = arrays_in(record_of(arrays))
    assert all(
        found[name].dtype == array.dtype and (found[name] == array).all() for name, array in arrays.items()
    )
    with pytest.raises(ValueError, match="npy"):
        arrays_in({"x": type("Broken", (), {"data": b"none"})()})
