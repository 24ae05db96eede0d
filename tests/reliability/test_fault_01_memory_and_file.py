"""Fault 1: a call with numbers near 2^63 failed after memory was changed, and three bookings never reached the file."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from coordinator.adapters.durability import Durability
from coordinator.adapters.outboxes import Outboxes
from coordinator.adapters.runner_calls import RunnerCalls
from coordinator.ledger import LedgerError
from coordinator.ledger.store import read_entries
from coordinator.ledger.verify import verify
from coordinator.policies.registry import make_policy
from coordinator.slots.books import Books
from coordinator.slots.protocol import RequestError
from protos.messages.runner import BeginSlot, EndSlot, ReportQuery, StatusRequest
from protos.messages.terms import Stage
from tests.coordinator.slots.trader import Trader
from tests.reliability.sabotage import HANDLERS, Sabotaged, memory, plain

HUGE = 2**63 - 1


def rebuilt(config: Any) -> dict[str, Any]:
    """The books of the file alone."""
    books = Books(config)
    for stored in read_entries(config.ledger_path):
        books.apply(stored.entry)
    return {name: plain(value) for name, value in vars(books).items() if name != "config"}


def without_policy(service: Any) -> dict[str, Any]:
    return {name: value for name, value in memory(service).items() if name != "policy"}


def bench_of(kit: Any, folder: Path, chosen: Any, **changes: Any) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    made = kit.Bench(kit.make_config(folder, nodes=3, **changes), chosen)
    if changes.get("policy") == "belief":
        made.nodes = {node: kit.TradingStub(node) for node in made.config.node_ids}
    return made


class CountingTrader(Trader):
    """Its state is how often it decided."""

    def init(self, seed: int) -> Any:
        return 0

    def decide(self, fleet: Any, state: Any) -> Any:
        decision, _ = super().decide(fleet, None)
        return decision, state + 1


class FullDisk:
    """A connection whose commits find no room; tests/e2e/test_disk_full.py has a real disk."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, text: str, *values: Any) -> Any:
        if text == "COMMIT" and self._connection.total_changes:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return self._connection.execute(text, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def a_run(bench: Any) -> None:
    """Every handler: a slot in time, one whose readings are missing or late, and a restarted node."""
    bench.join()
    bench.run_slot(0)
    kept: list[Any] = []
    bench.drop = lambda node, message: (
        node == "n00" and type(message).__name__ == "Usage" and not kept.append(message)
    )
    bench.run_slot(1)
    bench.drop = lambda node, message: False
    for message in kept:
        bench.coordinator.receive("n00", message)
    stub = bench.nodes["n02"]
    stub.boot_id, stub.seq, stub.slot, stub.outbox = "boot2", 0, -1, {}
    bench.join("n02")
    bench.run_slot(2)


@pytest.mark.parametrize("policy", ["trader", "belief"])
def test_no_handler_that_fails_anywhere_changes_memory_or_file(tmp_path: Path, kit: Any, policy: str) -> None:
    def policy_of() -> Any:
        return CountingTrader() if policy == "trader" else make_policy(policy)

    known = "local" if policy == "trader" else policy
    bench = bench_of(kit, tmp_path / "failing", policy_of(), policy=known)
    ledger = bench.coordinator.ledger
    sabotaged = Sabotaged(bench.coordinator.service, lambda: ledger.head)
    a_run(bench)
    assert without_policy(bench.coordinator.service) == rebuilt(bench.config), "memory is what the file says"
    head = ledger.head
    bench.close()
    undisturbed = bench_of(kit, tmp_path / "undisturbed", policy_of(), policy=known)
    a_run(undisturbed)
    assert undisturbed.coordinator.ledger.head == head, "and the file what it would be without failures"
    undisturbed.close()
    walked = {name for name, _ in sabotaged.steps}
    other = "deciding.adopt" if policy == "belief" else "negotiating.adopt"
    assert walked == set(HANDLERS) - {"start", other}, sabotaged.steps
    print(f"{sum(sabotaged.steps.values())} failed steps, none changed anything: {sabotaged.steps}")


@pytest.mark.parametrize("field", ["aggregated_parameters", "evaluated_examples"])
def test_a_slot_s_end_with_numbers_near_2_63_is_refused_and_books_nothing(
    tmp_path: Path, kit: Any, field: str
) -> None:
    config = kit.make_config(tmp_path, nodes=3)
    body = config.body.model_copy(
        update={"joules_per_aggregated_parameter": 1.0, "joules_per_evaluated_example": 1.0}
    )
    bench = kit.Bench(config.model_copy(update={"body": body}), Trader())
    bench.join()
    bench.mute = {"n02"}  # its gap would be booked first
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    before, head = memory(bench.coordinator.service), bench.coordinator.ledger.head
    with pytest.raises(RequestError, match="give the counts of one slot"):
        bench.coordinator.end_slot(EndSlot(0, 1.0, **{field: HUGE}))
    service = bench.coordinator.service
    assert (memory(service), bench.coordinator.ledger.head) == (before, head)
    bench.coordinator.carry_out(service.closing.trade())
    before = memory(service)
    with pytest.raises(RequestError, match="nothing was booked"):
        service.closing.finish(EndSlot(0, 1.0, **{field: HUGE}))
    assert memory(service) == before, "not even where nobody looked first"
    assert bench.coordinator.end_slot(EndSlot(0, 1.0, 1000, 10)).missing_nodes == ("n02",)
    bench.close()
    assert verify(bench.config.ledger_path).ok


@pytest.mark.parametrize("call", ["begin_slot", "end_slot"])
def test_a_full_disk_ends_the_coordinator_before_any_answer(tmp_path: Path, kit: Any, call: str) -> None:
    """Memory is ahead of the file then: nothing is answered from it any more, and a new start knows the file."""
    bench = bench_of(kit, tmp_path, Trader())
    bench.join()
    requests: dict[str, Any] = {
        "begin_slot": BeginSlot(0, Stage.DEVELOPMENT, 0.05),
        "end_slot": EndSlot(0, 0.05),
    }
    if call == "end_slot":
        bench.coordinator.begin_slot(requests["begin_slot"])
    service, ledger = bench.coordinator.service, bench.coordinator.ledger
    before, head = rebuilt(bench.config), ledger.head
    ledger._writer = FullDisk(ledger._writer)
    asked: list[Any] = []

    async def ask() -> None:
        outboxes = Outboxes()
        outboxes.post = lambda node, message: asked.append(message)  # type: ignore[method-assign]
        durability = Durability(ledger, outboxes, lambda: 0.0)
        calls = RunnerCalls(service, durability, lambda: bench.now)
        bench.now = 0.0

        def tick() -> float:
            bench.now += 0.1
            return bench.now

        calls._clock = durability._clock = tick
        repeated = [(getattr(calls, call), requests[call])] * 2
        for handler, request in (
            *repeated,
            (calls.get_status, StatusRequest()),
            (calls.get_report, ReportQuery()),
        ):
            with pytest.raises(LedgerError, match="disk is full"):
                await handler(request)
        assert durability.failed.is_set()

    asyncio.run(ask())
    assert [type(message).__name__ for message in asked if type(message).__name__ != "CloseSlot"] == []
    assert ledger.head == head
    bench.close()
    assert rebuilt(bench.config) == before


def test_a_message_that_fails_does_not_take_its_neighbours_bookings_along(tmp_path: Path, kit: Any) -> None:
    """Messages of a round are committed together; one that raises used to leave the others in memory alone."""
    bench = bench_of(kit, tmp_path, Trader())
    coordinator = bench.coordinator
    first, second = bench.nodes["n00"].register(), bench.nodes["n01"].register()
    coordinator._pumping = True
    coordinator.receive("n00", first)
    coordinator.receive("n01", dataclasses.replace(second, boot_id="\ud800"))
    coordinator._pumping = False
    with pytest.raises(LedgerError, match="no text that a file can hold"):
        coordinator._pump()
    assert without_policy(coordinator.service) == rebuilt(bench.config)
    assert set(coordinator.service.books.nodes) == {"n00"}
    bench.close()
