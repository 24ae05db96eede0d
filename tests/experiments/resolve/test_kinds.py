"""Kinds of training: what a scenario has to have for them, and what is refused before anything starts."""

from __future__ import annotations

import pytest

from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario

HEAD = """policy = "{policy}"
[time]
start = 2022-06-21T12:00:00Z
{time}
[stages]
preparation = {preparation}
development = 2
application = {application}
recycling = 0
[limits]
{limits}
[task]
data = "digits"
batch_size = 16
batches_per_slot = 3
local_epochs = 1
{task}
[training]
{training}
[fleet]
kind = "{fleet}"
[[nodes]]
zone = "FR"
count = {nodes}
"""
PLAIN = {
    "policy": "local",
    "time": "",
    "preparation": 1,
    "application": 0,
    "limits": "",
    "task": "",
    "training": 'kind = "split"\ncut = "relu"',
    "fleet": "inprocess",
    "nodes": 3,
}
VERTICAL = 'kind = "vertical"'


def resolved(**changes):
    return resolve(parse_scenario(HEAD.format(**(PLAIN | changes))))


def test_whole_models_are_trained_where_nothing_is_said() -> None:
    assert parse_scenario('[[nodes]]\nzone = "FR"').training.kind == "federated"
    assert resolved(training="").task.parts is None


def test_an_unknown_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="federated"):
        resolved(training='kind = "diagonal"')


def test_nodes_are_told_the_cut_and_the_server_how_much_it_serves() -> None:
    shape = 'kind = "split"\ncut = "conv1"\nhead = "dense2"\nserver = "n1"'
    found = resolved(task='name = "mnist-cnn"', training=shape)
    parts = [config.task.parts for config in found.node_configs("run", "", with_harvest=True)]
    assert {(part.kind, part.server, part.server_index, part.cut, part.head) for part in parts} == {
        ("split", "n1", 1, "conv1", "dense2")
    }
    assert [part.served_batches for part in parts] == [0, 9, 0]
    assert found.summary()["training"]["cut"] == "conv1"


def test_a_slot_is_long_enough_for_the_server() -> None:
    def slot_s(server: str) -> float:
        return resolved(training=f'kind = "split"\ncut = "relu"\nserver = "{server}"').slot_s

    assert slot_s("n0") == slot_s("n2") > 0


def test_all_examples_are_on_every_node_of_vertical_training() -> None:
    found = resolved(training=VERTICAL, task="", nodes=4)
    assert found.task.parts.kind == "vertical"
    assert set(found.batches_per_node) == {3}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"training": 'kind = "split"'}, r"needs a cut; .* allowed are hidden, relu"),
        ({"training": 'kind = "split"\ncut = "flatten"'}, "sends examples as they are"),
        ({"training": 'kind = "split"\ncut = "nowhere"'}, "no cut after 'nowhere'"),
        ({"training": 'kind = "split"\ncut = "output"'}, "server would train nothing"),
        ({"training": 'kind = "split"\ncut = "hidden"\nhead = "relu"'}, "server would train nothing"),
        ({"training": 'kind = "split"\ncut = "relu"\nserver = "n7"'}, "allowed are n0 to n2"),
        ({"training": 'cut = "relu"'}, 'cut = "relu" has no effect'),
        ({"fleet": "virtual", "preparation": 0}, "rows of arrays"),
        ({"policy": "deta"}, "moves batches between nodes"),
        ({"limits": "may_sleep = true"}, "sleeps"),
        ({"time": 'clock = "wall"\noverrun = "cut"'}, "overrun"),
        ({"task": 'precision = "bfloat16"'}, "float32"),
        ({"training": VERTICAL, "application": 1}, "application = 0"),
        ({"training": VERTICAL, "nodes": 1}, "allowed are 2"),
        ({"training": VERTICAL, "policy": "random"}, "chooses who trains"),
        ({"training": VERTICAL, "limits": "deadline_slots = 1"}, "deadline_slots = 0"),
        ({"training": VERTICAL, "task": 'strategy = "fedadam"'}, "not averaged"),
        ({"training": VERTICAL, "task": 'partition = "dirichlet"'}, "all of them"),
        ({"training": VERTICAL, "task": 'name = "mnist-cnn"'}, "those of mnist-mlp do"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_start(changes, sentence) -> None:
    with pytest.raises(UsageError, match=sentence):
        resolved(**changes)


def test_policies_that_could_move_batches_may_not() -> None:
    assert resolved(policy="deta", limits="offload_cap_fraction = 0").task.parts.cut == "relu"
