"""A booking against its reading: every joule of a language model's requests, and every token."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from coordinator.ledger.checks import readings as readings_module
from coordinator.ledger.checks.readings import Readings
from coordinator.slots.delivered import COUNTS
from tests.coordinator.ledger.checks.forging import (
    B0,
    LATE,
    U0,
    WASTED,
    Body,
    Forged,
    Outcomes,
    add,
    balance,
    body,
    eventful,
    kept,
    one_more,
    remove,
    silent,
)
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


def test_other_waste_is_none_of_the_requests_and_adds_up_with_theirs() -> None:
    usage = copy.deepcopy(SOUND)
    usage["lines"].append(line("waste", 300_000))
    assert "took 4000000 uJ, its lines of their work are 4300000 uJ" in found(usage)[0]
    assert found({**usage, "other_waste_uj": 300_000}) == []
    assert "took 4299999 uJ" in found({**usage, "other_waste_uj": 299_999})[0]
    answered = {**usage, "requests": [{**ONE, "prefill_uj": 2_500_000}], "other_waste_uj": 800_000}
    assert found(answered) == []
    less = copy.deepcopy(SOUND)
    less["requests"] = [{**ONE, "prefill_uj": 2_000_005}, DEAD]
    assert found({**less, "other_waste_uj": -5}) == ["its other waste is -5 uJ; allowed is >= 0"]


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (0, {"prefill_uj": 1_999_999}, "its requests and other waste took 3999999 uJ"),
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


def test_a_prompt_may_be_read_for_another_node_too_late_and_again() -> None:
    read = {**ONE, "owner": "n0", "part": "read", "tokens_out": 0, "content_bits": 0, "decode_uj": 0}
    usage = copy.deepcopy(SOUND)
    usage["lines"].append(line("compute", 2 * read["prefill_uj"]))
    usage["requests"] += [read, read]
    assert found(usage) == []


# --- forged ledgers --------------------------------------------------------------------------------------


def sensed(lines: str = "measured", **changes: Any) -> Callable[[Body], None]:
    """A reading as if a sensor had given it."""

    def change(b: Body) -> None:
        for line in b["lines"]:
            line["provenance"] = lines
        told = {"kind": "power", "half_width_uj": 9, "bias_uj": 5, "coverage_fraction": 1.0, "gaps": 0}
        b["metered"] = told | {"rate_hz": 10.0, "window_s": 1.0}
        b["metered"]["energy_uj"] = sum(line["energy_uj"] for line in b["lines"])
        b["metered"] |= changes

    return change


def panel(energy_uj: int) -> Body:
    known = {"kind": "power", "energy_uj": energy_uj, "half_width_uj": 9, "bias_uj": 0, "rate_hz": 1.0}
    return {**known, "coverage_fraction": 1.0, "gaps": 0, "window_s": 60.0}


def service(index: int, name: str, by: int) -> Callable[[Body], None]:
    """A figure of one service, and the sum of all services with it."""

    def change(b: Body) -> None:
        b["services"][index][name] += by
        b[name] += by

    return change


FORGED: dict[str, Forged] = {
    "another demand": Forged(
        "reading", "books another demand than the", (body(B0, balance(demand_uj=1, grid_uj=1)),)
    ),
    "another line": Forged("reading", "books another demand than the", (body(B0, one_more(0, "energy_uj")),)),
    "another harvest": Forged(
        "reading", "books another harvest than the 41000007 uJ metered", (body(B0, balance(harvest_uj=1)),)
    ),
    "grid energy of the lines": Forged(
        "reading", "the lines' grid energy is not the node's", (body(B0, one_more(0, "grid_uj")),)
    ),
    "a sensor that read something else": Forged(
        "reading",
        "reading of n00: the meter read 1000 uJ, its lines are",
        (body(U0, sensed(energy_uj=1_000)),),
    ),
    "modelled joules under a sensor's name": Forged(
        "reading", "its lines are not of a sensor of kind 'power'", (body(U0, sensed(lines="modelled")),)
    ),
    "a kind of sensor that there is not": Forged(
        "reading", "its lines are not of a sensor of kind 'guess'", (body(U0, sensed(kind="guess")),)
    ),
    "an estimate with an interval": Forged(
        "reading", "an estimate has an interval", (body(U0, sensed(kind="estimate", lines="modelled")),)
    ),
    "a bias above its half width": Forged(
        "reading", "an interval of 4 uJ on either side, 5 uJ of it bias", (body(U0, sensed(half_width_uj=4)),)
    ),
    "a measurement without an interval": Forged(
        "reading", "an interval of None uJ on either side", (body(U0, sensed(half_width_uj=None)),)
    ),
    "more than all of a window": Forged(
        "reading", "1.5 of 1.0 s covered at 10.0 samples", (body(U0, sensed(coverage_fraction=1.5)),)
    ),
    "tokens that were not generated": Forged(
        "delivered",
        "as delivered, the reading makes it {'text': ",
        (body(B0, lambda b: (b["services"][0].update(tokens_out=10**9), b.update(tokens_out=10**9))),),
    ),
    "tokens of no service": Forged(
        "delivered", "are not the sums of those of the services", (body(B0, add("tokens_in")),)
    ),
    "reading in no booking": Forged(
        "reading", "the reading of n02 is in no booking", (remove("booking/3/n02"),)
    ),
    **{
        f"{name} of wasted batches": eventful(
            "delivered", "as delivered, the reading makes it", body(WASTED, service(0, name, 1))
        )
        for name in ("requests", "tokens_in", "tokens_out", "bits")
    },
    **{
        f"{name} of outside clients": eventful(
            "delivered", "as delivered, the reading makes it", body(WASTED, service(1, name, -1))
        )
        for name in ("requests", "tokens_in", "tokens_out", "bits")
    },
    "outside clients left out": eventful(
        "delivered", "as delivered, the reading makes it", body(WASTED, lambda b: b["services"].pop())
    ),
    "delivered by a late reading": eventful(
        "delivered",
        "as delivered, the reading makes it {}",
        body(LATE, lambda b: b.update(services=[{"service": "text", **dict.fromkeys(COUNTS, 0)}])),
    ),
    "a late reading booked as in time": eventful(
        "delivered",
        "counts [] as delivered, the reading makes it {'text': {'requests': 0, ",
        body(LATE, lambda b: b.update(late=False)),
    ),
    "another harvest than the panel's": Forged(
        "reading",
        "the panel's meter read",
        (body(U0, lambda b: b.update(harvest_metered=panel(b["harvest_uj"] + 1))),),
    ),
}


KEPT = kept("readings")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    outcomes = [outcome(forged) for forged in FORGED.values()]
    assert silent(readings_module, outcomes, elsewhere=("requests: ",)) == []
