"""A request that failed: its joules are waste, and a server that went away is dropped."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edge_node.language.ask import AskError, GoneError
from edge_node.language.asked import Asked
from edge_node.language.failed import Failing
from edge_node.language.shape import Shape
from edge_node.meters.base import Work
from edge_node.meters.pieces import Piece
from protos.messages.terms import RequestPart


def made() -> tuple[Failing, list[Work], list[str]]:
    booked: list[Work] = []
    dropped: list[str] = []

    def end(work: Work, seconds: float) -> Piece:
        booked.append(work)
        return Piece(seconds, 2.0, None)

    server: Any = SimpleNamespace(cpu_s=lambda: 3.0, drop=lambda: dropped.append("dropped"))
    pieces: Any = SimpleNamespace(end=end)
    return Failing(server, pieces, Shape(10.0, 5.0, 1.0), 100), booked, dropped


@pytest.mark.parametrize(
    ("error", "begun"), [(AskError("too long"), False), (GoneError("it died", 2, 50), True)]
)
def test_what_it_took_is_waste(error: AskError, begun: bool) -> None:
    failing, booked, dropped = made()
    use = failing.use(Asked([1, 2, 3], 4, 12), error, 1.0, RequestPart.READ_AGAIN)
    assert (use.failed, use.part, use.seconds, use.compute_j) == (
        str(error),
        RequestPart.READ_AGAIN,
        2.0,
        2.0,
    )
    assert (use.cached_tokens, use.prefilled_tokens, use.tokens_out, use.content_bits) == (0, 0, 0, 0)
    assert (use.up_bytes, use.down_bytes) == (112, error.down_bytes)
    assert [work.wasted for work in booked] == [True]
    assert (use.flop > 0) is begun
    assert dropped == (["dropped"] if begun else [])
