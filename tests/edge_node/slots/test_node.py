"""The node's state machine: executed once, stale refused, nothing lost, everything reported."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carbon_data.storage import EnergyError
from edge_node.adapters.sqlite_outbox import SqliteOutbox
from edge_node.meters.base import MeterError
from edge_node.slots.backlog import Backlog
from edge_node.slots.errors import InvalidDecision, NotReady, NoWork, StaleDecision
from edge_node.slots.link import LocalLink, respond
from edge_node.slots.node import EdgeNode
from edge_node.slots.outbox import MemoryOutbox
from edge_node.workload import Parameters
from protos import codec
from protos.messages import (
    Ack,
    CloseSlot,
    Component,
    Decision,
    EnergyGrant,
    Executed,
    Guest,
    Moved,
    Refusal,
    Send,
    Settlement,
    Stage,
    Telemetry,
    Usage,
    Welcome,
)

MakeNode = Callable[..., EdgeNode]
BATCH_BYTES = 5 * (4 * 4 + 4 + 8)


def decide(node: str, slot: int, own: int = 0, **changes: Any) -> Decision:
    plain = Decision(node, 1, slot, Stage.DEVELOPMENT, True, own, (), (), 0, 0, 10**9, 10.0)
    return dataclasses.replace(plain, **changes)


def welcome(node: EdgeNode, slot: int = 0, battery_uj: int | None = None, epoch: int = 1) -> None:
    node.register("boot")
    node.on_welcome(Welcome("run", epoch, 2.0, 6.0, slot, battery_uj))


def finish(node: EdgeNode, slot: int, epoch: int = 1) -> tuple[Usage, Settlement]:
    usage = node.close(CloseSlot(epoch, slot))
    return usage, node.on_grant(EnergyGrant(node.node_id, epoch, slot, 0, 0))


def energies(usage: Usage) -> dict[Component, int]:
    totals: dict[Component, int] = {}
    for line in usage.lines:
        totals[line.component] = totals.get(line.component, 0) + line.energy_uj
    return totals


def test_a_slot_from_telemetry_to_settlement(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    told = node.telemetry()
    assert (told.slot, told.battery_uj, told.backlog_batches, told.mean_loss) == (0, 50_000_000, (6,), None)
    assert node.on_decision(decide("n0", 0, own=6)) == []
    result = node.execute(model)
    assert result.batches == 6
    usage, settlement = finish(node, 0)
    assert usage.executed == (Executed("n0", 6),)
    lines = energies(usage)
    assert lines[Component.COMPUTE] == 6 * 400_000  # 0.1 s at 4 W a batch
    assert lines[Component.STATIC] == 20_000_000
    assert usage.model_bytes == 2 * 16
    assert settlement.demand_uj == sum(lines.values())
    assert settlement.battery_after_uj == node.battery_uj
    assert node.telemetry().slot == 1
    assert node.telemetry().mean_loss == usage.mean_loss is not None


def test_own_and_offloaded_batches_really_move(make_node: MakeNode, model: Parameters) -> None:
    owner, executor = make_node(0), make_node(1)
    links: dict[str, LocalLink] = {}
    for node in (owner, executor):
        LocalLink(node, links, "boot").register()
        links[node.node_id].receive(Welcome("run", 1, 2.0, 6.0, 0))
    # The owner hears first: its parcel is there before the executor's own decision.
    assert links["n0"].receive(decide("n0", 0, own=4, sends=(Send("n1", "", 2),))) == []
    assert links["n1"].receive(decide("n1", 0, own=6, guests=(Guest("n0", 2),))) == []
    for node in (owner, executor):
        links[node.node_id].wait_ready(0, 1.0)
        node.execute(model)
    assert executor.workload.trained == [1_000, 1_001, 1_002, 1_003, 1_004, 1_005, 4, 5]
    assert owner.workload.trained == [0, 1, 2, 3]
    sent, _ = finish(owner, 0)
    received, _ = finish(executor, 0)
    assert sent.moved == (Moved("n1", True, 2, 2 * BATCH_BYTES),)
    assert received.moved == (Moved("n0", False, 2, 2 * BATCH_BYTES),)
    assert received.executed == (Executed("n0", 2), Executed("n1", 6))
    assert energies(sent)[Component.RADIO_TX] == (2 * BATCH_BYTES + 16) * 10
    assert energies(received)[Component.RADIO_RX] == (2 * BATCH_BYTES + 16) * 20


def test_batches_of_a_failed_parcel_are_run_at_home(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    parcels = node.on_decision(decide("n0", 0, own=4, sends=(Send("n1", "", 2),)))
    with pytest.raises(NotReady, match="no answer from n1"):
        node.execute(model)
    node.parcel_failed(parcels[0])
    node.execute(model)
    assert node.workload.trained == [0, 1, 2, 3, 4, 5]
    usage, _ = finish(node, 0)
    assert usage.moved == ()
    assert usage.executed == (Executed("n0", 6),)


def test_missing_batches_are_waited_for_then_given_up(make_node: MakeNode, model: Parameters) -> None:
    owner, executor = make_node(0), make_node(1)
    for node in (owner, executor):
        welcome(node)
    executor.on_decision(decide("n1", 0, own=1, guests=(Guest("n0", 2),)))
    with pytest.raises(NotReady, match="no batches from n0"):
        executor.execute(model)
    assert executor.give_up_missing(0) == ("n0",)
    (parcel,) = owner.on_decision(decide("n0", 0, own=4, sends=(Send("n1", "", 2),)))
    receipt = executor.on_parcel(parcel)
    assert not receipt.accepted
    assert "too late" in receipt.reason
    assert executor.execute(model).batches == 1


def test_parcels_are_checked_before_they_are_taken(make_node: MakeNode) -> None:
    owner, executor = make_node(0), make_node(1)
    for node in (owner, executor):
        welcome(node)
    (parcel,) = owner.on_decision(decide("n0", 0, own=4, sends=(Send("n1", "", 2),)))
    executor.on_decision(decide("n1", 0, own=1, guests=(Guest("n0", 2),)))
    swapped = dataclasses.replace(parcel, executor="n2")
    foreign = dataclasses.replace(parcel, run_id="other")
    future = dataclasses.replace(parcel, slot=5)
    uninvited = dataclasses.replace(parcel, owner="n7")
    wrong = dataclasses.replace(
        parcel, tensors=tuple(dataclasses.replace(t, name=f"z{t.name}") for t in parcel.tensors)
    )
    for bad in (swapped, foreign, future, uninvited, wrong):
        receipt = executor.on_parcel(bad)
        assert not receipt.accepted
        assert receipt.reason
    first, again = executor.on_parcel(parcel), executor.on_parcel(parcel)
    assert first == again
    assert first.accepted
    assert executor.close(CloseSlot(1, 0)).moved == (Moved("n0", False, 2, 2 * BATCH_BYTES),)


def test_storage_for_offloaded_batches_is_a_limit(
    make_node: MakeNode, make_config: Callable[..., Any]
) -> None:
    board = make_config(0).board.model_copy(update={"storage_bytes": 2 * BATCH_BYTES - 1})
    owner, executor = make_node(0), make_node(1, board=board)
    for node in (owner, executor):
        welcome(node)
    (parcel,) = owner.on_decision(decide("n0", 0, own=4, sends=(Send("n1", "", 2),)))
    assert "full" in executor.on_parcel(parcel).reason
    early = dataclasses.replace(parcel, slot=1)
    assert "full" in executor.on_parcel(early).reason


def test_the_same_decision_twice_is_executed_once(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    decision = decide("n0", 0, own=4, sends=(Send("n1", "", 2),))
    (parcel,) = node.on_decision(decision)
    assert node.on_decision(decision) == []
    node.parcel_delivered(parcel)
    first = node.execute(model)
    assert node.execute(model) is first
    assert node.on_decision(decision) == []
    usage, settlement = finish(node, 0)
    assert usage.executed == (Executed("n0", 4),)
    assert node.close(CloseSlot(1, 0)) == usage
    assert node.on_grant(EnergyGrant("n0", 1, 0, 0, 0)) == settlement
    assert node.on_decision(decision) == []
    assert node.workload.trained == [0, 1, 2, 3]


def test_a_new_epoch_of_an_executed_slot_only_reports_again(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0, own=6))
    node.execute(model)
    usage, settlement = finish(node, 0)
    assert node.on_decision(decide("n0", 0, own=3, epoch=2)) == []
    again, settled = finish(node, 0, epoch=2)
    assert again == dataclasses.replace(usage, epoch=2, seq=again.seq)
    assert settled == dataclasses.replace(settlement, epoch=2, seq=settled.seq)
    assert again.seq > usage.seq
    assert len(node.workload.trained) == 6
    # The readings of the older epoch are not sent any more: nothing could be booked twice.
    assert node.unacknowledged() == [again, settled]


def test_a_new_epoch_before_the_work_replaces_the_plan(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    (parcel,) = node.on_decision(decide("n0", 0, own=3, sends=(Send("n1", "", 3),)))
    node.parcel_delivered(parcel)
    assert node.on_decision(decide("n0", 0, own=6, epoch=2)) == []
    assert node.execute(model).batches == 6
    usage = node.close(CloseSlot(2, 0))
    assert usage.moved == ()  # nobody runs what went out under the older plan
    assert energies(usage)[Component.RADIO_TX] == (3 * BATCH_BYTES + 16) * 10  # and it was sent all the same


@pytest.mark.parametrize(("epoch", "slot"), [(1, 1), (1, 0), (0, 2), (1, 2)])
def test_stale_decisions_are_refused(make_node: MakeNode, epoch: int, slot: int) -> None:
    node = make_node()
    welcome(node, slot=2)
    node.on_decision(decide("n0", 2, own=6))
    with pytest.raises(StaleDecision):
        node.on_decision(decide("n0", slot, own=5, epoch=epoch))


@pytest.mark.parametrize(
    "decision",
    [
        decide("n1", 0, own=1),
        decide("n0", 99, own=1),
        decide("n0", 0, own=1, stage=Stage.APPLICATION),
        decide("n0", 0, own=1, awake=False),
        decide("n0", 0, sends=(Send("n0", "", 1),)),
        decide("n0", 0, guests=(Guest("n1", 1), Guest("n1", 2))),
    ],
)
def test_impossible_decisions_are_refused(make_node: MakeNode, decision: Decision) -> None:
    node = make_node()
    welcome(node)
    with pytest.raises(InvalidDecision):
        node.on_decision(decision)
    assert node.readiness(0).decided is False


def test_no_stale_plan_in_ten_thousand_pauses_and_restarts(make_node: MakeNode, tmp_path: Path) -> None:
    """A decision counts as executed when it was accepted; accepted ones must rise in (epoch, slot)."""
    source = random.Random(5)
    accepted: list[tuple[int, int]] = []
    outbox = MemoryOutbox()
    for _ in range(500):
        node = make_node(
            outbox=outbox, stages=(Stage.DEVELOPMENT,) * 40
        )  # restarted: only the outbox is left
        welcome(node, slot=source.randint(0, 30))
        for _ in range(20):
            epoch, slot = source.randint(1, 8), source.randint(0, 39)
            before = node.readiness(slot).decided
            try:
                node.on_decision(decide("n0", slot, own=1, epoch=epoch, deadline_s=source.random()))
            except StaleDecision:
                continue
            if not before:
                accepted.append((epoch, slot))
    assert accepted == sorted(set(accepted))


def test_a_slot_closed_without_work_still_costs_static_power(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    usage, settlement = finish(node, 0)
    assert energies(usage) == {Component.STATIC: 20_000_000}
    assert usage.executed == ()
    # Nothing was decided: harvest serves the load, nothing is drawn from what is stored.
    assert (settlement.green_uj, settlement.discharge_uj) == (10_000_000, 0)
    assert node.telemetry().backlog_batches == (6,)  # the slot's own: what was due before is lost


def test_sleep_and_waking(make_node: MakeNode) -> None:
    node = make_node(deadline_slots=2)
    welcome(node)
    node.on_decision(decide("n0", 0, awake=False))
    with pytest.raises(NoWork):
        node.execute({})
    asleep, _ = finish(node, 0)
    assert energies(asleep) == {Component.SLEEP: 5_000_000}
    silent, _ = finish(node, 1)  # no decision came: it sleeps on
    assert energies(silent) == {Component.SLEEP: 5_000_000}
    assert node.telemetry().backlog_batches == (6, 6, 6)
    node.on_decision(decide("n0", 2, own=0))
    awake, _ = finish(node, 2)
    assert energies(awake) == {Component.STATIC: 20_000_000, Component.WAKE: 3_000_000}


def test_work_not_done_waits_for_its_deadline(make_node: MakeNode, model: Parameters) -> None:
    node = make_node(deadline_slots=1)
    welcome(node)
    node.on_decision(decide("n0", 0, own=2))
    node.execute(model)
    finish(node, 0)
    assert node.telemetry().backlog_batches == (4, 6)
    node.on_decision(decide("n0", 1, own=5))
    node.execute(model)
    assert node.workload.trained == [0, 1, 2, 3, 4, 5, 6]  # earliest deadline first
    finish(node, 1)
    assert node.telemetry().backlog_batches == (5, 6)


def test_a_slot_closed_in_the_midst_of_work_wastes_it(make_node: MakeNode, model: Parameters) -> None:
    node = make_node(deadline_slots=1)
    welcome(node)
    node.on_decision(decide("n0", 0, own=6))
    reports: list[Usage] = []
    node.workload.before_training = lambda: reports.append(finish(node, 0)[0])
    with pytest.raises(NotReady, match="too late"):
        node.execute(model)
    assert reports[0].executed == ()
    assert node.telemetry().backlog_batches == (6, 6)
    usage, _ = finish(node, 1)
    assert energies(usage)[Component.WASTE] == 6 * 400_000


def test_a_result_thrown_away_is_waste(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0, own=6))
    node.execute(model)
    node.discard_result(0)
    usage, _ = finish(node, 0)
    assert energies(usage)[Component.WASTE] == 6 * 400_000
    assert Component.COMPUTE not in energies(usage)
    assert usage.executed == ()


def test_work_that_fails_can_be_tried_again(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0, own=6))
    node.workload.before_training = lambda: (_ for _ in ()).throw(OSError("disk"))
    with pytest.raises(OSError, match="disk"):
        node.execute(model)
    node.workload.before_training = lambda: None
    assert node.execute(model).batches == 6


def test_serving_counts_requests_tokens_and_bits(make_node: MakeNode, model: Parameters) -> None:
    node = make_node(stages=(Stage.PREPARATION, Stage.APPLICATION))
    welcome(node)
    node.on_decision(decide("n0", 0, own=6, stage=Stage.PREPARATION))
    assert node.execute({}).num_examples == 30
    prepared, _ = finish(node, 0)
    assert {line.stage for line in prepared.lines} == {Stage.PREPARATION, Stage.UNALLOCATED}
    node.on_decision(decide("n0", 1, own=2, stage=Stage.APPLICATION))
    node.execute(model)
    usage, _ = finish(node, 1)
    (served,) = usage.served
    assert (served.requests, served.tokens_in, served.tokens_out, served.bits) == (10, 0, 0, 640)
    assert usage.model_bytes == 16
    assert node.slot == 2
    with pytest.raises(NotReady):
        node.telemetry()


def test_readings_are_sent_again_until_they_are_acknowledged(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    node.telemetry()
    usage, settlement = finish(node, 0)
    node.telemetry()
    assert node.unacknowledged() == [usage, settlement]
    assert node.tick() == []  # telemetry waits until the readings before it are booked
    node.acknowledged(Ack("n0", settlement.seq))
    assert node.unacknowledged() == []
    assert node.tick() == [node.telemetry()]
    node.acknowledged(Ack("n0", node.telemetry().seq))
    assert node.tick() == []


def test_sequence_numbers_rise_and_never_repeat(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    numbers = []
    for slot in range(6):
        told = node.telemetry()
        assert node.telemetry() is told
        usage, settlement = finish(node, slot)
        numbers += [told.seq, usage.seq, settlement.seq]
    assert numbers == list(range(1, 19))
    assert node.heartbeat(5).seq == 18


def test_a_fresh_node_takes_slot_and_battery_from_the_ledger(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node, slot=3, battery_uj=12_345_678)
    told = node.telemetry()
    assert (told.slot, told.battery_uj, told.backlog_batches) == (3, 12_345_678, (6,))
    (parcel,) = node.on_decision(decide("n0", 3, sends=(Send("n1", "", 1),)))
    assert parcel.batch_ids == (18,)  # numbers follow from the slot, not from what this process remembers


def test_a_welcome_of_another_run_is_refused(make_node: MakeNode) -> None:
    node = make_node()
    node.register("boot")
    with pytest.raises(InvalidDecision, match="of run"):
        node.on_welcome(Welcome("other", 1, 2.0, 6.0, 0))


def test_a_slot_ended_without_this_node_is_reported_late(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0, own=6))
    node.execute(model)
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 1))  # reconnected: the coordinator is one slot further
    assert not node.expects_decision()
    (usage,) = node.tick()  # and said nothing more of slot 0
    assert isinstance(usage, Usage)
    assert (usage.slot, usage.executed) == (0, (Executed("n0", 6),))
    node.on_grant(EnergyGrant("n0", 1, 0, 0, 0))
    assert node.telemetry().slot == 1


def test_a_reconnection_within_a_slot_changes_nothing(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    decision = decide("n0", 0, own=6)
    node.on_decision(decision)
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 1))
    node.on_decision(decision)  # the coordinator still waits for us in slot 0
    assert node.tick() == []
    assert node.execute(model).batches == 6


def test_slots_decided_without_this_node_are_skipped(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    node.telemetry()
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 4))
    (told,) = node.tick()
    assert isinstance(told, Telemetry)
    assert (told.slot, told.backlog_batches) == (4, (6,))


def test_a_reading_closed_by_estimate_lets_the_node_go_on(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0))
    usage = node.close(CloseSlot(1, 0))
    node.acknowledged(Ack("n0", usage.seq))
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 1))  # no grant came, and none comes any more
    (told,) = node.tick()
    assert isinstance(told, Telemetry)
    assert told.slot == 1
    # A grant that comes after all is settled all the same, and the battery told anew.
    settlement = node.on_grant(EnergyGrant("n0", 1, 0, 0, 0))
    assert node.telemetry().battery_uj == settlement.battery_after_uj
    assert node.telemetry().seq > told.seq


def test_a_refused_reading_is_dropped_and_the_node_goes_on(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0))
    node.close(CloseSlot(1, 0))
    response = respond(node, Refusal("stale_epoch", "another"))
    (told,) = response.up
    assert isinstance(told, Telemetry)
    assert told.slot == 1
    assert node.unacknowledged() == []


def test_a_meter_without_a_reading_leaves_a_gap(make_node: MakeNode, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"slot": 1, "lines": []}\n')
    node = make_node(meter=f"replay:{log}")
    welcome(node)
    with pytest.raises(MeterError):
        node.close(CloseSlot(1, 0))
    assert node.telemetry().slot == 1
    response = respond(make_started(make_node, meter=f"replay:{log}"), CloseSlot(1, 0))
    assert [type(m).__name__ for m in response.up] == ["Refusal", "Telemetry"]


def test_a_gap_stays_a_gap(make_node: MakeNode, tmp_path: Path) -> None:
    """Closed again, a slot without a reading is not read from the next slot's window, nor left a second time."""
    log = tmp_path / "log.jsonl"
    log.write_text('{"slot": 1, "lines": []}\n')
    node = make_started(make_node, meter=f"replay:{log}", deadline_slots=1)
    with pytest.raises(MeterError):
        node.close(CloseSlot(1, 0))
    with pytest.raises(StaleDecision, match="node in 1"):
        node.close(CloseSlot(2, 0))
    assert node.telemetry().backlog_batches == (6, 6)
    assert node.close(CloseSlot(2, 1)).lines == ()


def test_a_decision_that_comes_after_the_close_is_refused(make_node: MakeNode) -> None:
    node = make_started(make_node, deadline_slots=1)
    node.close(CloseSlot(1, 0))
    with pytest.raises(StaleDecision, match="is reported"):
        node.on_decision(decide("n0", 0, own=6))
    settled = node.on_grant(EnergyGrant("n0", 1, 0, 0, 0))
    assert settled.discharge_uj == 0
    assert node.telemetry().backlog_batches == (6, 6)  # its batches are not lost to a plan that nobody runs


def make_started(make_node: MakeNode, **changes: Any) -> EdgeNode:
    node = make_node(**changes)
    welcome(node)
    return node


def test_the_trade_reaches_the_battery(make_node: MakeNode) -> None:
    donor = make_started(make_node, index=0)
    donor.on_decision(decide("n0", 0, export_uj=8_000_000, charge_uj=1_000_000, discharge_uj=0))
    donor.close(CloseSlot(1, 0))
    settled = donor.on_grant(EnergyGrant("n0", 1, 0, 8_000_000, 0))
    assert (settled.export_uj, settled.charge_uj, settled.green_uj) == (8_000_000, 1_000_000, 1_000_000)
    greedy = make_started(make_node, index=1)
    greedy.on_decision(decide("n1", 0, discharge_uj=0))
    greedy.close(CloseSlot(1, 0))
    with pytest.raises(EnergyError):
        greedy.on_grant(EnergyGrant("n1", 1, 0, 10**9, 0))
    assert [m.code for m in respond(greedy, EnergyGrant("n1", 1, 0, 10**9, 0)).up] == ["energy"]


def run_once(make_node: MakeNode, model: Parameters) -> list[bytes]:
    node, said = make_node(0), []
    said.append(codec.encode_up(node.register("boot")))
    welcome(node)
    for slot in range(4):
        said.append(codec.encode_up(node.telemetry()))
        node.on_decision(decide("n0", slot, own=6))
        node.execute(model)
        said += [codec.encode_up(message) for message in finish(node, slot)]
    return said


def test_two_runs_of_the_same_node_say_the_same(make_node: MakeNode, model: Parameters) -> None:
    assert run_once(make_node, model) == run_once(make_node, model)


def test_readings_and_fence_survive_the_process(make_node: MakeNode, tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "outbox.sqlite")
    node = make_node(outbox=outbox)
    welcome(node)
    node.telemetry()
    node.on_decision(decide("n0", 0, own=6))
    usage = node.close(CloseSlot(1, 0))
    outbox.close()

    restarted = make_node(outbox=SqliteOutbox(tmp_path / "outbox.sqlite"))
    restarted.register("boot-2")
    (again,) = restarted.unacknowledged()
    assert again == dataclasses.replace(usage, boot_id="boot-2", seq=again.seq)
    assert again.seq > usage.seq
    restarted.on_welcome(Welcome("run", 1, 2.0, 6.0, 0))
    with pytest.raises(StaleDecision):
        restarted.on_decision(decide("n0", 0, own=6))


def test_deadlines_end_with_the_stage_and_the_run() -> None:
    stages = (Stage.DEVELOPMENT, Stage.DEVELOPMENT, Stage.APPLICATION, Stage.DEVELOPMENT, Stage.RECYCLING)
    backlog = Backlog(stages, 2, lambda stage: 1)
    assert [backlog.deadline(slot) for slot in range(5)] == [1, 3, 2, 3, 4]
    for slot in range(2):
        backlog.release(slot)
    assert backlog.counts(1) == (1, 0, 1)
    assert [b.batch_id for b in backlog.take(Stage.DEVELOPMENT, 5)] == [0, 1]
    assert backlog.counts(1) == (0, 0, 0)
    assert backlog.forecast(3, 4) == (1, 0, 0)
