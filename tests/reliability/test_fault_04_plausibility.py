"""Fault 4: one node's absurd reading stopped the slot, or was booked as green energy."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import detabed
from coordinator.config import NodeBounds
from coordinator.ledger.entry import Kind
from coordinator.ledger.store import read_entries
from coordinator.ledger.verify import verify
from edge_node.meters.modelled import ModelledMeter
from protos.messages.runner import BeginSlot, EndSlot
from protos.messages.slot import Executed, Usage
from protos.messages.terms import Stage
from tests.coordinator.slots.trader import Trader
from tests.scenarios import SMALL

HUGE = 2**63 - 1


def bounds_of(kit: Any, node: str) -> NodeBounds:
    profile = kit.profile(int(node[1:]))
    return NodeBounds(
        node_id=node,
        power_w=6.0,
        wake_j=profile.wake_j,
        radio_j_per_byte=profile.tx_j_per_byte,
        harvest_w=3 * kit.HARVEST_UJ / 1e6 / kit.SLOT_S,
        battery_j=profile.battery_capacity_uj / 1e6,
        charge_w=profile.charge_limit_w,
        discharge_w=profile.discharge_limit_w,
    )


@pytest.fixture
def bench(tmp_path: Path, kit: Any) -> Any:
    config = kit.make_config(tmp_path, nodes=3)
    bounds = tuple(bounds_of(kit, node) for node in config.node_ids)
    made = kit.Bench(config.model_copy(update={"bounds": bounds}), Trader())
    made.join()
    yield made
    made.close()
    assert verify(made.config.ledger_path).ok


def loaded(usage: Usage, energy_uj: int) -> Usage:
    return dataclasses.replace(
        usage, lines=(dataclasses.replace(usage.lines[0], energy_uj=energy_uj), *usage.lines[1:])
    )


ABSURD = {
    "load of 2^63 - 1 uJ": (lambda u: loaded(u, HUGE), "load of"),
    "load of 21 times the board's power": (lambda u: loaded(u, 21 * 6 * 60 * 10**6), "allowed are 20 times"),
    "harvest of 2^63 - 1 uJ": (lambda u: dataclasses.replace(u, harvest_uj=HUGE), "harvest of"),
    "harvest that its panel cannot give": (
        lambda u: dataclasses.replace(u, harvest_uj=5 * 41_000_007),
        "allowed are 1.5 times",
    ),
    "bytes of a model": (lambda u: dataclasses.replace(u, model_bytes=HUGE), "Usage.model_bytes"),
    "batches": (lambda u: dataclasses.replace(u, executed=(Executed("n00", HUGE),)), "Executed.batches"),
    "requests": (
        lambda u: dataclasses.replace(u, serving=(dataclasses.replace(u.serving[0], requests=HUGE),)),
        "Serving.requests",
    ),
}


@pytest.mark.parametrize("case", ABSURD)
def test_an_absurd_reading_is_refused_by_name_and_the_others_go_on(bench: Any, case: str) -> None:
    make, reason = ABSURD[case]
    kept: list[Usage] = []
    bench.drop = lambda node, m: node == "n00" and isinstance(m, Usage) and not kept.append(m)
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    service = bench.coordinator.service
    bench.coordinator.carry_out(service.closing.close(EndSlot(0, 1.0))[1])
    bench.coordinator.receive("n00", make(kept[0]))
    assert service.closing.awaiting_usage() == ()
    (refusal,) = bench.nodes["n00"].refusals
    assert refusal.code == "implausible"
    assert refusal.reason.startswith("n00: ")
    assert reason in refusal.reason
    bench.drop = lambda node, m: node == "n00" and isinstance(m, Usage)
    summary = bench.coordinator.end_slot(EndSlot(0, 1.0))
    assert summary.settled_nodes == ("n01", "n02")
    assert summary.missing_nodes == ("n00",)
    entries = [stored.entry for stored in read_entries(bench.config.ledger_path)]
    assert [e.node_id for e in entries if e.kind is Kind.GAP] == ["n00"]
    assert [e.body["alarm"] for e in entries if e.kind is Kind.ALARM] == ["implausible"]
    assert {e.node_id for e in entries if e.kind is Kind.USAGE} == {"n01", "n02"}, (
        "it stops before the ledger"
    )
    head = bench.coordinator.ledger.head
    bench.coordinator.receive("n00", make(kept[0]))
    assert bench.coordinator.ledger.head == head, "said again, it changes nothing"


@pytest.mark.parametrize(
    ("field", "value"),
    [("harvest_forecast_uj", (HUGE,)), ("backlog_batches", (HUGE,)), ("battery_uj", HUGE)],
)
def test_an_absurd_telemetry_leaves_its_node_out_and_is_not_waited_for(
    tmp_path: Path, kit: Any, field: str, value: Any
) -> None:
    config = kit.make_config(tmp_path, nodes=3)
    bounds = tuple(bounds_of(kit, node) for node in config.node_ids)
    made = kit.Bench(config.model_copy(update={"bounds": bounds}), Trader())
    stub = made.nodes["n00"]
    said = stub.telemetry
    stub.telemetry = lambda slot: dataclasses.replace(said(slot), **{field: value})
    made.join()
    assert made.coordinator.service.deciding.awaiting_telemetry() == ()
    plan = made.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert [decision.node_id for decision in plan.decisions] == ["n01", "n02"]
    assert made.coordinator.end_slot(EndSlot(0, 1.0)).missing_nodes == ("n00",)
    made.close()
    kinds = [
        stored.entry.kind for stored in read_entries(config.ledger_path) if stored.entry.node_id == "n00"
    ]
    assert kinds == [Kind.REGISTRATION, Kind.ALARM, Kind.GAP]
    assert verify(config.ledger_path).ok


def test_a_profile_that_the_scenario_does_not_know_is_refused(bench: Any) -> None:
    stub = bench.nodes["n00"]
    stub.boot_id, stub.profile = "boot2", dataclasses.replace(stub.profile, battery_capacity_uj=HUGE)
    bench.coordinator.receive("n00", stub.register())
    assert stub.refusals[-1].code == "bad_profile"
    assert "battery_capacity_uj" in stub.refusals[-1].reason
    assert bench.coordinator.service.books.nodes["n00"].boot_id == "boot1"


def test_what_is_not_known_is_not_bounded(tmp_path: Path, kit: Any) -> None:
    """Without a board in the configuration, only the ledger's range is."""
    made = kit.Bench(kit.make_config(tmp_path, nodes=1), Trader())
    made.join()
    made.nodes["n00"].harvest = lambda slot: 10**12
    assert made.run_slot(0).settled_nodes == ("n00",)
    made.close()


def test_a_real_node_goes_on_after_its_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close = ModelledMeter.close
    metered: list[Any] = []

    def absurd(self: ModelledMeter, slot: Any) -> Any:
        lines = close(self, slot)
        metered.append(slot.slot)
        if slot.slot == 2 and metered.count(2) == 2:
            return (dataclasses.replace(lines[0], energy_uj=HUGE), *lines[1:])
        return lines

    monkeypatch.setattr(ModelledMeter, "close", absurd)
    (tmp_path / "small.toml").write_text(SMALL + "[tolerance]\nunserved_fraction = 1\n")
    found = detabed.run(
        tmp_path / "small.toml", policy="local", output=tmp_path / "run", report=False, progress=False
    )
    ledger = found.folder / "ledger.sqlite"
    entries = [stored.entry for stored in read_entries(ledger)]
    (gap,) = [entry for entry in entries if entry.kind is Kind.GAP]
    after = [e.slot for e in entries if e.kind is Kind.BOOKING and e.node_id == gap.node_id]
    assert gap.slot == 2
    assert after == [0, 1, 3, 4, 5, 6, 7]
    assert verify(ledger).ok
