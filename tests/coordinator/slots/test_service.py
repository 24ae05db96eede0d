"""Whole slots through the service with the real ledger: what is booked, and that it is booked once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coordinator.config import LimitsConfig
from coordinator.ledger import Unit, verify
from coordinator.market.decision import Feasible
from coordinator.policies.local import Local, rule_decision
from coordinator.policies.registry import make_policy
from coordinator.slots.protocol import RequestError
from coordinator.tables.export import ledger_tables
from protos.messages.runner import BeginSlot, EndSlot, ReportQuery
from protos.messages.slot import Serving, Telemetry, Usage
from protos.messages.stream import Refusal
from protos.messages.terms import Stage


class Trader:
    """Every node gives a third of its harvest to the next node and sends it two batches."""

    name = "trader"

    def init(self, seed: int) -> None:
        return None

    def decide(self, fleet: Any, state: None) -> Any:
        n = fleet.size
        shift = np.roll(np.eye(n, dtype=bool), 1, axis=1) & ~np.eye(n, dtype=bool)
        own = fleet.backlog_batches.sum(axis=1)
        batches = np.diag(own - 2 * shift.any(axis=1)) + 2 * shift
        transfer = shift * (fleet.harvest_j[:, :1] / 3)
        return rule_decision(
            fleet, batches.astype(np.int64), Feasible(None, "rule"), transfer_j=transfer
        ), state


@pytest.fixture
def bench(tmp_path: Path, kit: Any) -> Iterator[Any]:
    made = kit.Bench(kit.make_config(tmp_path), Trader())
    yield made
    made.close()


def sums(bench: Any) -> dict[str, int]:
    """Balances of the ledger by kind of account, in uJ."""
    found: dict[str, int] = {}
    for (account, unit), amount in bench.coordinator.service.books.balances.items():
        if unit is Unit.MICROJOULES:
            found[account] = amount
    return found


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


def test_decision_is_durable_before_it_is_sent(bench: Any) -> None:
    kinds_when_heard: list[set[str]] = []
    deliver = bench._deliver

    def watch(node: str, message: Any) -> None:
        if type(message).__name__ == "Decision":
            kinds_when_heard.append({stored.entry.key for stored in bench.coordinator.ledger.entries()})
        deliver(node, message)

    bench.coordinator._deliver = watch
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert len(kinds_when_heard) == 3
    assert all("decision/0" in keys for keys in kinds_when_heard)


def test_repeated_calls_give_the_stored_answer(bench: Any) -> None:
    bench.join()
    begin, end = BeginSlot(0, Stage.DEVELOPMENT, 1.0), EndSlot(0, 1.0, 1000, 10)
    plan = bench.coordinator.begin_slot(begin)
    assert bench.coordinator.begin_slot(begin) == plan
    summary = bench.coordinator.end_slot(end)
    before = bench.coordinator.ledger.head
    assert bench.coordinator.end_slot(end) == summary
    assert bench.coordinator.begin_slot(begin) == plan
    assert bench.coordinator.ledger.head == before
    assert all(stub.executed_twice == 0 for stub in bench.nodes.values())


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (BeginSlot(1, Stage.DEVELOPMENT, 1.0), "wrong_slot"),
        (BeginSlot(0, Stage.APPLICATION, 1.0), "wrong_stage"),
        (EndSlot(0, 1.0), "not_begun"),
    ],
)
def test_calls_out_of_order_are_refused(bench: Any, call: Any, code: str) -> None:
    bench.join()
    with pytest.raises(RequestError) as caught:
        bench.coordinator.begin_slot(call) if isinstance(call, BeginSlot) else bench.coordinator.end_slot(
            call
        )
    assert caught.value.code == code


def test_next_slot_needs_the_last_to_be_ended(bench: Any) -> None:
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    with pytest.raises(RequestError, match="not ended"):
        bench.coordinator.begin_slot(BeginSlot(1, Stage.DEVELOPMENT, 1.0))


def test_a_run_without_nodes_is_refused(bench: Any) -> None:
    with pytest.raises(RequestError) as caught:
        bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert caught.value.code == "no_nodes"


def test_silent_node_is_a_gap_its_transfers_are_void_and_it_comes_back(bench: Any) -> None:
    bench.join()
    bench.run_slot(0)
    bench.coordinator.begin_slot(BeginSlot(1, Stage.DEVELOPMENT, 1.0))
    bench.mute = {"n01"}
    summary = bench.coordinator.end_slot(EndSlot(1, 1.0))
    assert summary.missing_nodes == ("n01",)
    assert summary.unserved_batches == 4 + 2  # its own four, and two of n00 that it was to run
    trade = {(t.donor, t.recipient): t for t in bench.coordinator.service.books.slots[1].trade}
    assert not trade["n00", "n01"].posted
    assert not trade["n01", "n02"].posted
    assert trade["n02", "n00"].posted

    # The lease ends: the next slot is decided without it.
    bench.now += 100.0
    for node in ("n00", "n02"):
        bench.join(node)
    plan = bench.coordinator.begin_slot(BeginSlot(2, Stage.DEVELOPMENT, 1.0))
    assert plan.lost_nodes == ("n01",)
    bench.coordinator.end_slot(EndSlot(2, 1.0))

    # A new start of it takes up the battery that the books hold.
    bench.mute = set()
    bench.nodes["n01"] = stub = type(bench.nodes["n00"])("n01", boot_id="boot2", battery_uj=1)
    bench.join("n01")
    assert stub.battery_uj == bench.coordinator.service.books.battery_uj("n01")
    summary = bench.run_slot(3)
    assert summary.missing_nodes == ()
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings
    assert report.notices == ["2 unmetered node slots"]


def test_late_reading_is_booked_once_as_waste(bench: Any) -> None:
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    held: list[Any] = []
    bench.drop = lambda node, message: (
        node == "n02" and isinstance(message, Usage) and not held.append(message)
    )
    bench.coordinator.end_slot(EndSlot(0, 1.0))
    bench.drop = lambda node, message: False
    for _ in range(3):
        bench.coordinator.receive("n02", held[0])
    stub = bench.nodes["n02"]
    booked = sums(bench)
    compute, static = (line.energy_uj for line in held[0].lines)
    assert booked["node/n02/stage/development/waste"] == compute
    assert "node/n02/stage/development/compute" not in {k for k, v in booked.items() if v}
    assert booked["node/n02/stage/unallocated/static"] == static
    assert booked["node/n02/grid"] == -(compute + static)  # on the cautious side
    # It could continue with its own balance; the difference of its battery is adjusted, visibly.
    assert stub.slot == 1
    assert booked["node/n02/battery"] == stub.battery_uj
    assert bench.run_slot(1).missing_nodes == ()
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings
    assert report.notices == [
        "1 battery adjustments after a gap",
        "1 readings after their slot's end",
        "1 unmetered node slots",
    ]


def test_node_that_dies_between_reading_and_settlement_is_booked_by_estimate(bench: Any) -> None:
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    bench.drop = lambda node, message: node == "n01" and not isinstance(message, Usage)
    summary = bench.coordinator.end_slot(EndSlot(0, 1.0))
    assert "n01" not in summary.settled_nodes
    assert summary.missing_nodes == ()
    assert summary.executed_batches == 18
    booked = sums(bench)
    stub = bench.nodes["n01"]
    demand = sum(line.energy_uj for line in stub.usages[0].lines)
    assert booked["node/n01/grid"] == -demand
    assert all(amount == 0 for account, amount in booked.items() if account.startswith("transfer/"))
    # Its settlement comes after all: the estimate stands, the battery is adjusted with the next telemetry.
    bench.drop = lambda node, message: False
    for message in list(stub.outbox.values()):
        bench.coordinator.receive("n01", message)
    assert sums(bench)["node/n01/battery"] == stub.battery_uj
    assert stub.outbox == {}
    bench.run_slot(1)
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings
    assert "1 bookings by estimate" in report.notices


def test_batches_run_twice_count_once_and_the_rest_is_waste(bench: Any) -> None:
    """The owner took the batch back although the executor had it: both ran it."""
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    owner = bench.nodes["n00"]
    owner.decisions[0] = dataclasses.replace(owner.decisions[0], own_batches=6)
    summary = bench.coordinator.end_slot(EndSlot(0, 1.0))
    assert summary.executed_batches == 18
    booked = sums(bench)
    # n00 answers first, so that the guest's two batches at n01 are the repeated ones: two of its six.
    assert booked["node/n01/stage/development/waste"] == 3_000_001 * 6 * 2 // 6
    # Their tokens are not delivered twice either: 18 batches of ten, whichever node ran them.
    report = bench.coordinator.report(ReportQuery())
    assert (report.tokens_in, report.tokens_out) == (18 * 7, 18 * 10)
    assert verify(bench.config.ledger_path).ok


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


def test_batches_that_an_executor_took_and_did_not_run_are_unserved_before_their_deadline_too(
    tmp_path: Path, kit: Any
) -> None:
    """They have left their owner's backlog, so that no later deadline of theirs will be missed."""
    config = kit.make_config(tmp_path, limits=LimitsConfig(deadline_slots=1))
    bench = kit.Bench(config, Trader())
    bench.join()
    bench.nodes["n01"].skip_guests = True
    summary = bench.run_slot(0)
    assert summary.executed_batches == 16
    assert summary.unserved_batches == 2
    bench.close()
    start = datetime(2024, 6, 1, tzinfo=UTC)
    slots = ledger_tables(config.ledger_path, start=start, trace_step_s=3600.0)["slots"]
    assert slots.set_index("node_id")["unserved_batches"].to_dict() == {"n00": 2, "n01": 0, "n02": 0}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("grid_uj", "(D1)"),
        ("curtailed_uj", "(D2)"),
        ("battery_after_uj", "(D3)"),
        ("self_discharge_uj", "(D3)"),
        ("harvest_uj", "(D2)"),
        ("export_uj", "agreed"),
    ],
)
def test_settlement_that_does_not_balance_is_refused(bench: Any, field: str, text: str) -> None:
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    caught: list[Any] = []
    bench.drop = lambda node, message: (
        node == "n00" and not isinstance(message, Usage) and not caught.append(message)
    )
    coordinator = bench.coordinator
    coordinator._run(coordinator.service.closing.close(EndSlot(0, 1.0))[1])
    coordinator._run(coordinator.service.closing.trade())
    bench.drop = lambda node, message: False
    wrong = dataclasses.replace(caught[0], **{field: getattr(caught[0], field) + 1})
    if field == "export_uj":  # balanced in itself, but not what was granted
        wrong = dataclasses.replace(wrong, curtailed_uj=wrong.curtailed_uj - 1)
    before = sums(bench)
    coordinator.receive("n00", wrong)
    refusals = bench.nodes["n00"].refusals
    assert [r.code for r in refusals] == ["bad_settlement"]
    assert text in refusals[0].reason
    assert sums(bench) == before
    assert "1 alarm: bad_settlement" in verify(bench.config.ledger_path).notices


def test_same_number_with_other_content_is_an_alarm_and_never_overwrites(bench: Any) -> None:
    bench.join()
    stub = bench.nodes["n00"]
    first = next(s.entry for s in bench.coordinator.ledger.entries() if s.entry.key == "message/n00/boot1/1")
    other = Telemetry("n00", "boot1", 1, 0, first.body["battery_uj"], (5,), (9,))
    bench.coordinator.receive("n00", other)
    assert [refusal.code for refusal in stub.refusals] == ["key_conflict"]
    assert bench.coordinator.service.books.waiting["n00"].backlog_batches == (6,)
    assert bench.coordinator.report(ReportQuery()).labels["alarms"] == "1"
    assert "1 alarm: key_conflict" in verify(bench.config.ledger_path).notices


def test_stale_epoch_unknown_slot_and_unknown_nodes_are_refused(bench: Any) -> None:
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    stub = bench.nodes["n00"]
    usage = stub.usage(0)
    stub.usages.clear()
    for changes, code in (
        ({"epoch": 7}, "stale_epoch"),
        ({"slot": 3}, "no_decision"),
        ({"node_id": "n01"}, "wrong_node"),
        ({"boot_id": "boot0"}, "stale_boot"),
    ):
        bench.coordinator.receive("n00", dataclasses.replace(usage, seq=90 + len(code), **changes))
        assert stub.refusals[-1].code == code
    heard: list[Any] = []
    bench.coordinator._deliver = lambda node, message: heard.append((node, message))
    bench.coordinator.receive("n77", dataclasses.replace(stub.register(), node_id="n77"))
    assert [(node, m.code) for node, m in heard if isinstance(m, Refusal)] == [("n77", "unknown_node")]
    assert "n77" not in bench.coordinator.service.books.nodes


def test_new_stream_fences_the_old_one(bench: Any) -> None:
    bench.join()
    service, stub = bench.coordinator.service, bench.nodes["n00"]
    old = bench.coordinator._sessions["n00"]
    bench.join("n00")
    assert not service.sessions.is_current("n00", old)
    from coordinator.slots.protocol import Refused

    with pytest.raises(Refused) as caught:
        service.receive("n00", old, stub.telemetry(0))
    assert caught.value.refusal.code == "fenced"


def test_superseded_start_of_a_node_may_not_come_back(bench: Any) -> None:
    bench.join()
    old = bench.nodes["n00"].register()
    bench.nodes["n00"] = type(bench.nodes["n00"])("n00", boot_id="boot2")
    bench.join("n00")
    bench.coordinator.receive("n00", old)
    assert bench.nodes["n00"].refusals[-1].code == "stale_boot"


def test_battery_that_changes_without_a_gap_is_refused(bench: Any) -> None:
    bench.join()
    bench.run_slot(0)
    stub = bench.nodes["n00"]
    stub.battery_uj += 1000
    bench.coordinator.receive("n00", stub.telemetry(1))
    assert stub.refusals[-1].code == "battery_discontinuous"


class Broken:
    """Raises, or asks for the impossible, by slot."""

    name = "broken"

    def init(self, seed: int) -> int:
        return 0

    def decide(self, fleet: Any, state: int) -> Any:
        decision, _ = Local().decide(fleet, None)
        if fleet.slot == 0:
            raise ZeroDivisionError("lost a divisor")
        if fleet.slot == 1:
            return dataclasses.replace(decision, batches=decision.batches * 2), state
        if fleet.slot == 2:
            return dataclasses.replace(decision, transfer_j=np.full((fleet.size, fleet.size), np.nan)), state
        return decision, state + 1


def test_policy_that_fails_is_replaced_by_the_local_rule_visibly(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path), Broken())
    bench.join()
    statuses = []
    for slot in range(4):
        plan = bench.coordinator.begin_slot(BeginSlot(slot, Stage.DEVELOPMENT, 1.0))
        assert sum(d.own_batches for d in plan.decisions) == 18
        statuses.append(plan.status)
        bench.coordinator.end_slot(EndSlot(slot, 1.0))
    assert "lost a divisor" in statuses[0]
    assert all(status.startswith("fallback: ") for status in statuses[:3])
    assert not statuses[3].startswith("fallback")
    assert bench.coordinator.report(ReportQuery()).labels["fallback_slots"] == "3"
    assert "3 slots decided by fallback" in verify(bench.config.ledger_path).notices
    bench.close()


class Chooser(Local):
    """Local, but only the first node takes part."""

    def decide(self, fleet: Any, state: Any) -> Any:
        decision, state = super().decide(fleet, state)
        return dataclasses.replace(decision, selected=np.arange(fleet.size) == 0), state


def test_nodes_that_are_not_selected_run_nothing_and_still_live(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path), Chooser())
    bench.join()
    summary = bench.run_slot(0)
    assert summary.executed_batches == 6
    assert summary.unserved_batches == 0
    assert len(summary.settled_nodes) == 3
    books = bench.coordinator.service.books
    assert [books.nodes[n].participations for n in bench.nodes] == [1, 0, 0]
    assert books.balances["node/n01/stage/unallocated/static", Unit.MICROJOULES] > 0
    bench.close()


@pytest.mark.parametrize("policy", ["grid", "local", "det", "dat", "deta"])
def test_real_policies_drive_a_run(tmp_path: Path, kit: Any, policy: str) -> None:
    bench = kit.Bench(kit.make_config(tmp_path, nodes=4), make_policy(policy))
    bench.join()
    moved = 0
    for slot in range(4):
        plan = bench.coordinator.begin_slot(BeginSlot(slot, Stage.DEVELOPMENT, 1.0))
        assert not plan.status.startswith("fallback"), plan.status
        summary = bench.coordinator.end_slot(EndSlot(slot, 1.0))
        assert summary.unserved_batches == 0
        moved += summary.moved_batches
    if policy == "deta":
        assert moved > 0
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings
    bench.close()


def test_report_holds_the_testbeds_own_lines(bench: Any) -> None:
    bench.join()
    summaries = [bench.run_slot(slot) for slot in range(2)]
    report = bench.coordinator.report(ReportQuery())
    lines = {(line.node_id, str(line.component)): line for line in report.lines}
    assert lines["coordinator", "coordinator"].energy_uj == 2 * round(
        1e6 * (3.0 * 60 + 1000 * 1e-9 + 10 * 1e-4)
    )
    assert lines["router", "router"].energy_uj == 2 * 240_000_000
    # Two batches of 1000 bytes a pair and slot, and 5000 bytes of model a node and slot, at 2 uJ a byte.
    assert lines["network", "network"].energy_uj == 2 * (3 * 2000 * 2 + 3 * 5000 * 2)
    assert sum(line.emissions_pg for line in report.lines) == sum(s.emissions_pg for s in summaries)
    assert (report.tokens_in, report.tokens_out) == (2 * 18 * 7, 2 * 18 * 10)
    only = bench.coordinator.report(ReportQuery("n01"))
    assert {line.node_id for line in only.lines} == {"n01"}


class Saver:
    """Gives nothing in even slots and all that (D6) allows in odd ones."""

    name = "saver"

    def init(self, seed: int) -> None:
        return None

    def decide(self, fleet: Any, state: None) -> Any:
        n = fleet.size
        shift = np.roll(np.eye(n, dtype=bool), 1, axis=1)
        given = fleet.transfer_caps_j()[:, 0] * (fleet.slot % 2)
        batches = np.diag(fleet.backlog_batches.sum(axis=1))
        return rule_decision(
            fleet, batches.astype(np.int64), Feasible(None, "rule"), transfer_j=shift * given[:, None]
        ), state


@pytest.mark.parametrize("restart", [False, True])
def test_a_transfer_cap_over_the_horizon_counts_what_is_booked(
    tmp_path: Path, kit: Any, restart: bool
) -> None:
    """Unused cap is carried on, and the count survives a restart: it is in the ledger."""
    limits = LimitsConfig(net_j_per_byte=2e-6, transfer_cap_over="horizon")
    bench = kit.Bench(kit.make_config(tmp_path, limits=limits), Saver())
    bench.join()
    given, harvested = [], []
    for slot in range(4):
        if restart and slot in (1, 3):
            bench.restart()
            bench.join()
        assert "fallback" not in bench.coordinator.begin_slot(BeginSlot(slot, Stage.DEVELOPMENT, 1.0)).status
        bench.coordinator.end_slot(EndSlot(slot, 1.0, 1000, 10))
        states = bench.coordinator.service.books.nodes
        given.append(np.array([states[node].given_uj for node in bench.nodes]))
        harvested.append(np.array([states[node].harvested_uj for node in bench.nodes]))
        metered = [sum(u.harvest_uj for u in stub.usages.values()) for stub in bench.nodes.values()]
        np.testing.assert_array_equal(harvested[-1], metered)
    assert not given[0].any()
    assert not (given[2] - given[1]).any()
    # All of the cap, to the microjoule: half of what was harvested from the run's begin. The first node's battery does
    # not hold as much in the last slot.
    np.testing.assert_allclose(given[1], 0.5 * harvested[1], rtol=0, atol=1)
    np.testing.assert_allclose(given[3][1:], 0.5 * harvested[3][1:], rtol=0, atol=1)
    assert given[3][0] <= 0.5 * harvested[3][0]
    assert (given[1] > 0.6 * (harvested[1] - harvested[0])).all()  # more than half of the slot's own
    bench.close()
    assert verify(bench.config.ledger_path).ok
