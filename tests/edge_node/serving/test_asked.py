"""Requests to a language model in a slot: their times, and their joules out of the slot's lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_node.serving import asked as module
from edge_node.serving.asked import Asked, served, timed
from edge_node.serving.tally import Service
from edge_node.workload import RequestUse
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


def asked(*uses: RequestUse) -> list[Asked]:
    return [Asked("n0", 4, place, use, 3.0, 1.0, 0.5) for place, use in enumerate(uses)]


def test_requests_share_the_lines_to_the_microjoule_by_their_own_readings() -> None:
    found = served(asked(USE, replace(USE, compute_j=1.0)), lines(1_000_001, 400_000, 0))
    assert sum(one.prefill_uj + one.decode_uj + one.waste_uj for one in found) == 1_400_001
    assert found[0].prefill_uj + found[0].decode_uj == pytest.approx(666_667 + 200_000, abs=1)
    assert found[0].prefill_uj == pytest.approx(0.25 * 866_667, abs=1)
    assert (found[0].owner, found[0].batch_id, found[1].place) == ("n0", 4, 1)
    assert (found[0].content_bits, found[0].wire_bytes) == (800, 1000)


def test_what_failed_is_waste_and_nothing_else() -> None:
    found = served(asked(USE, FAILED), lines(1_000_000, 400_000, 50_000))
    assert (found[0].waste_uj, found[1].waste_uj) == (0, 250_000)
    assert found[1].prefill_uj == found[1].decode_uj == 0
    assert (found[1].failed, found[1].first_token_s) == ("it died", None)


def test_where_all_failed_every_joule_is_waste() -> None:
    (one,) = served(asked(FAILED), lines(10, 400_000, 50_000))
    assert one.waste_uj == 450_010


def test_without_a_reading_of_each_they_share_by_seconds() -> None:
    found = served(asked(replace(USE, compute_j=None, seconds=3.0), USE), lines(1_000_000, 0, 0))
    assert [one.prefill_uj + one.decode_uj for one in found] == [750_000, 250_000]


def test_answers_of_turns_are_told_as_far_as_a_reading_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ANSWER_BYTES", 20)
    uses = [replace(USE, answer=answer, answer_bytes=9) for answer in ((1, 2), (3, 4, 5), (6, 7), ())]
    found = served(asked(*uses), lines(10, 0, 0))
    assert [one.answer for one in found] == [(1, 2), (), (6, 7), ()]
    assert [one.answer_bytes for one in found] == [9, 0, 9, 9]


def test_no_requests_no_records() -> None:
    assert served([], lines(1, 2, 3)) == ()


def test_requests_of_a_batch_are_answered_one_after_the_other() -> None:
    services = [Service(0.25, 0.75), Service(0.5, 1.5)]
    one, two = timed([USE, USE], services, [0.25, 0.5], [10.0, 11.0], 20.0)
    # The batch began at 17.0; the second request at 18.0.
    assert one == pytest.approx((8.0, 7.25, 0.1875))
    assert two == pytest.approx((9.0, 7.5, 0.375))
    assert timed([replace(USE, tokens_out=1)], services[:1], [0.25], [0.0], 1.0)[0][2] is None
