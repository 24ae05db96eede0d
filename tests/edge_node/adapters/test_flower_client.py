import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict

from edge_node.adapters.flower_client import build_client_app
from edge_node.adapters.flower_private import bind_identity
from edge_node.adapters.flower_records import from_record, to_record
from edge_node.config import BatteryConfig, HarvestConfig, InferenceConfig, NodeConfig, TaskConfig
from edge_node.energy.boards import load_board
from edge_node.slots.link import LocalLink
from edge_node.tasks.build import build_workload
from edge_node.tasks.evaluation import initial_parameters
from experiments.fleet.nodes import build_node
from protos.messages.slot import CloseSlot, Decision, EnergyGrant, Guest, Send
from protos.messages.stream import Welcome
from protos.messages.terms import Stage

STAGES = (Stage.PREPARATION, Stage.DEVELOPMENT, Stage.APPLICATION, Stage.UNALLOCATED)
MODEL = initial_parameters("mnist-mlp", 0)


def node_config(index: int) -> NodeConfig:
    return NodeConfig(
        run_id="test",
        node_id=f"node-{index}",
        index=index,
        zone="US-NW-SCL",
        seed=0,
        slot_s=60.0,
        stages=STAGES,
        board=load_board("raspberry-pi-4b").config(),
        battery=BatteryConfig(capacity_j=10.0, charge_limit_w=5.0, discharge_limit_w=5.0),
        harvest=HarvestConfig(power_w=(1.0,) * len(STAGES)),
        task=TaskConfig(
            name="mnist-mlp",
            batch_size=16,
            batches_per_slot=3,
            learning_rate=0.1,
            partitions=2,
            partition_index=index,
        ),
        inference=InferenceConfig(batches_per_slot=2, requests_per_batch=8),
    )


class Pair:
    """Two nodes in one process; the test plays the coordinator."""

    def __init__(self) -> None:
        bind_identity(1)
        self.links: dict[str, LocalLink] = {}
        for index in (0, 1):
            config = node_config(index)
            link = LocalLink(build_node(config), self.links, boot_id=f"boot-{index}")
            link.register()
            link.receive(Welcome("test", 1, 1.0, 3.0, 0))
        self.app = build_client_app(self.links)

    def decide(self, slot: int, plans: dict[int, tuple[int, tuple[Send, ...], tuple[Guest, ...]]]) -> None:
        for index, (own, sends, guests) in plans.items():
            decision = Decision(
                f"node-{index}", 1, slot, STAGES[slot], True, own, sends, guests, 0, 0, 0, deadline_s=1.0
            )
            self.links[f"node-{index}"].receive(decision)

    def alone(self, slot: int, batches: int) -> None:
        self.decide(slot, {0: (batches, (), ()), 1: (batches, (), ())})

    def end(self, slot: int) -> None:
        for name, link in self.links.items():
            link.receive(CloseSlot(1, slot))
            link.receive(EnergyGrant(name, 1, slot, 0, 0))

    def ask(self, kind: str, index: int, slot: int | None, arrays=None, **options) -> Message:
        content = RecordDict()
        if slot is not None:
            content["config"] = ConfigRecord({"slot": slot, "deadline-s": 0.5, **options})
        if arrays is not None:
            content["arrays"] = arrays
        message = Message(content, dst_node_id=index + 2, message_type=kind)
        return self.app(message, context(index))

    def to_development(self) -> None:
        self.alone(0, 3)
        self.end(0)


def context(index: int, **node) -> Context:
    return Context(
        run_id=1,
        node_id=index + 2,
        node_config=node or {"node-id": f"node-{index}"},
        state=RecordDict(),
        run_config={},
    )


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_a_node_trains_what_was_decided_and_returns_the_model(pair):
    pair.to_development()
    pair.alone(1, 2)
    reply = pair.ask("train", 0, 1, to_record(MODEL), **{"server-round": 1, "stage": "development"})
    metrics = reply.content["metrics"]
    assert (metrics["num-examples"], metrics["batches"]) == (32, 2)
    node = pair.links["node-0"].node
    workload = build_workload(node.config.task)
    expected = workload.train(MODEL, [workload.batch(k, "development") for k in (0, 1)], {})
    got = from_record(reply.content["arrays"])
    assert list(got) == list(MODEL)
    assert all(np.array_equal(got[name], expected.parameters[name]) for name in got)
    assert metrics["loss"] == pytest.approx(expected.mean_loss)
    assert metrics["flop"] == expected.flop


def test_offloaded_batches_are_trained_by_the_executor(pair):
    pair.to_development()
    pair.decide(
        1,
        {0: (1, (Send("node-1", "", 2),), ()), 1: (3, (), (Guest("node-0", 2),))},
    )
    replies = [pair.ask("train", index, 1, to_record(MODEL)) for index in (0, 1)]
    assert [reply.content["metrics"]["batches"] for reply in replies] == [1, 5]
    assert [reply.content["metrics"]["num-examples"] for reply in replies] == [16, 80]


def test_strategies_settings_reach_the_training(pair):
    pair.to_development()
    pair.alone(1, 3)
    free = from_record(pair.ask("train", 0, 1, to_record(MODEL)).content["arrays"])
    held = from_record(
        pair.ask("train", 1, 1, to_record(MODEL), **{"proximal-mu": 5.0, "learning-rate": 0.01}).content[
            "arrays"
        ]
    )

    def drift(parameters) -> float:
        return sum(float(((parameters[k] - MODEL[k]) ** 2).sum()) for k in MODEL)

    assert drift(held) < 0.1 * drift(free)


def test_preparation_and_inference_are_queries(pair):
    pair.alone(0, 3)
    prepared = pair.ask("query.prepare", 0, 0).content["metrics"]
    assert (prepared["batches"], prepared["num-examples"]) == (3, 48)
    assert prepared["flop"] > 0
    pair.end(0)
    pair.alone(1, 1)
    pair.end(1)
    pair.alone(2, 2)
    served = pair.ask("query.infer", 0, 2, to_record(MODEL)).content["metrics"]
    assert (served["requests"], served["tokens-out"], served["batches"]) == (16, 0, 2)
    assert served["bits"] == 16 * 785 * 8
    assert 0 <= served["correct"] <= 16


def test_a_node_left_without_batches_answers_that_it_did_nothing(pair):
    pair.to_development()
    pair.alone(1, 0)
    reply = pair.ask("train", 0, 1, to_record(MODEL))
    assert reply.content["metrics"]["num-examples"] == 0
    assert len(reply.content["arrays"]) == 0
    pair.end(1)
    pair.alone(2, 0)
    assert pair.ask("query.infer", 0, 2, to_record(MODEL)).content["metrics"]["requests"] == 0


def test_the_same_message_twice_gives_the_same_answer(pair):
    pair.to_development()
    pair.alone(1, 2)
    first, second = (pair.ask("train", 0, 1, to_record(MODEL)) for _ in range(2))
    assert first.content["metrics"] == second.content["metrics"]
    assert all(first.content["arrays"][k].data == second.content["arrays"][k].data for k in MODEL)


def test_nodes_state_their_names(pair):
    identity = pair.ask("query.identity", 1, None).content["identity"]
    assert (identity["node-id"], identity["zone"], identity["slot"]) == ("node-1", "US-NW-SCL", 0)


def refused(reply: Message) -> str:
    assert reply.has_error()
    assert reply.error.code == 2
    return reply.error.reason


def test_failures_become_error_replies_that_say_why(pair):
    model = to_record(MODEL)
    assert "no decision has come" in refused(pair.ask("query.prepare", 0, 0))
    assert "slot 0 is preparation" in refused(pair.ask("train", 0, 0, model))
    assert "allowed is 0 to 3" in refused(pair.ask("train", 0, 7, model))
    assert "allowed is 0 to 3" in refused(pair.ask("train", 0, 0.5, model))
    pair.to_development()
    assert "slot is over" in refused(pair.ask("query.prepare", 0, 0))
    pair.alone(1, 1)
    assert "brings no model" in refused(pair.ask("train", 0, 1))
    assert "do not fit" in refused(pair.ask("train", 0, 1, to_record(initial_parameters("mnist-cnn", 0))))
    assert "expected float32" in refused(pair.ask("train", 0, 1, ArrayRecord([np.zeros(3)])))
    assert "'proximal-mu', got 'much'" in refused(pair.ask("train", 0, 1, model, **{"proximal-mu": "much"}))
    # After all of this the node still works.
    assert pair.ask("train", 0, 1, model).has_content()


def test_a_message_for_an_unknown_node_is_refused(pair):
    message = Message(RecordDict(), dst_node_id=9, message_type="query.identity")
    assert "nodes of this process: node-0, node-1" in refused(
        pair.app(message, context(7, **{"node-id": "node-7"}))
    )
    assert "does not live here" in refused(pair.app(message, context(7, other=1)))


def test_the_only_node_of_a_process_needs_no_name(pair):
    app = build_client_app({"node-1": pair.links["node-1"]})
    message = Message(RecordDict(), dst_node_id=9, message_type="query.identity")
    assert app(message, context(7, other=1)).content["identity"]["node-id"] == "node-1"
