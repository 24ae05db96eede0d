"""Bodies of entries equal dataclasses.asdict, and refuse what no entry may hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import pytest

from coordinator.ledger.body import body_of
from protos.messages.terms import Stage


@dataclass(frozen=True)
class _Part:
    name: str
    amount: int | None


@dataclass(frozen=True)
class _Whole:
    stage: Stage
    share: float
    parts: tuple[_Part, ...]
    table: dict[str, str] = field(default_factory=dict)
    pairs: tuple[tuple[str, int], ...] = ()
    done: bool = False


def test_a_body_is_what_asdict_gives():
    whole = _Whole(Stage.DEVELOPMENT, 0.25, (_Part("a", 1), _Part("b", None)), {"k": "v"}, (("n1", 2),), True)
    assert body_of(whole) == asdict(whole)
    assert isinstance(body_of(whole)["pairs"][0], tuple)


def test_what_has_no_place_in_an_entry_is_refused():
    with pytest.raises(TypeError, match="bytes has no place in an entry"):
        body_of(_Whole(Stage.DEVELOPMENT, 0.25, (b"x",)))  # type: ignore[arg-type]
