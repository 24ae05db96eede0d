"""Every field of every kind of entry is changed, hashes computed again: it is found, or it is listed as raw."""

from __future__ import annotations

import copy
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger import verify
from coordinator.ledger.entry import canonical_json
from coordinator.ledger.raw import RAW, is_raw

Path_ = tuple[str | int, ...]


def leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Places and values of what a document says, empty lists and dictionaries among them."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not parts:
        yield path, value
    for key, part in parts:
        yield from leaves(part, (*path, key))


def name_of(path: Path_, nodes: list[str]) -> str:
    return ".".join("*" if isinstance(part, int) or part in nodes else part for part in path)


def another(value: Any) -> Any:
    """A value of the same kind that is not ``value``."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    return {str: f"{value}x", list: [1], dict: {"x": 1}, type(None): 1}[type(value)]


def changed(document: Any, path: Path_) -> Any:
    found = copy.deepcopy(document)
    place = found
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = another(place[path[-1]])
    return found


def fields(path: Path) -> dict[tuple[str, str], tuple[str, Path_]]:
    """(kind, field) -> (key of an entry, place in its document), where the field says something if it ever does."""
    found: dict[tuple[str, str], tuple[str, Path_]] = {}
    full: set[tuple[str, str]] = set()
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT kind, key, body FROM entries ORDER BY id").fetchall()
    nodes = json.loads(rows[0][2])["config"]["node_ids"]
    for kind, key, body in rows:
        for place, value in leaves(json.loads(body)):
            name = (kind, name_of(place, nodes))
            if name not in found or (value and name not in full):
                found[name] = key, place
                full |= {name} if value else set()
    return found


def not_found(path: Path, tmp_path: Path, tamper: Any) -> set[tuple[str, str]]:
    """Fields whose change ``verify`` does not find."""
    missed = set()
    content = path.read_bytes()
    for number, (name, (key, place)) in enumerate(sorted(fields(path).items())):
        forged = tmp_path / f"{number}.sqlite"
        forged.write_bytes(content)

        def change(connection: sqlite3.Connection, key: str = key, place: Path_ = place) -> None:
            (text,) = connection.execute("SELECT body FROM entries WHERE key = ?", (key,)).fetchone()
            body = canonical_json(changed(json.loads(text), place))
            connection.execute("UPDATE entries SET body = ? WHERE key = ?", (body, key))

        tamper(forged, change, hashes=True)
        if verify(forged).ok:
            missed.add(name)
        forged.unlink()
    return missed


@pytest.mark.parametrize("ledger", ["honest", "eventful", "negotiated", "timed", "live"])
def test_what_is_not_found_is_listed_as_raw(
    ledger: str, tmp_path: Path, tamper: Any, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "valid.sqlite"
    path.write_bytes(request.getfixturevalue(ledger))
    missed = not_found(path, tmp_path, tamper)
    assert sorted(name for name in missed if not is_raw(*name)) == []


def test_every_raw_field_is_named_by_its_kind() -> None:
    assert is_raw("registration", "profile.wake_j")
    assert is_raw("usage", "serving.*.latency_p50_s")
    assert not is_raw("usage", "serving.*.tokens_out")
    assert not is_raw("booking", "balance.grid_uj")
    assert not set(RAW) & {"booking", "opening", "adjustment"}
    assert all(field.startswith("wall.") for field in RAW["slot_end"]), (
        "readings of the coordinator's clock alone"
    )
