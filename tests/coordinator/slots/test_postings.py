"""Entries and their postings, whole, by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from coordinator.ledger.entry import Entry, Kind, Posting, Unit
from coordinator.slots.lines import Parcels
from coordinator.slots.postings import (
    adjustment,
    alarm,
    booking_postings,
    gap,
    line_postings,
    message_key,
    opening,
    slot_end,
)
from protos.messages.runner import SlotSummary

UJ, PG = Unit.MICROJOULES, Unit.PICOGRAMS


def line(holder: str, component: str, energy_uj: int, operational_pg: int) -> dict[str, Any]:
    return {
        "node_id": holder,
        "zone": "Z0",
        "stage": "development",
        "component": component,
        "energy_uj": energy_uj,
        "grid_uj": energy_uj,
        "operational_pg": operational_pg,
        "provenance": "modelled",
    }


def same(found: Entry, wanted: Entry) -> None:
    """Equal, with the text that the ledger stores."""
    assert found == wanted
    assert found.text == wanted.text
    assert found.body == wanted.body


def test_key_of_a_message() -> None:
    assert message_key("n01", "boot7", 42) == "message/n01/boot7/42"


def test_opening_and_adjustment_move_a_battery_against_one_named_source() -> None:
    battery = Posting("node/n01/battery", UJ, 700)
    same(
        opening("n01", 3, 700),
        Entry(
            Kind.OPENING,
            "opening/n01",
            {"battery_uj": 700},
            (battery, Posting("node/n01/opening", UJ, -700)),
            3,
            "n01",
        ),
    )
    assert opening("n01", 3, 0).postings == ()
    same(
        adjustment("n01", 3, "message/n01/boot1/4", 1_000, 300),
        Entry(
            Kind.ADJUSTMENT,
            "adjustment/n01/message/n01/boot1/4",
            {"booked_uj": 1_000, "reported_uj": 300, "cause": "message/n01/boot1/4"},
            (Posting("node/n01/battery", UJ, -700), Posting("node/n01/adjustment", UJ, 700)),
            3,
            "n01",
        ),
    )


def test_a_gap_books_nothing_and_says_why() -> None:
    same(
        gap("n01", 3, "no reading"),
        Entry(Kind.GAP, "gap/3/n01", {"reason": "no reading", "provenance": "missing"}, (), 3, "n01"),
    )


def test_an_alarm_is_keyed_by_its_content() -> None:
    found = alarm("bad_usage", "n01", 3, "n01", {"reason": "too late", "seq": 5})
    body = {"alarm": "bad_usage", "reason": "too late", "seq": 5}
    same(found, Entry(Kind.ALARM, f"alarm/bad_usage/n01/{found.digest[:16]}", body, (), 3, "n01"))
    assert found.key != alarm("bad_usage", "n01", 4, "n01", {"reason": "too late", "seq": 5}).key
    assert found.key != alarm("bad_usage", "n01", 3, "n01", {"reason": "too late", "seq": 6}).key


def test_every_term_of_a_booking_is_posted_to_its_own_account() -> None:
    """Ends of a transfer: n01 gives 50 uJ to n02 and gets 27 of the 30 uJ that n03 sent."""
    balance = {
        "demand_uj": 0,
        "grid_uj": 11,
        "green_uj": 0,
        "harvest_uj": 13,
        "charge_uj": 0,
        "charge_loss_uj": 17,
        "discharge_uj": 0,
        "discharge_loss_uj": 19,
        "self_discharge_uj": 23,
        "export_uj": 50,
        "import_uj": 27,
        "curtailed_uj": 29,
        "battery_before_uj": 1_000,
        "battery_after_uj": 1_031,
    }
    transfers = [
        {"donor": "n01", "recipient": "n02", "sent_uj": 50, "received_uj": 48},
        {"donor": "n03", "recipient": "n01", "sent_uj": 30, "received_uj": 27},
    ]
    lines = [line("n01", "compute", 37, 41), line("network", "network", 43, 47)]
    found = booking_postings("n01", {"balance": balance, "transfers": transfers, "lines": lines})
    assert {(p.account, p.unit): p.amount for p in found} == {
        ("node/n01/grid", UJ): -11,
        ("node/n01/harvest", UJ): -13,
        ("node/n01/loss/charge", UJ): 17,
        ("node/n01/loss/discharge", UJ): 19,
        ("node/n01/loss/self_discharge", UJ): 23,
        ("node/n01/curtailed", UJ): 29,
        ("node/n01/battery", UJ): 31,
        ("transfer/n01->n02", UJ): 50,
        ("transfer/n03->n01", UJ): -30,
        ("loss/transfer/n03->n01", UJ): 3,
        ("node/n01/stage/development/compute", UJ): 37,
        ("node/n01/stage/development/compute", PG): -41,
        ("network/stage/development/network", UJ): 43,
        ("network/stage/development/network", PG): -47,
        ("network/grid", UJ): -43,
        ("atmosphere", PG): 41 + 47,
    }
    assert list(found) == sorted(found, key=lambda p: (p.account, p.unit))


def test_lines_of_nodes_and_of_holders() -> None:
    assert line_postings([line("n01", "compute", 5, 7), line("router", "router", 11, 13)]) == [
        Posting("node/n01/stage/development/compute", UJ, 5),
        Posting("node/n01/stage/development/compute", PG, -7),
        Posting("atmosphere", PG, 7),
        Posting("router/stage/development/router", UJ, 11),
        Posting("router/grid", UJ, -11),
        Posting("router/stage/development/router", PG, -13),
        Posting("atmosphere", PG, 13),
    ]


def test_the_end_of_a_slot_holds_summary_lines_and_parcels() -> None:
    summary = SlotSummary(4, 13, 11, 0, 11, 2, 3, 5, 1, ("n00",), ("n01",))
    rows, parcels = [line("router", "router", 11, 13)], [Parcels("n00", "n01", 2, 2_000)]
    same(
        slot_end(summary, rows, parcels),
        Entry(
            Kind.SLOT_END,
            "slot_end/4",
            {"summary": asdict(summary), "lines": rows, "parcels": [asdict(parcels[0])]},
            (
                Posting("atmosphere", PG, 13),
                Posting("router/grid", UJ, -11),
                Posting("router/stage/development/router", PG, -13),
                Posting("router/stage/development/router", UJ, 11),
            ),
            4,
        ),
    )
