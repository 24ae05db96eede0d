"""Deciding a slot with complete information: wait for telemetry, draft the fleet, ask the policy, adopt its choice."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coordinator.ledger import Unit, verify
from coordinator.policies.local import Local
from coordinator.policies.registry import make_policy
from coordinator.slots.protocol import RequestError
from edge_node.slots.windows import Windows
from protos.messages.runner import BeginSlot, EndSlot, ReportQuery
from protos.messages.terms import Overrun, Stage


def test_decision_is_durable_before_it_is_sent(bench: Any) -> None:
    kinds_when_heard: list[set[str]] = []
    deliver = bench.deliver

    def watch(node: str, message: Any) -> None:
        if type(message).__name__ == "Decision":
            kinds_when_heard.append({stored.entry.key for stored in bench.coordinator.ledger.entries()})
        deliver(node, message)

    bench.coordinator.deliver = watch
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert len(kinds_when_heard) == 3
    assert all("decision/0" in keys for keys in kinds_when_heard)


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
            return decision.with_dense(decision.batches * 2), state
        if fleet.slot == 2:
            return decision.with_dense(transfer_j=np.full((fleet.size, fleet.size), np.nan)), state
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


def test_a_run_that_cannot_catch_up_ends_with_a_sentence(tmp_path: Path, kit: Any) -> None:
    """To decide and end a slot of 60 s takes 70 s: with ``skip`` all later slots would be missed."""
    config = kit.make_config(tmp_path, slots=40, overrun=Overrun.SKIP, lease_s=1e9)
    changes = {"self_discharge_fraction": 0.0, "charge_limit_w": 1e6, "discharge_limit_w": 1e6}
    bench = kit.Bench(config, make_policy("local"), **changes)
    for stub in bench.nodes.values():
        stub.windows = Windows(lambda: round(bench.now * 1e9))
    bench.join()
    for slot in range(11):
        bench.coordinator.begin_slot(BeginSlot(slot, Stage.DEVELOPMENT, 1.0))
        bench.now += 130.0 if slot == 0 else 70.0
        bench.coordinator.end_slot(EndSlot(slot, 1.0))
    late = r"the run is .* s late, and missed slots make it later still.*choose longer slots"
    with pytest.raises(RequestError, match=late) as error:
        bench.coordinator.begin_slot(BeginSlot(11, Stage.DEVELOPMENT, 1.0))
    assert error.value.code == "never_in_time"
    bench.close()
    assert verify(config.ledger_path).ok
