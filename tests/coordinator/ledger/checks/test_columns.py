"""Forged slots of a virtual fleet: each is found by the check that it breaks, though chain and digests hold."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import json
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carbon_data.storage import TERMS
from coordinator.ledger import Ledger, verify
from coordinator.ledger.checks import columns as columns_module
from coordinator.ledger.columns import column_entry, unpack
from coordinator.ledger.entry import Entry, Kind, Posting, Unit, merged
from coordinator.ledger.formats import COLUMNS
from coordinator.ledger.store import read_entries
from coordinator.ledger.verify import Finding
from experiments.fleet.virtual import VirtualFleet
from experiments.resolve.resolve import resolve
from experiments.runs.run import execute
from experiments.scenario.model import parse_scenario
from tests.coordinator.ledger.checks.slots_by_hand import CHANGES, CONFIG, Change, by_hand, plus, says

TEXT = """policy = "deta"
[task]
name = "none"
[stages]
development = 3
[time]
start = 2022-06-21T10:00:00Z
[network]
router_w = 1.3
[limits]
transfer_cap_fraction = 0.05
offload_cap_fraction = 0.3
[fleet]
kind = "virtual"
[[nodes]]
zone = "DE"
[nodes.harvest]
peak_w = 40.0
[[nodes]]
zone = "PL"
[nodes.harvest]
peak_w = 0.0
[nodes.battery]
capacity_wh = 0.0
"""
LEARNING = """policy = "random"
policy_options = { clients = 1 }
[task]
data = "digits"
batches_per_slot = 2
[stages]
preparation = 0
development = 2
application = 0
recycling = 0
[tolerance]
unserved_fraction = 1.0
[fleet]
kind = "virtual"
[[nodes]]
zone = "DE"
count = 2
"""
"""In each slot one of two nodes trains."""
Found = Callable[..., tuple[Finding, ...]]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = execute(resolve(parse_scenario(TEXT)), tmp_path_factory.mktemp("run") / "run", VirtualFleet())
    return folder / "ledger.sqlite"


@pytest.fixture(scope="module")
def learning_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    resolved = resolve(parse_scenario(LEARNING))
    return execute(resolved, tmp_path_factory.mktemp("run") / "run", VirtualFleet()) / "ledger.sqlite"


def run_of(book: Path) -> str:
    """Name of the run in a ledger's configuration."""
    return str(next(iter(read_entries(book))).entry.body["config"]["run_id"])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What ``verify`` finds when the second entry of a kind (of the fleet: the only one) is changed; forged once
    for all tests."""
    folder, count = tmp_path_factory.mktemp("forged"), itertools.count()

    @functools.cache
    def of(book: Path, kind: Kind, change: Change, postings: tuple[Posting, ...] = ()) -> tuple[Finding, ...]:
        entries = [stored.entry for stored in read_entries(book)]
        places = [place for place, entry in enumerate(entries) if entry.kind is kind]
        place = places[0 if kind is Kind.FLEET else 1]
        entries[place] = _other(entries[place], change, postings)
        path = folder / f"{next(count)}.sqlite"
        with Ledger(path, run_of(book), COLUMNS) as ledger:
            ledger.write(entries)
        return tuple(verify(path).findings)

    return of


def codes(findings: Iterable[Finding]) -> list[str]:
    return sorted({finding.code for finding in findings})


def _other(entry: Entry, change: Change, postings: tuple[Posting, ...]) -> Entry:
    body, columns = dict(entry.body), unpack(entry.data)
    del body["block"]
    change(body, columns)
    added = merged([*entry.postings, *postings])
    return column_entry(entry.kind, entry.key, body, columns, added, entry.slot)


def nothing(_: dict[str, Any], __: dict[str, Any]) -> None:
    pass


def summary(body: dict[str, Any], _: dict[str, Any]) -> None:
    body["summary"] = {**body["summary"], "moved_batches": 99}


def router(body: dict[str, Any], _: dict[str, Any]) -> None:
    body["lines"] = [line for line in body["lines"] if line["node_id"] != "router"]


def network(body: dict[str, Any], _: dict[str, Any]) -> None:
    body["lines"] = [line for line in body["lines"] if line["node_id"] != "network"]


def shared_out_otherwise(_: dict[str, Any], columns: dict[str, Any]) -> None:
    """The same sums, but all grams on one line."""
    grams = columns["line_pg"].copy()
    row = int(np.argmax(grams.sum(axis=1)))
    whole = grams[row].sum()
    grams[row] = 0
    grams[row, -1] = whole
    columns["line_pg"] = grams


def asleep(_: dict[str, Any], columns: dict[str, Any]) -> None:
    columns["awake"] = np.array([False, True])


def to_itself(_: dict[str, Any], columns: dict[str, Any]) -> None:
    columns["recipient"] = columns["donor"].copy()


def test_the_book_is_sound_and_something_moves_in_it(book: Path) -> None:
    report = verify(book)
    assert report.findings == []
    slot = next(stored.entry for stored in read_entries(book) if stored.entry.slot == 1)
    columns = unpack(slot.data)
    assert columns["sent_uj"].size
    assert columns["moved_batches"].size
    assert columns["grid_uj"].any()
    assert list(columns) == [
        *("awake", "released_batches", "due_batches", "own_batches", "executed_batches", "missed_batches"),
        *("decided_charge_uj", "decided_discharge_uj", *TERMS, "line_energy_uj", "line_grid_uj", "line_pg"),
        *("donor", "recipient", "decided_uj", "sent_uj", "received_uj", "owner", "executor", "moved_batches"),
        *("payload_bytes", "network_uj", "network_pg"),
    ]
    assert list(slot.body) == sorted(
        [
            *("stage", "epoch", "status", "gap_fraction", "objective_g", "notes", "unserved_batches"),
            *("line_names", "lines", "summary", "block"),
        ]
    )
    assert (slot.key, slot.body["epoch"], slot.body["stage"]) == ("slot/1", 1, "development")
    assert all(column.dtype == np.int64 for name, column in columns.items() if name != "awake")


def test_copied_without_a_change_it_is_sound(book: Path, found: Found) -> None:
    assert found(book, Kind.SLOT, nothing) == ()


FORGED: list[tuple[Change, str]] = [
    (plus("demand_uj"), "identity"),
    (plus("harvest_uj"), "identity"),
    (plus("battery_after_uj"), "identity"),
    (plus("grid_uj", -(10**15)), "identity"),
    (plus("battery_before_uj"), "battery"),
    (plus("sent_uj", 10**13), "transfers"),
    (plus("export_uj"), "transfers"),
    (plus("import_uj"), "transfers"),
    (to_itself, "transfers"),
    (plus("executed_batches"), "batches"),
    (plus("missed_batches"), "batches"),
    (plus("moved_batches"), "batches"),
    (asleep, "batches"),
    (plus("line_energy_uj"), "reading"),
    (plus("line_grid_uj"), "reading"),
    (plus("line_pg"), "lines"),
    (shared_out_otherwise, "lines"),
    (plus("network_uj"), "lines"),
    (plus("network_pg"), "lines"),
    (plus("payload_bytes", 100_000), "lines"),
    (network, "lines"),
    (router, "lines"),
    (summary, "summary"),
    (says(epoch=2), "order"),
]


@pytest.mark.parametrize(("change", "code"), FORGED)
def test_a_forged_slot_is_found(book: Path, found: Found, change: Change, code: str) -> None:
    assert code in codes(found(book, Kind.SLOT, change))


def lost(_: dict[str, Any], columns: dict[str, Any]) -> None:
    columns["mean_loss"] = np.array([1.0, 1.0], dtype=np.float32)


def infinite(_: dict[str, Any], columns: dict[str, Any]) -> None:
    columns["mean_loss"] = np.where(np.isnan(columns["mean_loss"]), np.nan, np.inf).astype(np.float32)


LEARNING_FORGED: list[tuple[Change, str]] = [
    (plus("model_bytes", 8, 0), "reading"),
    (plus("model_bytes", 2_000_000, 0), "lines"),
    (lost, "reading"),
    (infinite, "reading"),
    (says(aggregated_parameters=10**9), "lines"),
    (says(evaluated_examples=10**6), "lines"),
]


@pytest.mark.parametrize(("change", "code"), LEARNING_FORGED)
def test_a_forged_slot_of_learning_is_found(
    learning_book: Path, found: Found, change: Change, code: str
) -> None:
    assert code in codes(found(learning_book, Kind.SLOT, change))


def test_the_book_of_learning_is_sound_and_so_is_a_copy(learning_book: Path, found: Found) -> None:
    assert verify(learning_book).findings == []
    assert found(learning_book, Kind.SLOT, nothing) == ()


def small_battery(body: dict[str, Any], _: dict[str, Any]) -> None:
    body["profiles"] = [{**each, "battery_capacity_uj": 10} for each in body["profiles"]]


def one_more(_: dict[str, Any], columns: dict[str, Any]) -> None:
    columns["profile"] = np.append(columns["profile"], 0)


BATTERY_OF_THE_FLEET = plus("battery_uj")


def test_no_finding_is_without_a_forged_slot(book: Path, learning_book: Path, found: Found) -> None:
    """Every text of the checks is said of some forged ledger."""
    fleet = (small_battery, one_more, BATTERY_OF_THE_FLEET)
    outcomes = [found(book, Kind.FLEET, change) for change in fleet]
    outcomes += [found(book, Kind.SLOT, change) for change, _ in FORGED]
    outcomes += [found(learning_book, Kind.SLOT, change) for change, _ in LEARNING_FORGED]
    said = [finding.text for findings in outcomes for finding in findings]
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(columns_module)))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("_say", "_add")
    ]
    texts = {
        max(
            (str(part.value) for part in ast.walk(call.args[-1]) if isinstance(part, ast.Constant)),
            key=len,
        )
        for call in calls
    }
    texts -= {"the block of columns is not what its digest was made of", " more)", ": "}
    assert len(texts) > 20
    assert sorted(text for text in texts if not any(text in each for each in said)) == []


def test_postings_that_the_columns_do_not_say_are_found(book: Path, found: Found) -> None:
    pair = (
        Posting("nodes/grid", Unit.MICROJOULES, 5),
        Posting("nodes/harvest", Unit.MICROJOULES, -5),
    )
    assert codes(found(book, Kind.SLOT, nothing, pair)) == ["postings"]


def test_more_in_a_battery_than_it_holds_is_found(book: Path, found: Found) -> None:
    assert "battery" in codes(found(book, Kind.FLEET, small_battery))


def test_what_was_stored_at_first_is_in_the_postings(book: Path, found: Found) -> None:
    assert {"battery", "postings"} <= set(codes(found(book, Kind.FLEET, BATTERY_OF_THE_FLEET)))


def test_a_block_that_is_not_the_documents_is_found(book: Path, tmp_path: Path) -> None:
    entries = [stored.entry for stored in read_entries(book)]
    place = next(k for k, entry in enumerate(entries) if (entry.kind, entry.slot) == (Kind.SLOT, 1))
    entry = entries[place]
    data = _other(entry, plus("released_batches"), ()).data
    kept = (entry.kind, entry.key, entry.body, entry.postings, entry.slot)
    entries[place] = Entry(*kept, text=entry.text, data=data)
    with Ledger(tmp_path / "forged.sqlite", run_of(book), COLUMNS) as ledger:
        ledger.write(entries)
    assert [finding.code for finding in verify(tmp_path / "forged.sqlite").findings] == ["content"]


FINDINGS = Path(__file__).with_name("columns.json")


def test_a_slot_by_hand_is_sound() -> None:
    assert by_hand() == ([], {"slots decided by fallback": 0})
    assert by_hand(CHANGES["by fallback"]) == ([], {"slots decided by fallback": 1})


@pytest.mark.parametrize("name", CHANGES)
def test_everything_is_said_of_a_changed_slot(name: str) -> None:
    """``columns.json`` holds what is said of each; after a change on purpose, check what this test prints and put it
    there."""
    assert by_hand(CHANGES[name])[0] == json.loads(FINDINGS.read_text())[name]


def test_what_is_said_of_postings_slots_and_other_fleets() -> None:
    uj, pg = Unit.MICROJOULES, Unit.PICOGRAMS
    extra = (Posting("nodes/grid", uj, 5), Posting("nodes/x", pg, -2), Posting("nodes/grid", uj, 1))
    assert by_hand(added=extra)[0] == [
        ["postings", "slot 1", "nodes/grid: booked -803 uJ, the columns say -809"],
        ["postings", "slot 1", "nodes/x: booked -2 pg, the columns say 0"],
    ]
    quiet = {**CONFIG, "body": {"zone": "B", "static_w": 0.0, "router_w": 0.0}}
    said = "the lines of coordinator and router do not follow from their powers"
    with pytest.raises(AssertionError, match=said):
        by_hand(config=quiet)
    with pytest.raises(AssertionError, match="4 nodes registered, the run has others"):
        by_hand(config={**CONFIG, "node_ids": ["n0", "n1", "n2"]})


def test_grams_are_rounded_half_to_even_whole_by_whole() -> None:
    amounts = np.array([1, 3, 5, 7, 7, 0, 2**52])
    at = np.array([9.0, 9.0, 9.0, 9.0, 412.37, 5.0, 36.0])
    wanted = [
        round(n * Fraction(c) * 10**6 / 3_600_000) for n, c in zip(amounts.tolist(), at.tolist(), strict=True)
    ]
    assert columns_module._grams(amounts, at).tolist() == wanted
    assert wanted[:5] == [2, 8, 12, 18, 802]
