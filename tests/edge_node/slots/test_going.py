"""Batches of users who moved go to the node that they are at; every batch goes once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_node.slots.backlog import Batch
from edge_node.slots.going import divided
from protos.messages.slot import Send
from protos.messages.terms import Stage


def batches(count: int) -> list[Batch]:
    return [Batch(0, k, Stage.APPLICATION, 0) for k in range(count)]


def ids(some: list[Batch]) -> list[int]:
    return [batch.batch_id for batch in some]


def test_each_send_gets_the_batches_of_its_users() -> None:
    at = ["n0", "n2", "n1", "n2"]
    sends = (Send("n1", "", 1), Send("n2", "", 2))
    own, (to_one, to_two) = divided(batches(4), 1, sends, at.__getitem__)
    assert (ids(own), ids(to_one), ids(to_two)) == ([0], [2], [1, 3])


def test_batches_for_a_node_that_is_gone_stay_at_home() -> None:
    at = ["n0", "n2", "n1"]  # n2 is not there
    own, (to_one,) = divided(batches(3), 2, (Send("n1", "", 1),), at.__getitem__)
    assert (ids(own), ids(to_one)) == ([0, 1], [2])


def test_where_users_do_not_move_the_most_urgent_stay() -> None:
    own, parts = divided(batches(5), 2, (Send("n1", "", 2), Send("n2", "", 1)), lambda _: None)
    assert (ids(own), [ids(part) for part in parts]) == ([0, 1], [[2, 3], [4]])


@given(st.lists(st.sampled_from(["n0", "n1", "n2"]), max_size=12), st.data())
def test_every_batch_goes_once(at: list[str], data: st.DataObject) -> None:
    counts = [data.draw(st.integers(0, len(at))) for _ in range(2)]
    counts[1] = min(counts[1], len(at) - counts[0])
    sends = (Send("n1", "", counts[0]), Send("n2", "", counts[1]))
    own, parts = divided(batches(len(at)), len(at) - sum(counts), sends, at.__getitem__)
    assert sorted(ids(own) + [k for part in parts for k in ids(part)]) == list(range(len(at)))
    assert [len(part) for part in parts] == counts
