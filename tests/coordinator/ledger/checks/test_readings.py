"""A booking against its reading: every joule of a language model's requests, and every token."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest

from coordinator.ledger.checks.readings import Readings
from tests.coordinator.tables.test_requests import DEAD, ONE


def line(component: str, energy_uj: int, stage: str = "application") -> dict[str, Any]:
    return {"stage": stage, "component": component, "energy_uj": energy_uj}


SOUND: dict[str, Any] = {
    "lines": [
        line("compute", 2_000_000),
        line("static", 1_500_000),
        line("waste", 500_000),
        line("radio_tx", 77),
        line("static", 99, "unallocated"),
    ],
    "serving": [{"service": "llm", "requests": 1, "tokens_in": 8, "tokens_out": 11, "bits": 800}],
    "requests": [ONE, DEAD],
}


def found(usage: dict[str, Any]) -> list[str]:
    said: list[str] = []
    readings = Readings(lambda check, where, text: said.append(text), SimpleNamespace(usage={}))  # type: ignore[arg-type]
    readings._requests(SimpleNamespace(where="slot 0", node="n0"), usage)  # type: ignore[arg-type]
    return said


def test_a_sound_reading_has_no_finding() -> None:
    assert found(SOUND) == []


def test_without_failed_requests_waste_is_none_of_theirs() -> None:
    usage = copy.deepcopy(SOUND)
    usage["requests"] = [{**ONE, "prefill_uj": 2_500_000}]
    assert found(usage) == []


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (0, {"prefill_uj": 1_999_999}, "its requests took 3999999 uJ"),
        (1, {"decode_uj": 5, "waste_uj": 999_995}, "a request that failed has useful joules"),
        (0, {"waste_uj": 5, "decode_uj": 999_995}, "answered has wasted joules"),
        (0, {"tokens_out": 12}, "its services"),
        (0, {"cached_tokens": 4}, "its services"),
        (1, {"place": 0}, "named twice"),
    ],
)
def test_what_does_not_add_up_is_found(place: int, change: dict[str, Any], message: str) -> None:
    usage = copy.deepcopy(SOUND)
    usage["requests"][place].update(change)
    assert any(message in text for text in found(usage))
