"""Requests to a language model in a slot: their joules out of the slot's lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_node.serving import request_joules as module
from edge_node.serving.request_joules import served
from edge_node.serving.request_times import TimedUse
from edge_node.workload import Aside, RequestUse
from protos.messages.slot import EnergyLine
from protos.messages.terms import Component, Stage

USE = RequestUse(2, 6, 5, 1.0, 0.25, 0.3, 2.0, None, 10.0, 4.0, 100, 900, 800)
FAILED = replace(USE, cached_tokens=0, prefilled_tokens=0, tokens_out=0, content_bits=0, failed="it died")


def lines(compute: int, static: int, waste: int) -> list[EnergyLine]:
    parts = {Component.COMPUTE: compute, Component.STATIC: static, Component.WASTE: waste}
    own = [EnergyLine(Stage.APPLICATION, name, energy, "modelled") for name, energy in parts.items()]
    return [
        *own,
        EnergyLine(Stage.APPLICATION, Component.RADIO_TX, 7_777, "modelled"),
        EnergyLine(Stage.UNALLOCATED, Component.STATIC, 9_999, "modelled"),
    ]


def asked(*uses: RequestUse) -> list[TimedUse]:
    return [TimedUse("n0", 4, place, use, 3.0, 1.0, 0.5) for place, use in enumerate(uses)]


def test_requests_share_the_lines_to_the_microjoule_by_their_own_readings() -> None:
    found, _ = served(asked(USE, replace(USE, compute_j=1.0)), lines(1_000_001, 400_000, 0))
    assert sum(one.prefill_uj + one.decode_uj + one.waste_uj for one in found) == 1_400_001
    assert found[0].prefill_uj + found[0].decode_uj == pytest.approx(666_667 + 200_000, abs=1)
    assert found[0].prefill_uj == pytest.approx(0.25 * 866_667, abs=1)
    assert (found[0].owner, found[0].batch_id, found[1].place) == ("n0", 4, 1)
    assert (found[0].content_bits, found[0].wire_bytes) == (800, 1000)


def test_what_failed_is_waste_and_nothing_else() -> None:
    found, _ = served(asked(USE, FAILED), lines(1_000_000, 400_000, 50_000))
    assert (found[0].waste_uj, found[1].waste_uj) == (0, 250_000)
    assert found[1].prefill_uj == found[1].decode_uj == 0
    assert (found[1].failed, found[1].first_token_s) == ("it died", None)


def test_waste_is_of_those_that_failed_and_of_what_was_done_aside_for_the_others() -> None:
    """A comparison of 3 J beside an answer, a request that failed after 2 J, and 1 J of an attempt before."""
    compared = replace(USE, aside=(Aside(2.0, 1.0), Aside(1.0, 2.0)))
    failed = replace(FAILED, aside=(Aside(0.5, 1.0),))
    (one, dead), other = served(asked(compared, failed), lines(2_000_000, 0, 6_000_000))
    assert (one.waste_uj, dead.waste_uj, other) == (0, 3_000_000, 3_000_000)
    assert one.prefill_uj + one.decode_uj == 2_000_000
    (one, dead), other = served(
        asked(compared, replace(failed, compute_j=None)), lines(2_000_000, 0, 4_500_000)
    )
    assert (one.waste_uj, dead.waste_uj, other) == (0, 1_500_000, 3_000_000)  # by seconds: 3 to 1.5


def test_waste_that_no_request_took_is_none_of_theirs() -> None:
    (one,), other = served(asked(USE), lines(1_000_000, 0, 50_000))
    assert (one.waste_uj, other) == (0, 50_000)
    refused = replace(FAILED, compute_j=0.0, seconds=0.0)
    found, other = served(asked(USE, refused), lines(1_000_000, 0, 50_000))
    assert ([each.waste_uj for each in found], other) == ([0, 0], 50_000)


def test_where_all_failed_every_joule_is_waste() -> None:
    (one,), other = served(asked(FAILED), lines(10, 400_000, 50_000))
    assert (one.waste_uj, other) == (450_010, 0)


def test_without_a_reading_of_each_they_share_by_seconds() -> None:
    found, _ = served(asked(replace(USE, compute_j=None, seconds=3.0), USE), lines(1_000_000, 0, 0))
    assert [one.prefill_uj + one.decode_uj for one in found] == [750_000, 250_000]


def test_answers_of_turns_are_told_as_far_as_a_reading_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ANSWER_BYTES", 4)
    uses = [replace(USE, answer=answer, answer_bytes=9) for answer in ((1, 2), (3, 4, 5), (6, 7), ())]
    found, _ = served(asked(*uses), lines(10, 0, 0))
    assert [one.answer for one in found] == [(1, 2), (), (6, 7), ()]
    assert [one.answer_bytes for one in found] == [9, 0, 9, 9]


def test_no_requests_no_records() -> None:
    assert served([], lines(1, 2, 3)) == ((), None)
