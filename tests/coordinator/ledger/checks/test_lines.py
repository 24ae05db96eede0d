"""Lines of a ledger computed again: a slot in which a node used nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from coordinator.ledger.checks import lines as lines_module
from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Item
from coordinator.ledger.checks.lines import Lines
from coordinator.ledger.entry import Kind
from tests.coordinator.ledger.checks.forging import (
    B0,
    LATE,
    WASTED,
    Body,
    Forged,
    Outcomes,
    body,
    eventful,
    kept,
    line_of,
    negotiated,
    silent,
    usage_of,
)


def item(kind: Kind, body: dict[str, Any], node: str = "") -> Item:
    return Item(kind, "key", 0, node, body, (), "here", 0)


def test_lines_of_no_joule_have_no_share() -> None:
    """Nothing metered, nothing booked: no finding, and three microjoules of grid energy are one."""
    found: list[tuple[str, str, str]] = []
    facts = Facts()
    lines = Lines(lambda *finding: found.append(finding), facts, 1)
    zone = {"zone": "Z0", "intensity_g_per_kwh": (36.0,)}
    lines.take_start(
        item(Kind.START, {"epoch": 1, "config": {"zones": [zone], "limits": {"net_j_per_byte": 1e-6}}})
    )
    lines.take_registration(item(Kind.REGISTRATION, {"profile": {"zone": "Z0"}}, "n00"))
    line = {
        "node_id": "n00",
        "zone": "Z0",
        "stage": "development",
        "component": "static",
        "energy_uj": 0,
        "grid_uj": 0,
        "operational_pg": 0,
    }
    facts.usage[0, "n00"] = {"lines": [line], "model_bytes": 0, "users": (), "moved": ()}
    body = {
        "zone": "Z0",
        "intensity_g_per_kwh": 36.0,
        "stage": "development",
        "executed_batches": 0,
        "wasted_batches": 0,
        "late": False,
        "balance": {"demand_uj": 0, "grid_uj": 0},
        "lines": [line],
    }
    lines.take_booking(item(Kind.BOOKING, body, "n00"))
    assert found == []
    lines.take_booking(item(Kind.BOOKING, {**body, "lines": [{**line, "grid_uj": 3}]}, "n00"))
    assert found == [("lines", "here", "development/static has another share than its energy's")]


# --- a slot by hand, and everything that is said of each change of it -------------------------------------

SERIES = {"A": (100.0, 36.0), "B": (50.0, 9.0), "C": (7.0, 18.0)}
CONFIG = {
    "zones": [{"zone": zone, "intensity_g_per_kwh": series} for zone, series in SERIES.items()],
    "limits": {"net_j_per_byte": 2e-6},
    "body": {"zone": "B", "static_w": 3.0, "router_w": 1.5},
    "slot_s": 60.0,
}
PROFILES = {
    "n0": {"zone": "A", "tx_j_per_byte": 1e-6, "rx_j_per_byte": 3e-6},
    "n1": {"zone": "C", "tx_j_per_byte": 5e-6, "rx_j_per_byte": 7e-6},
    "n2": {"zone": "A", "tx_j_per_byte": 11e-6, "rx_j_per_byte": 13e-6},
}
DEV, APP = "development", "application"
Row = dict[str, Any]


def line(
    node: str, zone: str, stage: str, component: str, energy: int, grams: int, grid: int | None = None
) -> Row:
    return {
        "node_id": node,
        "zone": zone,
        "stage": stage,
        "component": component,
        "energy_uj": energy,
        "grid_uj": energy if grid is None else grid,
        "operational_pg": grams,
    }


def usage() -> Row:
    """Seven batches ran, two of them waste; users of n1 and n2 asked n0; parcels went to n1 and came from both."""
    return {
        "lines": [
            line("n0", "", DEV, "compute", 700, 0),
            line("n0", "", DEV, "compute", 3, 0),
            line("n0", "", DEV, "static", 200, 0),
            line("n0", "", "unallocated", "compute", 97, 0),
            line("n0", "", DEV, "radio_tx", 0, 0),
        ],
        "model_bytes": 5,
        "users": [
            {"owner": "n1", "stage": APP, "up_bytes": 10, "down_bytes": 3},
            {"owner": "n2", "stage": APP, "up_bytes": 0, "down_bytes": 4},
        ],
        "moved": [
            {"sent": True, "peer": "n1", "payload_bytes": 3},
            {"sent": False, "peer": "n2", "payload_bytes": 4},
            {"sent": False, "peer": "n1", "payload_bytes": 5},
        ],
    }


def booking() -> Row:
    """400 of 1,000 uJ from the grid, at 36 g/kWh: 4,000 pg. Of 703 uJ of compute 700 and 3 are shared out by batches:
    200 and 0 are waste. Network of the model: 10 uJ at 36; of users: 26 uJ between C and A at 27, 8 uJ within A."""
    return {
        "zone": "A",
        "intensity_g_per_kwh": 36.0,
        "stage": DEV,
        "executed_batches": 5,
        "wasted_batches": 2,
        "late": False,
        "balance": {"demand_uj": 1000, "grid_uj": 400},
        "lines": [
            line("n0", "A", DEV, "compute", 503, 2012, 201),
            line("n0", "A", DEV, "waste", 200, 800, 80),
            line("n0", "A", DEV, "static", 200, 800, 80),
            line("n0", "A", "unallocated", "compute", 97, 388, 39),
            line("network", "A", DEV, "network", 10, 100),
            line("devices", "C", APP, "radio_tx", 50, 250),
            line("devices", "C", APP, "radio_rx", 21, 105),
            line("network", "C+A", APP, "network", 26, 195),
            line("devices", "A", APP, "radio_rx", 52, 520),
            line("network", "A", APP, "network", 8, 80),
        ],
    }


PARCELS = [line("network", "A+C", DEV, "network", 6, 45), line("network", "A", DEV, "network", 8, 80)]
"""Of the slot: 6 uJ between A and C at 27, 8 uJ within A at 36."""
FROM_N1 = line("network", "C+A", DEV, "network", 10, 75)


def slot_end() -> Row:
    """The market: n0 and n2 of zone A 7 bytes, n1 of zone C 5 bytes; 14 uJ at 22.5, 10 uJ at 13.5."""
    return {
        "parcels": [
            {"owner": "n0", "executor": "n1", "payload_bytes": 3},
            {"owner": "n2", "executor": "n0", "payload_bytes": 4},
            {"owner": "n2", "executor": "n1", "payload_bytes": 0},
        ],
        "lines": [
            *(dict(each) for each in PARCELS),
            line("network", "A+B", DEV, "negotiation", 14, 88),
            line("network", "C+B", DEV, "negotiation", 10, 38),
            line("coordinator", "B", DEV, "coordinator", 180_000_007, 450_000_018),
            line("router", "B", DEV, "router", 90_000_000, 225_000_000),
        ],
    }


MARKET = {"down_bytes": {"n0": 1, "n1": 2, "n2": 4}, "up_bytes": {"n0": 2, "n1": 3}}
Said = list[tuple[str, str, str]]


def lines_by_hand(resolution_pg: int = 1, market: Row | None = MARKET) -> tuple[Lines, Facts, Said]:
    found: Said = []
    facts = Facts()
    lines = Lines(lambda *finding: found.append(finding), facts, resolution_pg)
    lines.take_start(item(Kind.START, {"epoch": 1, "config": CONFIG}))
    lines.take_start(item(Kind.START, {"epoch": 2}))
    for node, profile in PROFILES.items():
        lines.take_registration(item(Kind.REGISTRATION, {"profile": profile}, node))
    facts.usage[1, "n0"] = usage()
    facts.decisions[1] = {"stage": DEV} | ({} if market is None else {"market": market})
    return lines, facts, found


def booked(change: Callable[[Row, Row], None], resolution_pg: int = 1) -> list[str]:
    lines, facts, found = lines_by_hand(resolution_pg)
    body = booking()
    change(body, facts.usage[1, "n0"])  # type: ignore[arg-type]
    lines.take_booking(dataclasses.replace(item(Kind.BOOKING, body, "n0"), slot=1))
    assert all(found_[:2] == ("lines", "here") for found_ in found)
    return [text for _, _, text in found]


def at(place: int, **changes: Any) -> Callable[[Row, Row], None]:
    return lambda body, _: body["lines"][place].update(changes)


def used(place: str, index: int, **changes: Any) -> Callable[[Row, Row], None]:
    return lambda _, usage: usage[place][index].update(changes)


def with_parcels(late: bool, *places: int) -> Callable[[Row, Row], None]:
    return lambda body, _: (
        body.update(late=late),
        body["lines"].extend(dict([*PARCELS, FROM_N1][each]) for each in places),
    )


BESIDE = "the lines beside n0's own are not those of its bytes"
METERED = "lines are not those metered, 2 batches being waste"
GRAMS = "emissions are not (L1) of the node's grid energy"
ZONE = "zone or intensity are not those of n0 in slot 1"


def share(stage: str, component: str) -> str:
    return f"{stage}/{component} has another share than its energy's"


def grams_moved(amount: int) -> Callable[[Row, Row], None]:
    def change(body: Row, _: Row) -> None:
        body["lines"][0]["operational_pg"] += amount
        body["lines"][2]["operational_pg"] -= amount

    return change


CHANGES: list[tuple[Callable[[Row, Row], Any], list[str]]] = [
    (lambda *_: None, []),
    (lambda body, _: body.update(zone="C"), [ZONE]),
    (lambda body, _: body.update(intensity_g_per_kwh=100.0), [ZONE]),
    (at(0, energy_uj=504), [METERED, share(DEV, "compute")]),
    (at(1, component="wake"), [METERED]),
    (at(2, stage="recycling"), [METERED]),
    (at(0, zone="C"), [share(DEV, "compute")]),
    (at(0, grid_uj=203), []),
    (at(0, grid_uj=204), [share(DEV, "compute")]),
    (at(0, grid_uj=198), [share(DEV, "compute")]),
    (at(0, operational_pg=2013), [GRAMS]),
    (grams_moved(1), []),
    (grams_moved(2), []),
    (grams_moved(3), [share(DEV, "compute"), share(DEV, "static")]),
    (grams_moved(-3), [share(DEV, "compute"), share(DEV, "static")]),
    (lambda body, _: body["balance"].update(grid_uj=401), [GRAMS, share(DEV, "compute")]),
    (lambda body, _: body.update(wasted_batches=0), ["lines are not those metered, 0 batches being waste"]),
    (lambda body, _: body.update(executed_batches=6), [METERED]),
    (lambda body, _: body["lines"].pop(4), [BESIDE]),
    *((at(place, operational_pg=7), [BESIDE]) for place in range(4, 10)),
    *((at(place, energy_uj=7), [BESIDE]) for place in range(4, 10)),
    *((at(place, grid_uj=7), [BESIDE]) for place in range(4, 10)),
    *((at(place, zone="B"), [BESIDE]) for place in range(4, 10)),
    *((at(place, component="wake"), [BESIDE]) for place in range(4, 10)),
    *((at(place, stage="recycling"), [BESIDE]) for place in range(4, 10)),
    (used("users", 0, up_bytes=11), [BESIDE]),
    (used("users", 0, down_bytes=4), [BESIDE]),
    (used("users", 1, owner="n1"), [BESIDE]),
    (used("users", 1, stage=DEV), [BESIDE]),
    (lambda _, usage: usage.update(model_bytes=6), [BESIDE]),
    (lambda _, usage: usage.pop("users"), [BESIDE]),
    (used("lines", 0, energy_uj=701), [METERED]),
    # what a reading that came late may have beside it: the parcels that it counted, and no other
    (with_parcels(True), []),
    (with_parcels(True, 0), []),
    (with_parcels(True, 1), []),
    (with_parcels(True, 0, 1, 2), []),
    (with_parcels(True, 2), []),
    (with_parcels(True, 0, 0), [BESIDE]),
    (with_parcels(False, 0), [BESIDE]),
    (lambda body, usage: (body.update(late=True), body["lines"].pop(4)), [BESIDE]),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_everything_is_said_of_a_changed_booking(number: int) -> None:
    change, said = CHANGES[number]
    assert booked(change) == said


def ended(change: Callable[[Row], Any], market: Row | None = MARKET) -> list[str]:
    lines, _, found = lines_by_hand(market=market)
    body = slot_end()
    change(body)
    lines.take_slot_end(dataclasses.replace(item(Kind.SLOT_END, body), slot=1))
    assert all(found_[:2] == ("lines", "here") for found_ in found)
    return [text for _, _, text in found]


def end(place: int, **changes: Any) -> Callable[[Row], Any]:
    return lambda body: body["lines"][place].update(changes)


NETWORK = "the network's lines are not those of the slot's bytes"


def power(node: str) -> str:
    return f"the line of the {node} does not follow from its power"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: None, []),
        *(
            (end(place, **{name: value}), [NETWORK])
            for place in range(4)
            for name, value in (
                ("energy_uj", 7),
                ("grid_uj", 7),
                ("operational_pg", 7),
                ("zone", "B"),
                ("stage", APP),
                ("component", "wake"),
            )
        ),
        *(
            (end(place, **{name: value}), [power(node)])
            for place, node in ((4, "coordinator"), (5, "router"))
            for name, value in (
                ("energy_uj", 7),
                ("grid_uj", 7),
                ("operational_pg", 7),
                ("zone", "A"),
                ("stage", APP),
            )
        ),
        (end(4, energy_uj=180_000_000, grid_uj=180_000_000, operational_pg=450_000_000), []),
        (
            end(4, energy_uj=179_999_999, grid_uj=179_999_999, operational_pg=449_999_998),
            [power("coordinator")],
        ),
        (end(5, energy_uj=90_000_001, grid_uj=90_000_001, operational_pg=225_000_002), [power("router")]),
        (end(5, energy_uj=89_999_999, grid_uj=89_999_999, operational_pg=224_999_998), [power("router")]),
        (lambda body: body["lines"].pop(0), [NETWORK]),
        (lambda body: body["lines"].append(dict(PARCELS[0])), [NETWORK]),
        (lambda body: body["parcels"].pop(0), [NETWORK]),
        (lambda body: body["parcels"].pop(2), []),
    ],
)
def test_everything_is_said_of_a_changed_end_of_a_slot(change: Callable[[Row], Any], said: list[str]) -> None:
    assert ended(change) == said


def test_without_a_market_no_line_is_its() -> None:
    assert ended(lambda _: None, market=None) == [NETWORK]
    assert ended(lambda body: (body["lines"].pop(2), body["lines"].pop(2)), market=None) == []


def test_emissions_are_rounded_to_what_the_file_holds() -> None:
    """In nanograms: every line's grams are whole thousands, and shares may differ by two of them."""
    lines, _, _ = lines_by_hand(1000)
    assert [lines._rounded(Fraction(n)) for n in (0, 499, 500, 501, 1500, 2500, 2501)] == [
        *(0, 0, 0, 1000, 2000, 2000, 3000)
    ]
    wide = lines_by_hand(1000)[0]
    assert wide._line("x", ("A", "C"), 1, DEV, "network", 200) == ("x", "A+C", DEV, "network", 200, 200, 2000)
    assert wide._line("x", ("A",), 0, DEV, "wake", 36) == ("x", "A", DEV, "wake", 36, 36, 1000)


# --- forged ledgers --------------------------------------------------------------------------------------


def without_user_lines(b: Body) -> None:
    b["lines"] = [line for line in b["lines"] if "users" not in line]


def own_line(b: Body) -> Body:
    return next(line for line in b["lines"] if line["component"] == "compute")


def router(b: Body) -> Body:
    return next(line for line in b["lines"] if line["node_id"] == "router")


def shifted_grams(b: Body) -> None:
    one, two = (line for line in b["lines"] if line["node_id"] == "n00")
    assert one["operational_pg"] > 1000
    one["operational_pg"] -= 1000
    two["operational_pg"] += 1000


FORGED: dict[str, Forged] = {
    "zone of another node": Forged(
        "lines", "zone or intensity are not those of n00", (body(B0, lambda b: b.update(zone="Z1")),)
    ),
    "intensity of another slot": Forged(
        "lines", "zone or intensity are not those", (body(B0, lambda b: b.update(intensity_g_per_kwh=7.5)),)
    ),
    "answers without their cost": Forged(
        "lines", "the lines beside n00's own are not those", (body(B0, without_user_lines),)
    ),
    "more bytes than the radio carried": Forged(
        "lines",
        "the lines beside n00's own are not those",
        (usage_of("n00", lambda b: b["users"][0].update(up_bytes=b["users"][0]["up_bytes"] + 50_000)),),
    ),
    "compute called static": Forged(
        "lines", "lines are not those metered", (body(B0, lambda b: own_line(b).update(component="static")),)
    ),
    "fewer grams": Forged(
        "lines",
        "emissions are not (L1) of the node's grid energy",
        (body("booking/1/n01", lambda b: b["lines"][0].update(operational_pg=1)),),
    ),
    "grams moved to another line": Forged(
        "lines", "has another share than its energy's", (body(B0, shifted_grams),)
    ),
    "network of a parcel": Forged(
        "lines",
        "the network's lines are not those of the slot's bytes",
        (body("slot_end/0", lambda b: b["parcels"][0].update(payload_bytes=77)),),
    ),
    "cheaper router": Forged(
        "lines",
        "the line of the router does not follow from its power",
        (body("slot_end/0", lambda b: router(b).update(energy_uj=1, grid_uj=1, operational_pg=0)),),
    ),
    "waste called compute": eventful(
        "lines",
        "lines are not those metered, 2 batches being waste",
        body(WASTED, line_of("waste", component="compute")),
    ),
    "a microjoule of waste called compute": eventful(
        "lines",
        "lines are not those metered, 2 batches being waste",
        body(WASTED, lambda b: (line_of("waste", energy_uj=-1)(b), line_of("compute", energy_uj=1)(b))),
    ),
    "network of a late parcel": eventful(
        "lines",
        "the lines beside n02's own are not those",
        body(LATE, line_of("network", "network", energy_uj=2, grid_uj=2)),
    ),
    "users' devices at another zone": eventful(
        "lines",
        "the lines beside n01's own are not those",
        body("booking/3/n01", line_of("radio_tx", "devices", zone="Z0")),
    ),
    "users' devices hear less": eventful(
        "lines",
        "the lines beside n01's own are not those",
        body("booking/3/n01", line_of("radio_rx", "devices", energy_uj=-1, grid_uj=-1)),
    ),
    "network of a model": eventful(
        "lines",
        "the lines beside n00's own are not those",
        body("booking/3/n00", lambda b: b["lines"].pop(2)),
    ),
    "network of users": eventful(
        "lines",
        "the lines beside n00's own are not those",
        body("booking/3/n00", lambda b: b["lines"].pop()),
    ),
    "coordinator below its static power": eventful(
        "lines",
        "the line of the coordinator does not follow from its power",
        body("slot_end/3", line_of("coordinator", energy_uj=-200_000, grid_uj=-200_000)),
    ),
    "coordinator in another zone": eventful(
        "lines",
        "the line of the coordinator does not follow from its power",
        body("slot_end/3", line_of("coordinator", zone="Z1")),
    ),
    "a picogram of the router": eventful(
        "lines",
        "the line of the router does not follow from its power",
        body("slot_end/3", line_of("router", operational_pg=1)),
    ),
    "a parcel left out": eventful(
        "lines",
        "the network's lines are not those",
        body("slot_end/3", lambda b: b["parcels"].pop()),
    ),
    "a line of a node in another zone": eventful(
        "lines",
        "development/compute has another share than its energy's",
        body("booking/3/n00", line_of("compute", zone="Z1")),
    ),
    "a line of a node with three microjoules more of the grid": eventful(
        "lines",
        "development/compute has another share than its energy's",
        body(
            "booking/3/n00",
            lambda b: (line_of("compute", grid_uj=3)(b), line_of("static", grid_uj=-3)(b)),
        ),
    ),
    "a byte of a market": negotiated(
        "lines",
        "the network's lines are not those",
        body("decision/1", lambda b: b["market"]["up_bytes"].update(n00=b["market"]["up_bytes"]["n00"] + 1)),
    ),
    "a byte to a market": negotiated(
        "lines",
        "the network's lines are not those",
        body(
            "decision/1", lambda b: b["market"]["down_bytes"].update(n01=b["market"]["down_bytes"]["n01"] + 1)
        ),
    ),
    "a market that cost nothing": negotiated(
        "lines", "the network's lines are not those", body("decision/1", lambda b: b.update(market=None))
    ),
    "negotiation called network": negotiated(
        "lines",
        "the network's lines are not those",
        body("slot_end/1", line_of("negotiation", component="network")),
    ),
}


KEPT = kept("lines")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    outcomes = [outcome(forged) for forged in FORGED.values()]
    assert silent(lines_module, outcomes) == []
