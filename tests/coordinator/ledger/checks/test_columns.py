"""Forged slots of a virtual fleet: each is found by the check that it breaks, though chain and digests hold."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coordinator.ledger import Ledger, verify
from coordinator.ledger.checks import columns as columns_module
from coordinator.ledger.columns import column_entry, unpack
from coordinator.ledger.entry import Entry, Kind, Posting, Unit, merged
from coordinator.ledger.formats import COLUMNS
from coordinator.ledger.store import read_entries
from experiments.fleet.virtual import VirtualFleet
from experiments.resolve.resolve import resolve
from experiments.runs.run import execute
from experiments.scenario.model import parse_scenario

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
Change = Callable[[dict[str, Any], dict[str, Any]], None]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = execute(resolve(parse_scenario(TEXT)), tmp_path_factory.mktemp("run") / "run", VirtualFleet())
    return folder / "ledger.sqlite"


def forged(
    book: Path, path: Path, kind: Kind, change: Change, postings: tuple[Posting, ...] = ()
) -> list[str]:
    """Codes of what ``verify`` finds when the second entry of ``kind`` (of the fleet: the only one) is changed."""
    wanted = 0 if kind is Kind.FLEET else 1
    with Ledger(path, "run", COLUMNS) as ledger:
        seen = 0
        for stored in read_entries(book):
            entry = stored.entry
            if entry.kind is kind:
                if seen == wanted:
                    entry = _other(entry, change, postings)
                seen += 1
            ledger.write([entry])
    return sorted({finding.code for finding in verify(path).findings})


def _other(entry: Entry, change: Change, postings: tuple[Posting, ...]) -> Entry:
    body, columns = dict(entry.body), unpack(entry.data)
    del body["block"]
    change(body, columns)
    added = merged([*entry.postings, *postings])
    return column_entry(entry.kind, entry.key, body, columns, added, entry.slot)


def plus(name: str, amount: int = 1, row: int = 0) -> Change:
    def change(_: dict[str, Any], columns: dict[str, Any]) -> None:
        columns[name] = columns[name].copy()
        columns[name].ravel()[row] += amount

    return change


def nothing(_: dict[str, Any], __: dict[str, Any]) -> None:
    pass


def says(**changes: Any) -> Change:
    return lambda body, _: body.update(changes)


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


def test_copied_without_a_change_it_is_sound(book: Path, tmp_path: Path) -> None:
    assert forged(book, tmp_path / "copy.sqlite", Kind.SLOT, nothing) == []


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
def test_a_forged_slot_is_found(book: Path, tmp_path: Path, change: Change, code: str) -> None:
    assert code in forged(book, tmp_path / "forged.sqlite", Kind.SLOT, change)


def small_battery(body: dict[str, Any], _: dict[str, Any]) -> None:
    body["profiles"] = [{**each, "battery_capacity_uj": 10} for each in body["profiles"]]


def one_more(_: dict[str, Any], columns: dict[str, Any]) -> None:
    columns["profile"] = np.append(columns["profile"], 0)


def test_no_finding_is_without_a_forged_slot(book: Path, tmp_path: Path) -> None:
    """Every text of the checks is said of some forged ledger."""
    said = []
    fleet = [(Kind.FLEET, change) for change in (small_battery, one_more, plus("battery_uj"))]
    for number, (kind, change) in enumerate([*((Kind.SLOT, change) for change, _ in FORGED), *fleet]):
        path = tmp_path / f"{number}.sqlite"
        forged(book, path, kind, change)
        said += [finding.text for finding in verify(path).findings]
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


def test_postings_that_the_columns_do_not_say_are_found(book: Path, tmp_path: Path) -> None:
    pair = (
        Posting("nodes/grid", Unit.MICROJOULES, 5),
        Posting("nodes/harvest", Unit.MICROJOULES, -5),
    )
    assert forged(book, tmp_path / "forged.sqlite", Kind.SLOT, nothing, pair) == ["postings"]


def test_more_in_a_battery_than_it_holds_is_found(book: Path, tmp_path: Path) -> None:
    assert "battery" in forged(book, tmp_path / "forged.sqlite", Kind.FLEET, small_battery)


def test_what_was_stored_at_first_is_in_the_postings(book: Path, tmp_path: Path) -> None:
    found = forged(book, tmp_path / "forged.sqlite", Kind.FLEET, plus("battery_uj"))
    assert {"battery", "postings"} <= set(found)


def test_a_block_that_is_not_the_documents_is_found(book: Path, tmp_path: Path) -> None:
    with Ledger(tmp_path / "forged.sqlite", "run", COLUMNS) as ledger:
        for stored in read_entries(book):
            entry = stored.entry
            if entry.kind is Kind.SLOT and entry.slot == 1:
                other = _other(entry, plus("released_batches"), ())
                entry = Entry(
                    entry.kind,
                    entry.key,
                    entry.body,
                    entry.postings,
                    entry.slot,
                    text=entry.text,
                    data=other.data,
                )
            ledger.write([entry])
    assert [finding.code for finding in verify(tmp_path / "forged.sqlite").findings] == ["content"]
