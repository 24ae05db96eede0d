"""A slot's joules and grams worked out by hand; no two figures of the two nodes are equal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_data.storage import EnergyError, balance
from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.physics import demand_j, execute
from edge_node.config import BatteryConfig
from edge_node.energy.battery import battery_of
from tests.coordinator.market.plans import decided


def two_nodes() -> Fleet:
    """Slots of 10 s; node 0 is at 432 g/kWh and awake, node 1 at 72 g/kWh and slept in the slot before."""
    day = reference_day(1, nodes=2)
    return replace(
        day,
        slot_s=10.0,
        limits=replace(day.limits, may_sleep=True, net_j_per_byte=3e-6),
        intensity_g_per_kwh=np.array([[432.0], [72.0]]),
        harvest_j=np.zeros((2, 1)),
        battery_j=np.zeros(2),
        static_w=np.array([2.7, 2.1]),
        sleep_w=np.array([0.3, 0.2]),
        wake_j=np.array([3.1, 4.3]),
        asleep=np.array([False, True]),
        joules_per_batch=np.array([[3.0], [5.0]]),
        bytes_per_batch=np.array([4_000.0]),
        tx_j_per_byte=np.array([1.2e-6, 1.5e-6]),
        rx_j_per_byte=np.array([0.7e-6, 0.9e-6]),
        model_j=None,
        request_j=None,
    )


seeds = st.integers(0, 2**32 - 1)


def test_demand_of_work_at_home_and_elsewhere_and_of_waking() -> None:
    """Node 0 runs 4 and sends 2: 27 + 4 * 3 + 2 * 4,000 * 1.2e-6 = 39.0096 J. Node 1 wakes, runs 3 of its own and 2 of
    node 0's: 21 + 4.3 + 5 * 5 + 2 * 4,000 * 0.9e-6 = 50.3072 J. Left asleep it takes 2 J."""
    fleet, both = two_nodes(), decided([[4, 2], [0, 3]])
    assert demand_j(fleet, both) == pytest.approx([39.0096, 50.3072], rel=1e-12)
    alone = decided([[4, 0], [0, 0]], awake=[True, False])
    assert demand_j(fleet, alone) == pytest.approx([39.0, 2.0], rel=1e-12)


def test_grams_of_nodes_at_their_own_intensity_and_of_the_network_at_the_mean_of_both_ends() -> None:
    """8,000 B from node 0 to 1 at 3 uJ: 0.024 J at 252 g/kWh -> 1.68 ug. Node 0: 39.0096 J at 432 g/kWh, node 1:
    50.3072 J at 72 g/kWh. Sent the other way, in the same numbers, the network emits as much."""
    fleet = two_nodes()
    flows = execute(fleet, decided([[4, 2], [0, 3]]))
    assert flows.network_g == pytest.approx(1.68e-6, rel=1e-12)
    assert flows.operational_g == pytest.approx([39.0096 * 1.2e-4, 50.3072 * 2e-5], rel=1e-12)
    back = execute(fleet, decided([[4, 0], [2, 3]]))
    assert back.network_g == pytest.approx(1.68e-6, rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(seed=seeds)
def test_battery_agrees_with_the_node_itself(seed: int) -> None:
    """The float rule here and the integer rule of carbon_data.storage give the same joules, exports out of a battery
    and losses on the way included."""
    rng = np.random.default_rng(seed)
    fleet = random_fleet(seed, nodes=3, horizon=1)
    batches = np.diag(fleet.backlog_batches.sum(axis=1))
    transfer = np.zeros((3, 3))
    scale = fleet.slot_s * 3
    charge, discharge = rng.uniform(0, scale, 3), rng.uniform(0, scale, 3)
    stored = fleet.battery_j[0] * (1 - fleet.self_discharge_fraction[0]) * fleet.discharge_efficiency[0]
    drawable = min(stored, discharge[0], fleet.discharge_limit_w[0] * fleet.slot_s)
    # A hair below what can be drawn: the integer rule refuses an export that its rounding cannot give.
    most = fleet.harvest_j[0, 0] + max(drawable - 1e-4, 0.0) * bool(fleet.battery_capacity_j[0])
    transfer[0, 1] = rng.uniform(0, 1) * most
    flows = execute(fleet, decided(batches, transfer, charge_j=charge, discharge_j=discharge))
    for i in range(3):
        config = BatteryConfig(
            capacity_j=fleet.battery_capacity_j[i],
            charge_efficiency_fraction=fleet.charge_efficiency[i],
            discharge_efficiency_fraction=fleet.discharge_efficiency[i],
            self_discharge_fraction=fleet.self_discharge_fraction[i],
            charge_limit_w=fleet.charge_limit_w[i],
            discharge_limit_w=fleet.discharge_limit_w[i],
        )
        battery = battery_of(config if config.capacity_j else None, fleet.slot_s)
        booked = balance(
            battery,
            min(round(fleet.battery_j[i] * 1e6), battery.capacity_uj),
            demand_uj=round(flows.demand_j[i] * 1e6),
            harvest_uj=round(fleet.harvest_j[i, 0] * 1e6),
            import_uj=round(flows.import_j[i] * 1e6),
            export_uj=int(transfer[i].sum() * 1e6),
            charge_uj=round(charge[i] * 1e6),
            discharge_uj=round(discharge[i] * 1e6),
        )
        for name in ("grid", "green", "charge", "discharge", "curtailed"):
            expected = getattr(booked, f"{name}_uj") * 1e-6
            assert getattr(flows, f"{name}_j")[i] == pytest.approx(expected, rel=1e-6, abs=1e-3)
        assert flows.battery_j[i] == pytest.approx(booked.battery_after_uj * 1e-6, rel=1e-6, abs=1e-3)


def test_a_donor_gives_no_more_than_it_has() -> None:
    fleet = replace(
        reference_day(1, nodes=2), harvest_j=np.array([[10.0], [0.0]]), battery_capacity_j=np.zeros(2)
    )
    transfer = np.array([[0.0, 25.0], [0.0, 0.0]])
    flows = execute(fleet, decided([[0, 0], [0, 0]], transfer))
    assert flows.export_j.tolist() == [10.0, 0.0]
    assert flows.import_j[1] == pytest.approx(10.0 * fleet.export_efficiency[0] * fleet.import_efficiency[1])
    with pytest.raises(EnergyError):  # the integer rule refuses what the settlement here has cut
        balance(battery_of(None, 60.0), 0, demand_uj=0, harvest_uj=10, export_uj=25)


def flows_by_hand(fleet: Fleet, decision: FleetDecision) -> dict[str, list[float]]:
    """Donors first, then every node's bus, one step after the other."""
    out: dict[str, list[float]] = {name: [] for name in FIGURES}
    discharge, exported, sent = [], [], {}
    for i in range(3):
        store = fleet.battery_capacity_j[i] > 0
        limit = fleet.slot_s * fleet.discharge_limit_w[i] if store else 0.0
        discharge.append(min(decision.discharge_j[i], limit))
        kept = fleet.battery_j[i] * (1.0 - fleet.self_discharge_fraction[i])
        can = fleet.harvest_j[i, 0] + min(
            discharge[i], kept * (fleet.discharge_efficiency[i] if store else 1.0)
        )
        wanted = decision.transfer_j[i].sum()
        for j in range(3):
            sent[i, j] = decision.transfer_j[i, j] * min(1.0, can / wanted) if wanted > 0 else 0.0
        exported.append(sum(sent[i, j] for j in range(3)))
    for i in range(3):
        store = fleet.battery_capacity_j[i] > 0
        into, from_ = (fleet.charge_efficiency[i], fleet.discharge_efficiency[i]) if store else (1.0, 1.0)
        limit = fleet.slot_s * fleet.charge_limit_w[i] if store else 0.0
        imported = sum(
            sent[j, i] * fleet.export_efficiency[j] * fleet.import_efficiency[i] for j in range(3) if j != i
        )
        level = fleet.battery_j[i] * (1.0 - fleet.self_discharge_fraction[i])
        harvest, demand = fleet.harvest_j[i, 0], demand_j(fleet, decision)[i]
        lacking = max(exported[i] - harvest - imported, 0.0)
        bus = max(harvest + imported - exported[i], 0.0)
        room = lambda level, i=i: max(fleet.battery_capacity_j[i] - level, 0.0)  # noqa: E731
        charged = min(decision.charge_j[i], bus, limit, room(level) / into)
        bus, level = bus - charged, level + into * charged
        drawn = min(lacking + max(demand - bus, 0.0), discharge[i], level * from_)
        level, bus = level - drawn / from_, bus + drawn - min(lacking, drawn)
        green = min(demand, bus)
        bus -= green
        surplus = min(bus, limit - charged, room(level) / into)
        level += into * surplus
        most = max(fleet.battery_capacity_j[i], fleet.battery_j[i])
        figures = (demand, demand - green, green, harvest, charged + surplus, drawn, exported[i], imported)
        grams = (demand - green) * fleet.intensity_g_per_kwh[i, 0] / 3.6e6
        for name, value in zip(
            FIGURES, (*figures, bus - surplus, min(max(level, 0.0), most), grams), strict=True
        ):
            out[name].append(float(value))
    return out


FIGURES = ("demand_j", "grid_j", "green_j", "harvest_j", "charge_j", "discharge_j", "export_j", "import_j")
FIGURES += ("curtailed_j", "battery_j", "operational_g")


@pytest.mark.parametrize("seed", range(40))
def test_every_flow_of_a_slot_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fleet = random_fleet(seed, nodes=3, horizon=1)
    scale = fleet.slot_s * fleet.static_w * rng.choice([1e-3, 1.0])
    capacity = rng.choice([0.0, 0.6, 3.0], 3) * scale
    fleet = replace(
        fleet,
        harvest_j=(rng.choice([0.0, 0.5, 3.0], 3) * scale)[:, None],
        battery_capacity_j=capacity,
        battery_j=rng.choice([0.0, 0.5, 1.0, 1.2], 3) * capacity,
        self_discharge_fraction=rng.choice([0.0, 0.1], 3),
        charge_efficiency=rng.uniform(0.6, 0.9, 3),
        discharge_efficiency=rng.uniform(0.6, 0.9, 3),
        charge_limit_w=rng.choice([0.3, 9.0], 3),
        discharge_limit_w=rng.choice([0.3, 9.0], 3),
    )
    transfer = rng.uniform(0, 2, (3, 3)) * scale[:, None] * (rng.random((3, 3)) < 0.5)
    np.fill_diagonal(transfer, 0.0)
    charge, discharge = rng.choice([0.0, 0.4, 3.0], (2, 3)) * scale
    batches = np.diag(rng.integers(0, 3, 3))
    decision = decided(batches, transfer, charge_j=charge, discharge_j=discharge)
    flows, wanted = execute(fleet, decision), flows_by_hand(fleet, decision)
    for name, values in wanted.items():
        assert getattr(flows, name) == pytest.approx(values, rel=1e-9, abs=1e-12), name
    assert flows.network_g == 0.0
