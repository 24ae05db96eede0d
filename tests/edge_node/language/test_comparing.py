"""Answers that are given once more without another node's cache: which, whether they are the same, and the waste."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from edge_node.language.ask import GoneError, Said
from edge_node.language.asked import Asked
from edge_node.language.comparing import COMPARED_EVERY, Comparing
from edge_node.language.counted import said_flop
from edge_node.language.shape import Shape
from edge_node.meters.base import Work
from edge_node.meters.pieces import Piece
from edge_node.workload import Aside
from protos.messages.terms import Stage

SHAPE = Shape(10.0, 5.0, 1.0)
SAID = Said(0, 8, 4, 0.1, 0.1, 0.1, 0.2, 3, 100)
ASKED = Asked(list(range(8)), 4, 30)


def made() -> tuple[Comparing, list[Work]]:
    booked: list[Work] = []

    def end(work: Work, seconds: float) -> Piece:
        booked.append(work)
        return Piece(seconds, 2.0, None)

    cpu_s = iter((1.0, 4.0))
    server: Any = SimpleNamespace(cpu_s=lambda: next(cpu_s))
    pieces: Any = SimpleNamespace(begin=lambda: None, end=end)
    return Comparing(server, pieces, SHAPE), booked


def test_the_first_and_each_sixteenth_are_compared() -> None:
    comparing, _ = made()
    due = [k for k in range(3 * COMPARED_EVERY) if comparing.is_due()]
    assert due == [0, COMPARED_EVERY, 2 * COMPARED_EVERY]


@pytest.mark.parametrize("same", [True, False])
def test_all_must_be_the_same_and_all_of_it_is_waste(same: bool) -> None:
    comparing, booked = made()
    found = comparing.result(ASKED, [(SAID, same), (SAID, True)])
    assert found == (same, (Aside(3.0, 2.0),))
    assert booked == [Work(Stage.APPLICATION, 2 * said_flop(SHAPE, SAID).whole, wasted=True)]


def test_a_server_that_dies_tells_nothing_and_its_work_is_waste() -> None:
    comparing, booked = made()

    def again() -> Iterator[tuple[Said, bool]]:
        yield SAID, True
        raise GoneError("it died", 2)

    assert comparing.result(ASKED, again()) == (None, (Aside(3.0, 2.0),))
    flop = said_flop(SHAPE, SAID).whole + SHAPE.prefill_flop(8) + SHAPE.decode_flop(8, 2)
    assert booked == [Work(Stage.APPLICATION, flop, wasted=True)]
