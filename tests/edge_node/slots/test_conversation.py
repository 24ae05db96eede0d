"""A slot's work step by step: what is metered and counted, and what becomes of a conversation that breaks off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

from edge_node.meters.registry import build_meter
from edge_node.slots.conversation import bytes_of
from edge_node.slots.errors import NotReady, NoWork
from edge_node.slots.node import EdgeNode
from edge_node.workload import Arrays, Parameters, Sent, TrainResult
from protos.messages.slot import Usage
from protos.messages.terms import Component
from tests.edge_node.conftest import BATCH, LinearWorkload, node_config
from tests.edge_node.slots.steps import decide, energies, finish, make_started, welcome

STEP_FLOP, REST_FLOP = 2e4, 3e4
ONE_WAY = 4 * BATCH
"""Bytes of a batch's predictions, and of their errors."""


class TwoParts(LinearWorkload):
    """The node predicts, the server knows what was to be predicted."""

    server = "n0"

    def lower(
        self, parameters: Parameters, batches: Sequence[Arrays], options: Mapping[str, float]
    ) -> Iterator:
        weights = np.array(parameters["w"])
        for batch in batches:
            sent = {"p": (batch["x"] @ weights).astype(np.float32)}
            answer = yield Sent(sent, STEP_FLOP)
            weights = weights - np.float32(0.1) * (batch["x"].T @ answer["g"])
        count = len(batches)
        return TrainResult({"w": weights.astype(np.float32)}, BATCH * count, count, 0.5, count * STEP_FLOP)

    def upper(self, parameters: Parameters, nodes: Sequence[str], options: Mapping[str, float]) -> Rest:
        return Rest(tuple(nodes), parameters)


class Rest:
    def __init__(self, nodes: tuple[str, ...], begin: Parameters) -> None:
        self.nodes, self.begin = nodes, begin

    def answer(self, sent: Mapping[str, Arrays]) -> tuple[dict[str, Arrays], float]:
        if strangers := set(sent) - set(self.nodes):
            raise ValueError(f"not served: {strangers}")
        return {node: {"g": arrays["p"]} for node, arrays in sent.items()}, REST_FLOP * len(sent)

    def parameters(self) -> dict[str, Parameters]:
        return dict.fromkeys(self.nodes, self.begin)


def make(index: int, decided: bool = True, own: int = 2) -> EdgeNode:
    config = node_config(index)
    workloads = dict.fromkeys(set(config.stages), TwoParts(index))
    node = EdgeNode(config, workloads, build_meter(config.meter, config.board, config.slot_s))
    welcome(node)
    if decided:
        node.on_decision(decide(node.node_id, 0, own))
    return node


def radio_uj(usage: Usage) -> tuple[int, int]:
    found = energies(usage)
    return found.get(Component.RADIO_TX, 0), found.get(Component.RADIO_RX, 0)


def test_a_slots_work_step_by_step_is_booked_once(model) -> None:
    node = make(1)
    talk = node.conversation
    first = talk.begin(model, {})
    assert set(first) == {"p"}
    second = talk.go_on(0, {"g": first["p"]})
    result = talk.go_on(0, {"g": second["p"]})
    assert isinstance(result, TrainResult)
    assert talk.begin(model, {}) is result  # asked again
    usage, _ = finish(node, 0)
    assert [(each.owner, each.batches) for each in usage.executed] == [("n1", 2)]
    weights = bytes_of(model)
    assert usage.model_bytes == 2 * weights + 4 * ONE_WAY
    assert radio_uj(usage) == (
        round((weights + 2 * ONE_WAY) * 1e-5 * 1e6),
        round((weights + 2 * ONE_WAY) * 2e-5 * 1e6),
    )
    assert energies(usage)[Component.COMPUTE] == pytest.approx(2 * STEP_FLOP / 1e6 * 4 * 1e6)


def test_the_servers_own_batches_do_not_leave_it(model) -> None:
    node = make(0)
    found = node.conversation.begin(model, {})
    while not isinstance(found, TrainResult):
        found = node.conversation.go_on(0, {"g": found["p"]})
    usage, _ = finish(node, 0)
    assert usage.model_bytes == 2 * bytes_of(model)


def test_the_rest_is_metered_where_it_is_computed_also_amid_the_servers_own_work(model) -> None:
    node = make(0)
    talk = node.conversation
    own = talk.begin(model, {})
    talk.serve(0, model, ("n0", "n1"), {})
    answers = talk.answer(0, {"n0": own, "n1": own})
    assert set(answers) == {"n0", "n1"}
    talk.go_on(0, talk.answer(0, {"n0": talk.go_on(0, answers["n0"])})["n0"])
    assert set(talk.served(0)) == {"n0", "n1"}
    usage, _ = finish(node, 0)
    weights = bytes_of(model)
    # Its own part comes and goes, the rest comes, two rests go; of the steps those of n1 alone use the radio.
    assert usage.model_bytes == 2 * weights + weights + 2 * weights + 2 * ONE_WAY
    joules = (2 * STEP_FLOP + 3 * REST_FLOP) / 1e6 * 4
    assert energies(usage)[Component.COMPUTE] == pytest.approx(joules * 1e6)
    with pytest.raises(NotReady, match="serves no node"):
        talk.answer(0, {})


def test_a_conversation_that_breaks_off_leaves_its_batches_undone_and_its_joules_booked(model) -> None:
    node = make(1)
    node.conversation.begin(model, {})
    usage, _ = finish(node, 0)
    assert usage.executed == ()
    assert usage.model_bytes == ONE_WAY
    assert energies(usage)[Component.COMPUTE] == pytest.approx(STEP_FLOP / 1e6 * 4 * 1e6)
    with pytest.raises(NotReady, match="too late"):
        node.conversation.go_on(0, {"g": np.zeros(BATCH, np.float32)})


def test_a_step_that_fails_may_be_tried_again(model) -> None:
    node = make(1)
    first = node.conversation.begin(model, {})
    with pytest.raises(KeyError):
        node.conversation.go_on(0, {"x": first["p"]})
    again = node.conversation.begin(model, {})
    assert np.array_equal(again["p"], first["p"])
    usage, _ = finish(node, 0)
    assert usage.model_bytes == 3 * ONE_WAY  # sent twice, and the answer that was none


def test_nothing_is_begun_without_batches_or_asleep(model) -> None:
    idle = make(1, own=0)
    with pytest.raises(NoWork):
        idle.conversation.begin(model, {})
    usage, _ = finish(idle, 0)
    assert usage.model_bytes == bytes_of(model), "the node's part came all the same"
    with pytest.raises(NotReady, match="no decision"):
        make(1, decided=False).conversation.begin(model, {})
    asleep = make(0, decided=False)
    asleep.on_decision(decide("n0", 0, awake=False))
    with pytest.raises(NotReady, match="sleeps"):
        asleep.conversation.serve(0, model, ("n1",), {})


def test_a_node_of_whole_models_refuses(make_node, model) -> None:
    node = make_started(make_node, index=1)
    node.on_decision(decide("n1", 0, 2))
    with pytest.raises(NotReady, match="whole models"):
        node.conversation.begin(model, {})
