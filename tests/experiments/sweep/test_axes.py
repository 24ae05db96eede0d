"""Axes: lists, ranges, intervals, and what is refused."""

from __future__ import annotations

import pytest

from experiments.errors import UsageError
from experiments.sweep.axes import Axis, axes_of, parse_axes, parse_axis, takes_whole_numbers


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("network.transport=wifi-low, wifi-high", ("wifi-low", "wifi-high")),
        ("limits.offload_cap_fraction=0:1:0.25", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("nodes.count=1:5:2", (1, 3, 5)),
        ("nodes.count=1:4:2", (1, 3)),
        ("a.b=true,2,2.5,x", (True, 2, 2.5, "x")),
        ('nodes=[{zone = "DE"}],[{zone = "FR"}]', ([{"zone": "DE"}], [{"zone": "FR"}])),
        ("a=-1:1:1", (-1, 0, 1)),
    ],
)
def test_values(text: str, values: tuple[object, ...]) -> None:
    assert parse_axis(text).values == values


def test_steps_do_not_drift() -> None:
    assert parse_axis("a=0:0.3:0.1").values == (0.0, 0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["x"], "KEY=VALUES"),
        (["x="], "no value"),
        (["a b=1"], "dotted key"),
        (["seed=1,2"], "--seeds N"),
        (["name=a"], "no figure depends"),
        (["a=1,1.0"], "given twice"),
        (["a=1:0:1"], "LOW must not be above HIGH"),
        (["a=0:1:0"], "STEP above 0"),
        (["a=0:1:1e-9"], "allowed are up to"),
        (["a=0:1"], "write 0:1:STEP"),
        (["a.b=1", "a.b=2"], "--set a.b is given twice"),
        (["a=1", "a.b=2"], "set the same key"),
    ],
)
def test_refusals_say_what_to_do(texts: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_axes(texts, random=False)


def test_true_is_not_one() -> None:
    assert parse_axis("a=true,1").values == (True, 1)


def test_an_interval_is_whole_where_the_key_is() -> None:
    assert parse_axis("nodes.count=1:9", random=True) == Axis("nodes.count", (1, 9), interval=True)
    low, high = parse_axis("limits.offload_cap_fraction=0:1", random=True).values
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert takes_whole_numbers("nodes.0.count")
    assert not takes_whole_numbers("no.such.key")


def test_axes_of_a_call() -> None:
    numpy = pytest.importorskip("numpy")
    found = axes_of({"a": [1, 2], "b": "0:1:0.5", "c": numpy.array([1.5, 2.5])}, random=False)
    assert [axis.values for axis in found] == [(1, 2), (0.0, 0.5, 1.0), (1.5, 2.5)]
    assert type(found[2].values[0]) is float
    with pytest.raises(UsageError, match=r"give e\.g\. \[3\]"):
        axes_of({"a": 3}, random=False)
