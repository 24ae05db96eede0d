"""A request that was answered: its time is divided by the server's timings, or by counted operations."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from edge_node.language.answered import Answering
from edge_node.language.ask import Said
from edge_node.language.asked import Asked
from edge_node.language.shape import Shape
from edge_node.meters.base import Work
from edge_node.meters.pieces import Piece
from protos.messages.terms import RequestPart

SAID = Said(
    cached_tokens=5,
    prefilled_tokens=3,
    tokens_out=4,
    prompt_s=0.5,
    predicted_s=1.5,
    first_s=0.6,
    duration_s=2.0,
    text_bytes=20,
    down_bytes=300,
)
ASKED = Asked(list(range(8)), 4, 12)
SHAPE = Shape(10.0, 5.0, 1.0)


def made(*, times: bool) -> tuple[Answering, list[Work]]:
    booked: list[Work] = []

    def end(work: Work, seconds: float) -> Piece:
        booked.append(work)
        return Piece(seconds, 2.0, None)

    server: Any = SimpleNamespace(cpu_s=lambda: 11.5)
    pieces: Any = SimpleNamespace(end=end, times=times)
    return Answering(server, pieces, SHAPE, 100), booked


def test_by_the_servers_timings() -> None:
    answering, booked = made(times=True)
    use = answering.use(ASKED, SAID, 10.0)
    assert (use.cached_tokens, use.prefilled_tokens, use.tokens_out) == (5, 3, 4)
    assert (use.seconds, use.prefill_fraction) == (1.5, pytest.approx(0.25))
    assert use.first_s == pytest.approx(0.6 / 2.0 * 1.5)
    assert (use.up_bytes, use.down_bytes, use.content_bits) == (112, 300, 8 * 32)
    assert [(work.flop, work.wasted) for work in booked] == [(use.flop, False)]
    assert use.flop == SHAPE.prefill_flop(3, 5) + SHAPE.decode_flop(8, 4)
    assert (use.part, use.cache_bytes, use.failed) == (RequestPart.WHOLE, 0, "")


def test_by_operations_where_the_meter_counts() -> None:
    use = made(times=False)[0].use(ASKED, SAID, 10.0)
    assert use.prefill_fraction == pytest.approx(1 - use.decode_flop / use.flop)
    assert use.first_s == pytest.approx(use.prefill_fraction * use.seconds)


def test_what_is_restored_before_delays_the_first_token_and_cpu_time_is_at_most_wall_time() -> None:
    answering, _ = made(times=True)
    use = answering.use(
        ASKED, SAID, 0.0, before_s=1.0, after_s=0.2, part=RequestPart.CONTINUED, cache_bytes=7
    )
    assert use.seconds == pytest.approx(3.2)
    assert use.first_s == pytest.approx(1.6)
    assert (use.part, use.cache_bytes) == (RequestPart.CONTINUED, 7)


def test_a_last_token_that_was_asked_again_is_counted_as_writing() -> None:
    answering, booked = made(times=False)
    once = answering.use(ASKED, SAID, 10.0)
    twice = answering.use(
        ASKED, SAID, 10.0, again=replace(SAID, cached_tokens=10, prefilled_tokens=1, tokens_out=1)
    )
    assert twice.flop - once.flop == twice.decode_flop - once.decode_flop == SHAPE.prefill_flop(1, 10)
    assert twice.tokens_out == once.tokens_out == 4
    assert [work.flop for work in booked] == [once.flop, twice.flop]
