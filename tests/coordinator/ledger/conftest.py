"""A valid ledger with trade, offloading and a gap, and a function that forges it."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger.entry import GENESIS, Posting, chain_hash, content_digest
from coordinator.negotiation.policies.auction import Auction
from coordinator.policies.registry import make_policy
from edge_node.slots.windows import Windows
from protos.messages.runner import BeginSlot, EndSlot
from protos.messages.slot import Serving, Usage
from protos.messages.terms import Overrun, Stage
from tests.carbon_data.live.replayed import HOUR, KEYS, Replayed
from tests.coordinator.ledger.checks.forging import Forged, Outcome, Outcomes, forge
from tests.coordinator.slots.trader import Trader

Change = Callable[[sqlite3.Connection], None]


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory, kit: Any) -> bytes:
    """Bytes of the ledger of a run of four slots."""
    folder = tmp_path_factory.mktemp("honest")
    bench = kit.Bench(kit.make_config(folder, nodes=4), make_policy("deta"))
    for node in bench.nodes.values():
        node.serves_users = True
    bench.join()
    for slot in range(3):
        bench.run_slot(slot)
    bench.mute = {"n03"}
    bench.run_slot(3)
    posted = [t for s in bench.coordinator.service.books.slots.values() for t in s.trade if t.posted]
    assert posted
    bench.close()
    return (folder / "ledger.sqlite").read_bytes()


@pytest.fixture(scope="session")
def eventful(tmp_path_factory: pytest.TempPathFactory, kit: Any) -> bytes:
    """Bytes of the ledger of a run in which every slot went wrong in another way.

    Slot 0: n01 runs two batches that counted at their owner, and answers outside clients. Slot 1: n02's reading comes
    after the slot's end. Slot 2: n01 does not settle in time.
    """
    folder = tmp_path_factory.mktemp("eventful")
    bench = kit.Bench(kit.make_config(folder), Trader())
    for node in bench.nodes.values():
        node.serves_users = True
    bench.join()
    coordinator, host = bench.coordinator, bench.nodes["n01"]

    coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    owner = bench.nodes["n00"]
    owner.decisions[0] = dataclasses.replace(owner.decisions[0], own_batches=6)
    outside = Serving("images", 5, 35, 55, 4_040, 0, 0.1, 0.2, 0.3, (10,), (5,), 0.5, 0.25)
    say = host.say
    host.say = lambda m: say(dataclasses.replace(m, outside=outside) if isinstance(m, Usage) else m)
    coordinator.end_slot(EndSlot(0, 1.0, 1000, 10))
    host.say = say

    coordinator.begin_slot(BeginSlot(1, Stage.DEVELOPMENT, 1.0))
    held: list[Any] = []
    bench.drop = lambda node, message: (
        node == "n02" and isinstance(message, Usage) and not held.append(message)
    )
    coordinator.end_slot(EndSlot(1, 1.0, 1000, 10))
    bench.drop = lambda node, message: False
    coordinator.receive("n02", held[0])

    coordinator.begin_slot(BeginSlot(2, Stage.DEVELOPMENT, 1.0))
    bench.drop = lambda node, message: node == "n01" and not isinstance(message, Usage)
    coordinator.end_slot(EndSlot(2, 1.0, 1000, 10))
    bench.drop = lambda node, message: False
    for message in list(host.outbox.values()):
        coordinator.receive("n01", message)

    bench.run_slot(3)
    bench.close()
    return (folder / "ledger.sqlite").read_bytes()


@pytest.fixture(scope="session")
def negotiated(tmp_path_factory: pytest.TempPathFactory, kit: Any) -> bytes:
    """Bytes of the ledger of a run of two slots that an auction decided."""
    folder = tmp_path_factory.mktemp("negotiated")
    bench = kit.Bench(kit.make_config(folder, slots=2, horizon_slots=2), Auction())
    bench.nodes = {node: kit.TradingStub(node) for node in bench.config.node_ids}
    bench.join()
    for slot in range(2):
        bench.run_slot(slot)
    bench.close()
    return (folder / "ledger.sqlite").read_bytes()


@pytest.fixture(scope="session")
def timed(tmp_path_factory: pytest.TempPathFactory, kit: Any) -> bytes:
    """Bytes of the ledger of a run on the wall clock: slot 1 overruns by one and a half slots; 2 and 3 are missed."""
    folder = tmp_path_factory.mktemp("timed")
    config = kit.make_config(folder, overrun=Overrun.SKIP, lease_s=1e6)
    # Their energies are those of 60 s: no limit of a battery stands in the way of a longer or a shorter window.
    changes = {"self_discharge_fraction": 0.0, "charge_limit_w": 1e6, "discharge_limit_w": 1e6}
    bench = kit.Bench(config, make_policy("deta"), **changes)
    for node in bench.nodes.values():
        node.windows = Windows(lambda: round(bench.now * 1e9))
    bench.join()
    bench.run_slot(0)
    bench.coordinator.begin_slot(BeginSlot(1, Stage.DEVELOPMENT, 1.0))
    bench.now += 2.5 * kit.SLOT_S
    bench.coordinator.end_slot(EndSlot(1, 1.0))
    bench.run_slot(2)
    bench.run_slot(3)
    bench.close()
    return (folder / "ledger.sqlite").read_bytes()


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, kit: Any) -> bytes:
    """Bytes of the ledger of a run of two slots with live intensities, all of them kept beyond their limit."""
    folder, replayed = tmp_path_factory.mktemp("live"), Replayed()
    with pytest.MonkeyPatch.context() as patch:
        for name, key in KEYS.items():
            patch.setenv(name, key)
        try:
            config = kit.live_config(folder, replayed.url, nodes=2, slots=2, horizon_slots=2)
            limits = {"stale_after_s": 0.0, "refuse_after_s": 0.0}
            signals = tuple(each.model_copy(update=limits) for each in config.live.signals)
            live = config.live.model_copy(update={"signals": signals})
            replayed.lag = 4 * HOUR
            bench = kit.Bench(config.model_copy(update={"live": live}), make_policy("deta"))
            bench.join()
            for slot in range(2):
                bench.run_slot(slot)
            bench.close()
        finally:
            replayed.close()
    return (folder / "ledger.sqlite").read_bytes()


@pytest.fixture
def path(tmp_path: Path, honest: bytes) -> Path:
    """A copy of the valid ledger."""
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(honest)
    return copy


def _tamper(path: Path, change: Change, *, hashes: bool = False, guards: bool = True) -> None:
    """Change the file without its triggers; ``hashes``: with digests and chain computed again, as a forger would do;
    ``guards``: and create the triggers again."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")  # no forgery has to outlive a power cut
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        change(connection)
        if hashes:
            _rehash(connection)
        for _, sql in triggers if guards else ():
            connection.execute(sql)


def _rehash(connection: sqlite3.Connection) -> None:
    previous, changed = GENESIS, []
    postings = defaultdict(list)
    for entry_id, *posting in connection.execute(
        "SELECT entry_id, account, unit, amount FROM postings ORDER BY entry_id, line"
    ):
        postings[entry_id].append(Posting(*posting))
    rows = connection.execute(
        "SELECT id, kind, key, slot, node_id, body, digest, chain FROM entries ORDER BY id"
    ).fetchall()
    for entry_id, kind, key, slot, node_id, body, *before in rows:
        digest = content_digest(kind, slot, node_id, body, tuple(postings[entry_id]))
        previous = chain_hash(previous, entry_id, key, digest)
        if before != [digest, previous]:
            changed.append((digest, previous, entry_id))
    connection.executemany("UPDATE entries SET digest = ?, chain = ? WHERE id = ?", changed)


@pytest.fixture(scope="session")
def tamper() -> Callable[..., None]:
    """``tamper(path, change, hashes=False, guards=True)``."""
    return _tamper


@pytest.fixture(scope="module")
def outcome(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tamper: Callable[..., None]
) -> Outcomes:
    """What ``verify`` says of a forgery, which is made once for all tests of a file."""
    folder, count = tmp_path_factory.mktemp("forged"), itertools.count()

    @functools.cache
    def of(forged: Forged) -> Outcome:
        path = folder / f"{next(count)}.sqlite"
        path.write_bytes(request.getfixturevalue(forged.ledger))
        try:
            return forge(path, forged, tamper)
        finally:
            path.unlink()

    return of
