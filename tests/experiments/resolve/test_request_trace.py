"""Traces of requests: arrival times, and tokens of each request."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbon_data.types import DataError
from experiments.errors import UsageError
from experiments.resolve.request_trace import Requests, read_requests, within

AZURE = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2023-11-16 18:15:46.0,374,44\n2023-11-16 18:15:50.0,396,109\n2023-11-16 18:15:48.5,10,1\n"
)


def written(folder: Path, content: str) -> Path:
    path = folder / "trace.csv"
    path.write_text(content)
    return path


def read(path: Path, names: list[str], per_s: float | None = None, fraction: float = 1.0) -> list[Requests]:
    return read_requests(path, names, per_s=per_s, tokens_fraction=fraction)


def test_a_trace_file_gives_each_node_its_own_arrivals(tmp_path: Path) -> None:
    found = read(written(tmp_path, "arrival_s,node_id\n0.5,n1\n0.1,n0\n0.2,n1\n"), ["n0", "n1", "n2"])
    assert [each.times_s for each in found] == [(0.1,), (0.2, 0.5), ()]
    found = read(written(tmp_path, "arrival_s\n0.5\n0.1\n"), ["n0", "n1"])
    assert found == [Requests((0.1, 0.5))] * 2


def test_requests_with_tokens_go_to_the_nodes_in_turn_with_their_lengths(tmp_path: Path) -> None:
    first, second = read(written(tmp_path, AZURE), ["n0", "n1"], fraction=0.5)
    assert first == Requests((0.0, 2.5), ((187, 22), (5, 1)))
    assert second == Requests((4.0,), ((198, 54),))  # 54.5, to even


def test_times_are_stretched_to_a_rate_at_each_node(tmp_path: Path) -> None:
    found = read(written(tmp_path, AZURE), ["n0", "n1"], per_s=0.1)
    # Three requests at two nodes of 0.1 a second last 15 s.
    assert [each.times_s for each in found] == [(0.0, 9.375), (15.0,)]


def test_whole_seconds_may_stand_without_a_fraction(tmp_path: Path) -> None:
    """As in the traces of 2024."""
    rows = "2024-05-10 00:00:00.500000+00:00,10,5\n2024-05-10 00:00:02+00:00,20,6\n"
    (found,) = read(written(tmp_path, f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}"), ["n0"])
    assert found == Requests((0.0, 1.5), ((10, 5), (20, 6)))


def test_what_comes_after_the_end_is_left_out() -> None:
    assert within(Requests((1.0, 2.0, 3.0), ((1, 1), (2, 2), (3, 3))), 3.0) == Requests(
        (1.0, 2.0), ((1, 1), (2, 2))
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("when\n1\n", "arrival_s"),
        ("arrival_s\n-1\n", "time >= 0"),
        ("arrival_s\nsoon\n", "arrival_s"),
        ("arrival_s,node_id\n1,n9\n", "n9"),
        ("arrival_s,tokens_in\n1,5\n", "lacks tokens_out"),
        ("arrival_s,tokens_in,tokens_out\n1,5,-2\n", "no count"),
        ("arrival_s,tokens_in,tokens_out\n1,1e300,2\n", "no count"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\nnever,1,1\n", "no time"),
        (AZURE + ",5,5\n", "TIMESTAMP is empty in row 3"),
    ],
)
def test_a_trace_that_cannot_be_used_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises((UsageError, DataError), match=message):
        read(written(tmp_path, content), ["n0", "n1"])


def test_one_request_has_no_rate(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be stretched"):
        read(written(tmp_path, "arrival_s\n1\n"), ["n0"], per_s=1.0)
