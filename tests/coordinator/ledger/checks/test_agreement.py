"""Forged ledgers: documents that do not agree with each other."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from coordinator.ledger.checks import agreement
from coordinator.ledger.checks.agreement import Agreement
from coordinator.ledger.checks.facts import Facts
from tests.coordinator.ledger.checks.forging import (
    B0,
    U0,
    Body,
    Change,
    Forged,
    Outcomes,
    body,
    eventful,
    kept,
    key_of,
    line_of,
    negotiated,
    silent,
    sql,
)

REGISTRATION = "registration/n00/boot1"


def users_of(owner: str) -> Callable[[Body], None]:
    """The first line of somebody's users, given to those of ``owner``."""
    return lambda b: next(line for line in b["lines"] if "users" in line).update(users=owner)


def adjusted_by(cause: str) -> Change:
    """The first adjustment, given another cause."""

    def run(connection: sqlite3.Connection) -> None:
        (key,) = connection.execute("SELECT key FROM entries WHERE kind = 'adjustment'").fetchone()
        body(key, lambda b: b.update(cause=cause))(connection)

    return run


FORGED: dict[str, Forged] = {
    "registered under another name": Forged(
        "agreement", "registers n09", (body(REGISTRATION, lambda b: b.update(node_id="n09")),)
    ),
    "message of another slot": Forged(
        "agreement", "is entered for slot 0", (body(U0, lambda b: b.update(slot=1)),)
    ),
    "key of a registration": Forged(
        "keys",
        "not that of the registration",
        (sql(f"UPDATE entries SET key = '{REGISTRATION}x' WHERE key = '{REGISTRATION}'"),),
    ),
    "message of a start that never registered": Forged(
        "agreement",
        "never registered",
        (body(REGISTRATION, lambda b: b.update(boot_id=b["boot_id"] + "0")),),
    ),
    "telemetry of another battery": Forged(
        "battery", "tells of 1 uJ", (body(key_of("telemetry", "n00", 0), lambda b: b.update(battery_uj=1)),)
    ),
    "settlement of another epoch": Forged(
        "epoch", "settled in epoch 2", (body(key_of("settlement", "n00", 0), lambda b: b.update(epoch=2)),)
    ),
    "settlement of another balance": Forged(
        "agreement",
        "not the one that the node settled",
        (body(key_of("settlement", "n00", 0), lambda b: b.update(curtailed_uj=b["curtailed_uj"] + 1)),),
    ),
    "stage of a decision": Forged(
        "agreement", "not as configured", (body("decision/0", lambda b: b.update(stage="recycling")),)
    ),
    "slot of a plan": Forged(
        "agreement", "its plan is of slot 3", (body("decision/0", lambda b: b["plan"].update(slot=3)),)
    ),
    "stage of one decision": Forged(
        "agreement",
        "n00 is told another slot, stage or epoch",
        (body("decision/0", lambda b: b["plan"]["decisions"][0].update(stage="recycling")),),
    ),
    "nodes of a decision": Forged(
        "agreement", "is for ['n01'", (body("decision/0", lambda b: b["node_ids"].remove("n00")),)
    ),
    "a guest that nobody sends": eventful(
        "agreement",
        "executors expect",
        body("decision/0", lambda b: b["plan"]["decisions"][1]["guests"][0].update(batches=99)),
    ),
    "an export that no transfer has": Forged(
        "agreement",
        "nodes are told",
        (body("decision/0", lambda b: b["plan"]["decisions"][0].update(export_uj=12345)),),
    ),
    "batches named otherwise": Forged(
        "agreement",
        "the batches that it names",
        (body(B0, lambda b: b["executed"].append(["n01", 0])),),
    ),
    "model bytes": Forged(
        "agreement", "other model bytes", (body(B0, lambda b: b.update(model_bytes=b["model_bytes"] + 1)),)
    ),
    "reading of another message": Forged(
        "agreement", "its reading is message/n00", (body(B0, lambda b: b.update(reading="message/n00/x/1")),)
    ),
    "called an estimate": Forged(
        "agreement", "estimated exactly where", (body(B0, lambda b: b.update(estimated=True)),)
    ),
    "a modelled joule called measured": Forged(
        "agreement", "static is measured, allowed is", (body(B0, line_of("static", provenance="measured")),)
    ),
    "a shared joule called measured": Forged(
        "agreement",
        "coordinator is measured",
        (body("slot_end/0", line_of("coordinator", provenance="measured")),),
    ),
    "users of another node": eventful(
        "agreement", "has lines for users of", body("booking/0/n01", users_of("n09"))
    ),
    "a start that never registered": negotiated(
        "agreement", "never registered", body("decision/0", lambda b: b["boots"].update(n00="boot9"))
    ),
    "a gap called measured": Forged(
        "agreement", "a gap is measured", (body("gap/3/n03", lambda b: b.update(provenance="measured")),)
    ),
    "cause of an adjustment": eventful("keys", "the adjustment's cause", adjusted_by("message/n09/x/1")),
    "transfer of a booking": eventful(
        "agreement",
        "its transfers are not those",
        body("booking/3/n02", lambda b: b["transfers"][0].update(reason="for nothing")),
    ),
    "parcels of a slot": eventful(
        "agreement", "names parcels", body("slot_end/0", lambda b: b["parcels"][0].update(batches=99))
    ),
}


@pytest.mark.parametrize("computed", [True, False])
def test_waste_has_the_provenance_of_the_readings_waste_or_computation(computed: bool) -> None:
    """A slot whose requests to a language model all failed has waste, and no computation."""
    said: list[str] = []
    waste = {
        "stage": "application",
        "component": "waste",
        "provenance": "modelled",
        "node_id": "n0",
        "energy_uj": 5,
    }
    usage = {"lines": [{**waste, "component": "compute"} if computed else waste]}
    checks = Agreement(lambda check, where, text: said.append(text), Facts())

    def look(provenance: str) -> None:
        booked = SimpleNamespace(body={"lines": [{**waste, "provenance": provenance}]}, where="slot 0")
        checks._provenance(booked, usage)  # type: ignore[arg-type]

    look("modelled")
    assert said == []
    look("measured")
    assert said == ["application/waste is measured, allowed is ['modelled']"]


KEPT = kept("agreement")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    assert silent(agreement, [outcome(forged) for forged in FORGED.values()]) == []
