"""The one transaction of a node's slot: sources, stores, sinks, losses and emissions. Pure."""

from __future__ import annotations

import dataclasses
from typing import Any

from coordinator.ledger import verify
from protos.messages.runner import BeginSlot, EndSlot, ReportQuery
from protos.messages.slot import Serving, Usage
from protos.messages.terms import Stage
from tests.coordinator.slots.trader import sums


def test_a_run_books_every_joule_and_batch_once(bench: Any) -> None:
    bench.join()
    for slot in range(4):
        summary = bench.run_slot(slot)
        assert set(summary.settled_nodes) == set(bench.nodes)
        assert summary.executed_batches == 3 * 6
        assert summary.unserved_batches == 0
        assert summary.moved_batches == 6
        assert summary.transferred_uj > 0
    held = sums(bench)
    for node, stub in bench.nodes.items():
        metered = sum(line.energy_uj for usage in stub.usages.values() for line in usage.lines)
        booked = sum(amount for account, amount in held.items() if account.startswith(f"node/{node}/stage/"))
        assert booked == metered
        assert held[f"node/{node}/battery"] == stub.battery_uj
        assert held[f"node/{node}/harvest"] == -sum(usage.harvest_uj for usage in stub.usages.values())
        assert f"node/{node}/adjustment" not in held
    assert all(amount == 0 for account, amount in held.items() if account.startswith("transfer/"))
    assert sum(held.values()) == 0
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings
    assert report.notices == []


def test_entries_name_the_node_and_the_slot_that_they_are_of(bench: Any) -> None:
    bench.join()
    bench.run_slot(0)
    bench.mute = {"n02"}
    bench.run_slot(1)
    found: dict[str, set[tuple[int | None, str]]] = {}
    for stored in bench.coordinator.ledger.entries():
        found.setdefault(str(stored.entry.kind), set()).add((stored.entry.slot, stored.entry.node_id))
    nodes = set(bench.nodes)
    assert found["start"] == {(None, "")}
    for kind in ("decision", "trade", "slot_end"):
        assert found[kind] == {(0, ""), (1, "")}, kind
    assert found["registration"] == {(None, node) for node in nodes}
    assert found["opening"] == {(0, node) for node in nodes}
    metered = {(0, node) for node in nodes} | {(1, node) for node in nodes - {"n02"}}
    for kind in ("usage", "settlement", "booking"):
        assert found[kind] == metered, kind
    assert found["gap"] == {(1, "n02")}


def test_sent_energy_arrives_or_is_a_named_loss(bench: Any) -> None:
    bench.join()
    bench.run_slot(0)
    outcome = bench.coordinator.service.books.slots[0].trade
    held = sums(bench)
    assert len(outcome) == 3
    for transfer in outcome:
        pair = f"{transfer.donor}->{transfer.recipient}"
        assert transfer.sent_uj == transfer.received_uj + held[f"loss/transfer/{pair}"]
        out = 1.0 - bench.nodes[transfer.donor].profile.export_loss_fraction
        into = 1.0 - bench.nodes[transfer.recipient].profile.import_loss_fraction
        assert transfer.received_uj == int(transfer.sent_uj * out * into)


def test_answers_to_outside_clients_count_whole_beside_work_that_was_waste(bench: Any) -> None:
    """n01 ran two batches that had counted at their owner, and answered five requests from outside: 4,040 bits. The
    auditor makes it the same."""
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    owner, host = bench.nodes["n00"], bench.nodes["n01"]
    owner.decisions[0] = dataclasses.replace(owner.decisions[0], own_batches=6)
    outside = Serving("images", 5, 35, 55, 4_040, 0, 0.1, 0.2, 0.3, (10,), (5,), 0.5, 0.25)
    say = host.say
    host.say = lambda m: say(dataclasses.replace(m, outside=outside) if isinstance(m, Usage) else m)
    assert bench.coordinator.end_slot(EndSlot(0, 1.0)).executed_batches == 18
    assert sums(bench)["node/n01/stage/development/waste"] > 0
    report = bench.coordinator.report(ReportQuery())
    assert (report.requests, report.bits) == (18 * 3 + 5, 18 * 800 + 4_040)
    assert (report.tokens_in, report.tokens_out) == (18 * 7 + 35, 18 * 10 + 55)
    found = verify(bench.config.ledger_path)
    assert found.ok, found.findings


def test_network_energy_of_a_parcel_is_booked_once_when_both_its_ends_are_late(bench: Any) -> None:
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    held: list[Any] = []
    bench.drop = lambda node, message: (
        node in ("n00", "n01") and isinstance(message, Usage) and not held.append((node, message))
    )
    bench.coordinator.end_slot(EndSlot(0, 1.0))
    bench.drop = lambda node, message: False
    for node, message in held:
        bench.coordinator.receive(node, message)
    bench.restart()  # and a coordinator that comes back counts the same
    network = {account: v for account, v in sums(bench).items() if account.startswith("network/stage/")}
    assert sum(network.values()) == 3 * 2000 * 2 + 3 * 5000 * 2
    assert verify(bench.config.ledger_path).ok
