"""Delivered bits and tokens of a booking by service: once, in proportion with waste, and in older documents."""

from __future__ import annotations

from typing import Any

import pytest

from carbon_data.storage import Balance
from coordinator.slots.booking import BookingContext, booking
from coordinator.slots.delivered import COUNTS, Counted, delivered_by_service
from protos.messages.slot import EnergyLine, Serving, Usage
from protos.messages.terms import Stage


def serving(service: str, requests: int, tokens_in: int, tokens_out: int, bits: int) -> Serving:
    return Serving(
        service, requests, tokens_in, tokens_out, bits, 0, 0.1, 0.2, 0.3, (5,), (requests,), 1.0, 0.5
    )


PARTS = (serving("images", 40, 0, 0, 4_000), serving("words", 8, 72, 40, 900))
OUTSIDE = serving("images", 5, 0, 0, 505)


def booked(counted: Counted, *, late: bool = False, outside: Serving | None = OUTSIDE) -> dict[str, Any]:
    lines = (EnergyLine(Stage.APPLICATION, "compute", 100, "modelled"),)
    usage = Usage("n0", "b", 1, 1, 3, lines, 0, (), (), 0, serving=PARTS, outside=outside)
    balance = Balance(**{**dict.fromkeys(Balance.__slots__, 0), "demand_uj": 100, "grid_uj": 100})
    context = BookingContext(Stage.APPLICATION, "NO", 20.0, 1e-6, (), counted)
    body = booking(usage, balance, context, late=late).body
    return {**body, "by_name": {part["service"]: part for part in body["services"]}}


def test_every_service_is_booked_as_it_was_served() -> None:
    body = booked(Counted(8, 0))
    assert {name: body["by_name"]["images"][name] for name in COUNTS} == {
        "requests": 45,
        "tokens_in": 0,
        "tokens_out": 0,
        "bits": 4_505,
    }
    words = body["by_name"]["words"]
    assert (words["requests"], words["tokens_in"], words["tokens_out"], words["bits"]) == (8, 72, 40, 900)
    assert [body[name] for name in COUNTS] == [53, 72, 40, 5_405]


def test_answers_of_wasted_batches_are_left_out_and_those_of_outsiders_stay() -> None:
    body = booked(Counted(3, 1))
    assert (body["by_name"]["words"]["tokens_in"], body["by_name"]["words"]["tokens_out"]) == (54, 30)
    assert body["by_name"]["images"]["requests"] == 30 + 5
    for name in COUNTS:
        assert body[name] == sum(part[name] for part in body["services"])


def test_a_late_reading_delivers_nothing() -> None:
    body = booked(Counted(4, 0), late=True)
    assert [body[name] for name in COUNTS] == [0, 0, 0, 0]
    assert body["services"] == []


@pytest.mark.parametrize(
    ("booking", "parts", "outside", "expected"),
    [
        # One service, half of it delivered.
        ({"requests": 4, "tokens": 20, "bits": 450}, ["words"], None, {"words": (4, 36, 20, 450)}),
        # Classes, which counted as tokens then.
        ({"requests": 40, "tokens": 40, "bits": 4_000}, ["images"], None, {"images": (40, 0, 0, 4_000)}),
        # Outside clients alone, and beside what the slot served: 14 of 16 requests, and the same of every service.
        ({"requests": 8, "tokens": 40, "bits": 900}, [], "words", {"words": (8, 72, 40, 900)}),
        (
            {"requests": 14, "tokens": 70, "bits": 1_575},
            ["words"],
            "words",
            {"words": (14, 126, 70, 1_574)},
        ),
        (
            {"requests": 24, "tokens": 40, "bits": 2_450},
            ["words"],
            "images",
            {"words": (4, 36, 20, 450), "images": (20, 0, 0, 2_000)},
        ),
        # No record of what was served: as many tokens as requests were classes.
        ({"requests": 7, "tokens": 7, "bits": 70}, [], None, {None: (7, 0, 0, 70)}),
        ({"requests": 7, "tokens": 112, "bits": 70}, [], None, {None: (7, 0, 112, 70)}),
        ({"requests": 0, "tokens": 0, "bits": 0}, [], None, {}),
    ],
)
def test_documents_of_older_versions_are_read(
    booking: dict[str, int],
    parts: list[str],
    outside: str | None,
    expected: dict[str | None, tuple[int, ...]],
) -> None:
    told = {"words": (8, 72, 40, 900), "images": (40, 0, 40, 4_000)}

    def part(name: str) -> dict[str, Any]:
        return {"service": name, **dict(zip(COUNTS, told[name], strict=True))}

    usage = {
        "serving": [part(name) for name in parts],
        "outside": None if outside is None else part(outside),
    }
    found = {
        part["service"]: tuple(part[name] for name in COUNTS) for part in delivered_by_service(booking, usage)
    }
    assert found == expected
