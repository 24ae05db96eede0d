"""The scenario file: its model, the refusals of what it may not hold, and its reference page."""

from __future__ import annotations

import contextlib
import math
import tomllib
from typing import Any

import tomli_w
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from experiments.errors import UsageError
from experiments.scenario.model import Scenario, parse_scenario
from tests.experiments.minimal import MINIMAL

WORDS = st.one_of(
    st.sampled_from(
        ["FR", "auto", "pass", "none", "pv", "trace", "digits", "local", "os:path", ":", "../x", "\x00"]
    ),
    st.text(max_size=8),
)
VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.sampled_from([0, 1, -1, 10**6, 10**30, 1e-300, 1e300, math.nan, math.inf]),
        st.floats(),
        st.datetimes(),
        WORDS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(WORDS, inner, max_size=2)),
    max_leaves=4,
)


def _paths(model: type[BaseModel]) -> list[tuple[str, ...]]:
    """Every key of the scenario's tables."""
    found: list[tuple[str, ...]] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += [(name, *path) for path in _paths(inner)]
        found.append((name,))
    return found


@given(st.lists(st.tuples(st.sampled_from(_paths(Scenario)), VALUES), min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_any_scenario_is_valid_or_refused_with_its_file(
    changes: list[tuple[tuple[str, ...], Any]],
) -> None:
    values: dict[str, Any] = tomllib.loads(MINIMAL)
    for path, value in changes:
        table = values
        for key in path[:-1]:
            inner = table.get(key)
            table[key] = table = inner if isinstance(inner, dict) else {}
        table[path[-1]] = value
    try:
        text = tomli_w.dumps(values)
    except (TypeError, ValueError, UnicodeError):
        assume(False)
    try:
        scenario = parse_scenario(text, "fuzz.toml")
    except UsageError as refused:
        message = str(refused)
    else:
        message = "" if scenario.node_count >= 1 else "no node at all"
    assert not message or message.startswith("fuzz.toml")


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_scenario_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        parse_scenario(text, "fuzz.toml")
