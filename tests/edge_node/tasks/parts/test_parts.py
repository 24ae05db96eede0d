"""Models in parts: the weights of a model that is trained whole, and what leaves a node."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.config import PartsConfig
from edge_node.tasks.build import build_workload
from edge_node.tasks.parts.columns import MisalignedError, columns_of
from edge_node.tasks.parts.cut import cut_names, find_cut
from edge_node.tasks.parts.served import at_node
from edge_node.tasks.registry import find_task
from edge_node.tasks.workload import IDS, TaskWorkload
from edge_node.workload import InParts
from tests.edge_node.tasks.image_workloads import DEVELOPMENT, PREPARATION, batches, config
from tests.edge_node.tasks.parts.talk import columns_at, converse, split_at, without_labels

EQUAL = 1e-6
"""How far weights of a divided and of a whole model may lie apart."""
CUTS = {name: cut_names(find_task(name), "digits") for name in ("mnist-mlp", "mnist-cnn")}


def whole(workload: TaskWorkload, count: int, options=None, **changes):
    """The same batches, trained by the whole model."""
    alone = build_workload(workload.config.model_copy(update={"parts": None, **changes}))
    return alone.train(model_of(workload), batches(alone, count), options or {})


def model_of(workload: TaskWorkload):
    return workload.task.initial_parameters(3)


def divided(workload, count: int, options=None):
    model, lower = model_of(workload), workload.cut.lower_names
    own = {name: model[name] for name in lower}
    rest = {name: array for name, array in model.items() if name not in lower}
    results, rests, sent = converse(
        {"n0": workload}, {"n0": own}, rest, {"n0": batches(workload, count)}, options
    )
    return results["n0"], {**results["n0"].parameters, **rests["n0"]}, sent


def assert_equal(found, expected) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=EQUAL, err_msg=name)


@st.composite
def cuts(draw) -> tuple[str, str, str]:
    name = draw(st.sampled_from(sorted(CUTS)))
    place = draw(st.integers(0, len(CUTS[name]) - 1))
    later = CUTS[name][place + 1 :]
    return name, CUTS[name][place], draw(st.sampled_from(["", *later]))


@settings(max_examples=25, deadline=None)
@given(cut=cuts(), steps=st.integers(1, 4), epochs=st.integers(1, 2))
def test_at_any_cut_the_weights_are_those_of_the_unsplit_model(cut, steps, epochs) -> None:
    name, at, head = cut
    workload = split_at(at, head, name=name, local_epochs=epochs, batch_size=8)
    result, found, _ = divided(workload, steps)
    expected = whole(workload, steps)
    assert_equal(found, expected.parameters)
    assert result.mean_loss == pytest.approx(expected.mean_loss, abs=1e-5)
    assert (result.num_examples, result.batches) == (expected.num_examples, expected.batches)


def test_the_options_of_a_strategy_act_on_both_parts() -> None:
    options = {"proximal-mu": 0.5, "learning-rate": 0.2, "local-epochs": 2.0}
    workload = split_at("relu")
    _, found, _ = divided(workload, 2, options)
    assert_equal(found, whole(workload, 2, options).parameters)
    with pytest.raises(ValueError, match="unknown training options"):
        divided(workload, 1, {"momentum": 0.9})


def test_every_node_has_a_rest_of_its_own() -> None:
    nodes = {f"n{i}": split_at("relu", index=i) for i in range(3)}
    model = model_of(nodes["n0"])
    own = {name: model[name] for name in nodes["n0"].cut.lower_names}
    rest = {name: array for name, array in model.items() if name not in own}
    results, rests, _ = converse(
        nodes, dict.fromkeys(nodes, own), rest, {name: batches(node, 2) for name, node in nodes.items()}
    )
    for name, node in nodes.items():
        assert_equal({**results[name].parameters, **rests[name]}, whole(node, 2).parameters)


def test_what_leaves_a_node_are_activations_and_labels_and_never_pixels() -> None:
    workload = split_at("relu")
    _, _, sent = divided(workload, 2)
    assert [set(step["n0"]) for step in sent] == [{"x0", "target"}] * 2
    assert sent[0]["n0"]["x0"].shape == (32, 200)


def test_labels_stay_where_the_node_has_the_last_layer_too() -> None:
    workload = split_at("hidden", "relu")
    _, _, sent = divided(workload, 1)
    labels = batches(workload, 1)[0]["labels"]
    assert [set(step["n0"]) for step in sent] == [{"x0"}, {"g0"}]
    assert all(without_labels(step["n0"], labels) for step in sent)


@pytest.mark.parametrize("name", sorted(CUTS))
def test_the_parts_operations_are_those_of_the_whole(name) -> None:
    for at in CUTS[name]:
        cut = find_cut(name, "digits", at)
        assert sum(part.train_flop for part in cut.parts) == pytest.approx(find_task(name).flop().train)
    result, _, _ = divided(split_at(CUTS[name][0], name=name), 2)
    assert 0 < result.flop < 64 * find_task(name).flop().train


def test_the_server_is_planned_with_the_batches_of_all() -> None:
    own, server = split_at("relu", index=1), split_at("relu", index=0)
    task = own.task.flop().train
    assert own.cost(DEVELOPMENT).flop_per_batch < 32 * task
    rest = own.cut.upper.train_flop
    assert server.cost(DEVELOPMENT).flop_per_batch == pytest.approx(
        own.cost(DEVELOPMENT).flop_per_batch + 3 * 32 * rest
    )
    assert own.cost(DEVELOPMENT).model_bytes == 4 * (784 * 200 + 200)
    assert own.cost(DEVELOPMENT).down_bytes == 32 * (4 * 200 + 8)
    counts = (5, 5, 6)
    assert at_node(own.config, 0, counts).parts.served_batches == 16
    assert at_node(own.config, 2, counts).parts.served_batches == own.config.parts.served_batches


def test_a_cut_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"allowed are .*relu"):
        find_cut("mnist-mlp", "digits", "somewhere")
    with pytest.raises(ValueError, match="comes before"):
        find_cut("mnist-mlp", "digits", "relu", "hidden")
    assert "flatten" not in CUTS["mnist-mlp"]  # pixels would leave
    assert find_cut("mnist-mlp", "digits", "input").shows_input


def test_a_model_that_cannot_be_traced_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="cannot be cut"):
        cut_names(find_task("tiny-gpt"), "pydoc")


def test_wrong_arrays_are_refused() -> None:
    workload = split_at("relu")
    upper = workload.upper(
        {name: model_of(workload)[name] for name in ("output.weight", "output.bias")}, ("n0",), {}
    )
    with pytest.raises(ValueError, match="not served here"):
        upper.answer({"n9": {}})
    with pytest.raises(ValueError, match="'x0' is needed"):
        upper.answer({"n0": {}})
    with pytest.raises(ValueError, match="no labels"):
        upper.answer({"n0": {"x0": np.zeros((2, 200), np.float32)}})
    with pytest.raises(ValueError, match="the cut has"):
        upper.answer({"n0": {"x0": np.zeros((2, 3), np.float32)}})
    with pytest.raises(ValueError, match="do not fit the node's part"):
        next(workload.lower({}, batches(workload, 1), {}))


# --- columns -------------------------------------------------------------------------------------------------


def by_columns(nodes: int, steps: int, options=None, **changes):
    found = {f"n{i}": columns_at(i, nodes, **changes) for i in range(nodes)}
    model = model_of(found["n0"])
    weight = model["hidden.weight"]
    lower = {name: {"hidden.weight": weight[:, node.own]} for name, node in found.items()}
    upper = {name: array for name, array in model.items() if name != "hidden.weight"}
    results, rests, sent = converse(
        found, lower, upper, {name: batches(node, steps) for name, node in found.items()}, options
    )
    blocks = [results[name].parameters["hidden.weight"] for name in found]
    return found, results, {"hidden.weight": np.concatenate(blocks, axis=1), **rests["n0"]}, sent


@settings(max_examples=10, deadline=None)
@given(nodes=st.integers(2, 6), steps=st.integers(1, 4), epochs=st.integers(1, 2))
def test_with_columns_the_weights_are_those_of_the_whole_model_on_whole_examples(
    nodes, steps, epochs
) -> None:
    found, results, model, _ = by_columns(nodes, steps, local_epochs=epochs, batch_size=8)
    expected = whole(found["n0"], steps)
    assert_equal(model, expected.parameters)
    for result in results.values():
        assert result.mean_loss == pytest.approx(expected.mean_loss, abs=1e-5)
        assert (result.num_examples, result.batches) == (expected.num_examples, expected.batches)


def test_columns_take_a_strategys_options() -> None:
    options = {"proximal-mu": 0.5, "learning-rate": 0.2}
    found, _, model, _ = by_columns(3, 2, options)
    assert_equal(model, whole(found["n0"], 2, options).parameters)


def test_a_node_has_its_columns_alone_and_one_has_the_labels() -> None:
    nodes = [columns_at(i, 3) for i in range(3)]
    for k, node in enumerate(nodes):
        (batch,) = batches(node, 1)
        assert set(batch) == {"columns", IDS} | ({"labels"} if k == 0 else set())
        assert batch["columns"].shape == (32, node.width)
    assert sum(node.width for node in nodes) == 784
    with pytest.raises(ValueError, match="n0 holds them"):
        nodes[1].upper({}, ("n0", "n1", "n2"), {})
    assert len({node.digest for node in nodes}) == 3


def test_columns_are_divided_without_gap_or_overlap() -> None:
    for nodes in range(1, 12):
        places = [columns_of(11, nodes, k) for k in range(nodes)]
        assert [c for place in places for c in range(place.start, place.stop)] == list(range(11))


def test_nodes_with_other_examples_are_refused() -> None:
    found = {f"n{i}": columns_at(i, 2) for i in range(2)}
    model = model_of(found["n0"])
    upper = {name: array for name, array in model.items() if name != "hidden.weight"}
    lower = {name: {"hidden.weight": model["hidden.weight"][:, node.own]} for name, node in found.items()}
    given_ = {"n0": batches(found["n0"], 1), "n1": batches(found["n1"], 1, first=1)}
    with pytest.raises(MisalignedError, match=r"n1 has 32 other examples in place of the 32 that n0"):
        converse(found, lower, upper, given_)
    server = found["n0"].upper(upper, ("n0", "n1"), {})
    talk = found["n0"].lower(lower["n0"], given_["n0"], {})
    with pytest.raises(MisalignedError, match="n1 are missing"):
        server.answer({"n0": next(talk).arrays})


def test_the_operations_of_columns_are_those_of_the_whole() -> None:
    nodes = [columns_at(i, 3) for i in range(3)]
    train = nodes[0].task.flop().train
    assert sum(node.bottom_flop for node in nodes) + nodes[0].top_flop == pytest.approx(train)
    costs = [node.cost(DEVELOPMENT) for node in nodes]
    assert sum(cost.flop_per_batch for cost in costs) == pytest.approx(32 * train)
    assert sum(cost.model_bytes for cost in costs) == 4 * 159_010
    assert costs[0].up_bytes == 2 * costs[1].up_bytes == 2 * 32 * 4 * 200
    prepared = sum(node.cost(PREPARATION).flop_per_batch for node in nodes)
    assert prepared == pytest.approx(nodes[0].task.prepare_flop(32))
    assert nodes[0].prepare(batches(nodes[0], 1)) == pytest.approx(nodes[0].cost(PREPARATION).flop_per_batch)


def test_a_task_without_columns_is_refused() -> None:
    parts = PartsConfig(kind="vertical", server="n0", server_index=0)
    with pytest.raises(ValueError, match="do not divide into columns"):
        build_workload(config(name="mnist-cnn", parts=parts, partitions=2))


def test_whole_models_are_no_conversation() -> None:
    assert not isinstance(build_workload(config()), InParts)
    assert isinstance(split_at("relu"), InParts)
