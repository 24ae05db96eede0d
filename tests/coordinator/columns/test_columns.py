"""Column arithmetic of a slot against the row arithmetic of coordinator.slots."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_data.types import DataError
from coordinator.accounting.lifecycle import attribute
from coordinator.columns.coordinator import ColumnCoordinator
from coordinator.columns.decision import TransferColumns, decided
from coordinator.columns.lines import grams_pg, network_lines, network_rows, node_lines
from coordinator.columns.trade import Trade
from coordinator.policies.guard import Choice
from coordinator.policies.local import local_decision, rule_decision
from coordinator.policies.registry import make_policy
from coordinator.slots.columns import ProfileColumns
from coordinator.slots.lines import Parcels, parcel_line
from coordinator.slots.trade import DonorState, Transfer, dischargeable_uj, settle_trade
from edge_node.columns.nodes import VirtualNodes
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.scenario.model import parse_scenario
from protos.messages.columns import MoveColumns
from protos.messages.slot import EnergyLine
from protos.messages.stream import NodeProfile
from protos.messages.terms import Component, Stage
from tests.coordinator.policies.fleets import fleet_of as fleet_with

SLOT_S = 311.7
UJ = st.integers(0, 5_000_000_000)
SHARE = st.one_of(st.just(0.0), st.floats(0.0, 0.4))


def energy_run(**changes: str) -> Resolved:
    text = (
        f'policy = "{changes.get("policy", "deta")}"\n[task]\nname = "none"\n[stages]\ndevelopment = 2\n[fleet]\n'
        'kind = "inprocess"\n[[nodes]]\nzone = "DE"\n[[nodes]]\nzone = "FR"\n'
    )
    return resolve(parse_scenario(text))


FIRST = VirtualNodes.profiles(energy_run().node_configs("r", "", with_harvest=True))[0]


def profile(**changes: Any) -> NodeProfile:
    return replace(FIRST, **changes)


@st.composite
def traders(
    draw: st.DrawFn,
) -> tuple[list[NodeProfile], list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    """Profiles, states (harvest, battery, discharge) and transfers (donor, recipient, energy)."""
    nodes = draw(st.integers(2, 5))
    profiles = [
        profile(
            battery_capacity_uj=10**10,
            discharge_efficiency_fraction=draw(st.floats(0.5, 1.0)),
            self_discharge_fraction=draw(SHARE),
            discharge_limit_w=draw(st.floats(0.0, 40.0)),
            export_loss_fraction=draw(SHARE),
            import_loss_fraction=draw(SHARE),
        )
        for _ in range(nodes)
    ]
    states = [(draw(UJ), draw(UJ), draw(UJ)) for _ in range(nodes)]
    pairs = draw(
        st.sets(
            st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1)).filter(lambda p: p[0] != p[1])
        )
    )
    return profiles, states, [(i, j, draw(st.integers(1, 6_000_000_000))) for i, j in sorted(pairs)]


@given(traders())
def test_transfers_settle_as_one_by_one(
    drawn: tuple[list[NodeProfile], list[tuple[int, int, int]], list[tuple[int, int, int]]],
) -> None:
    profiles, states, transfers = drawn
    by_name = {f"n{i}": each for i, each in enumerate(profiles)}
    donors = {f"n{i}": DonorState(*state) for i, state in enumerate(states)}
    rows = settle_trade([Transfer(f"n{i}", f"n{j}", uj) for i, j, uj in transfers], donors, by_name, SLOT_S)
    harvest, battery, discharge = (np.array(column, dtype=np.int64) for column in zip(*states, strict=True))
    given_columns = np.array(transfers, dtype=np.int64).reshape(-1, 3).T
    trade = Trade(ProfileColumns.of(profiles, (Stage.DEVELOPMENT,)), SLOT_S)
    found = trade.settle(TransferColumns(*given_columns), harvest, battery, discharge)
    assert found.sent_uj.tolist() == [row.sent_uj for row in rows]
    assert found.received_uj.tolist() == [row.received_uj for row in rows]
    grants = found.grants(len(profiles))
    assert grants.export_uj.sum() == sum(row.sent_uj for row in rows)
    assert grants.import_uj.sum() == sum(row.received_uj for row in rows)


def test_what_a_donor_may_draw_is_exact() -> None:
    one = profile(self_discharge_fraction=0.1, discharge_efficiency_fraction=0.3, discharge_limit_w=1e5)
    trade = Trade(ProfileColumns.of([one, one], (Stage.DEVELOPMENT,)), SLOT_S)
    none = np.zeros(2, dtype=np.int64)
    battery = np.array([3_333_333_333, 0])
    asked = TransferColumns(np.array([0]), np.array([1]), np.array([10**10]))
    sent = trade.settle(asked, none, battery, np.full(2, 10**12)).sent_uj
    assert sent.tolist() == [dischargeable_uj(one, 3_333_333_333, SLOT_S)]


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 2**40), min_size=4, max_size=4).filter(any),
            st.floats(0, 1),
            st.floats(0, 999),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_lines_share_grid_and_grams_as_each_node_does(rows: list[tuple[list[int], float, float]]) -> None:
    names = (Component.COMPUTE, Component.STATIC, Component.WAKE, Component.RADIO_TX)
    energy = np.array([weights for weights, _, _ in rows], dtype=np.int64)
    grid = np.array([int(sum(weights) * share) for weights, share, _ in rows], dtype=np.int64)
    intensity = np.array([intensity for _, _, intensity in rows])
    found = node_lines(energy, grid, grams_pg(grid, intensity))
    for row, (weights, _, intensity) in enumerate(rows):
        lines = [
            EnergyLine(Stage.DEVELOPMENT, c, uj, "modelled") for c, uj in zip(names, weights, strict=True)
        ]
        own = attribute(lines, int(grid[row]), intensity)
        assert [line.grid_uj for line in own] == found.grid_uj[row].tolist()
        assert [line.operational_pg for line in own] == found.pg[row].tolist()


def test_a_moves_network_energy_is_booked_at_the_mean_of_both_ends() -> None:
    zones, at = ("DE", "FR", "DE"), np.array([400.0, 60.5, 400.0])
    moves = MoveColumns(np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([3, 1, 2]))
    payload = np.array([300, 100, 200]) * 1_000_003
    lines = network_lines(moves, payload, at, 4.1e-6)
    ends = {f"n{i}": (zone, float(c)) for i, (zone, c) in enumerate(zip(zones, at, strict=True))}
    wanted = [
        parcel_line(Parcels(f"n{i}", f"n{j}", 1, size), Stage.DEVELOPMENT, ends, 4.1e-6)[0]
        for i, j, size in zip(moves.owner, moves.executor, payload.tolist(), strict=True)
    ]
    assert lines.energy_uj.tolist() == [row["energy_uj"] for row in wanted]
    assert lines.pg.tolist() == [row["operational_pg"] for row in wanted]
    rows = network_rows(moves, lines, zones, Stage.DEVELOPMENT)
    assert {row["zone"]: row["energy_uj"] for row in rows} == {
        row["zone"]: row["energy_uj"] for row in wanted
    }
    assert network_rows(moves, network_lines(moves, payload, at, 0.0), zones, Stage.DEVELOPMENT) == []


def test_grams_are_those_of_l1() -> None:
    # 7.2 kJ at 500 g/kWh: 1 g.
    assert grams_pg(np.array([7_200_000_000]), np.array([500.0])).tolist() == [10**12]
    assert Fraction(10**12) == Fraction(7_200_000_000) * 500 * 10**6 / 3_600_000


def test_a_decision_in_whole_units_keeps_every_batch() -> None:
    fleet = fleet_with([400.0, 20.0])
    decision = local_decision(fleet)
    found = decided(3, Stage.DEVELOPMENT, Choice(decision, "rule", None, None, 0.0))
    assert found.told.own_batches.tolist() == decision.home_batches.tolist()
    assert found.told.moves.batches.size == 0


def test_a_policy_that_talks_with_nodes_is_refused(tmp_path: Path) -> None:
    run = energy_run(policy="auction")
    configs = run.node_configs("r", "", with_harvest=True)
    nodes = VirtualNodes(configs)
    with pytest.raises(DataError, match="negotiates with every node"):
        ColumnCoordinator(
            run.coordinator_config("r", tmp_path / "ledger.sqlite"),
            make_policy("auction"),
            VirtualNodes.profiles(configs),
            nodes.battery_uj,
            lambda: 0.0,
        )


class DueAlone:
    """Runs what is due, at home, and remembers the fleets it was asked with."""

    name = "due-alone"

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def init(self, seed: int) -> int:
        return 10

    def decide(self, fleet: Any, state: int) -> Any:
        self.seen.append(fleet)
        return rule_decision(fleet, fleet.backlog_batches[:, 0].copy()), state + 1


def test_what_is_known_of_nodes_goes_from_slot_to_slot(tmp_path: Path) -> None:
    """Work may wait a slot; 30 % of each release may leave, whether it waited or not."""
    text = (
        'policy = "local"\n[task]\nname = "none"\n[stages]\ndevelopment = 3\n[fleet]\nkind = "inprocess"\n'
        "[limits]\ndeadline_slots = 1\noffload_cap_fraction = 0.3\n[time]\nstart = 2022-06-21T10:00:00Z\n"
        '[[nodes]]\nzone = "DE"\n[[nodes]]\nzone = "FR"\n'
    )
    run = resolve(parse_scenario(text))
    configs = run.node_configs("r", "", with_harvest=True)
    nodes, policy = VirtualNodes(configs), DueAlone()
    coordinator = ColumnCoordinator(
        run.coordinator_config("r", tmp_path / "ledger.sqlite"),
        policy,
        VirtualNodes.profiles(configs),
        nodes.battery_uj,
        iter([2.0, 2.5] * 3).__next__,
    )
    released, harvested, took_part = [], np.zeros(2), np.zeros(2, dtype=np.int64)
    for slot in range(3):
        telemetry = nodes.telemetry(slot)
        released.append(nodes.released_batches.copy())
        told = coordinator.decide(telemetry, nodes.released_batches)
        fleet = policy.seen[slot]
        room = [np.floor(0.3 * each + 1e-9) for each in (released[slot - 1], released[slot])]
        last = slot == 2
        wanted = [room[0] if slot else 0 * room[1], room[1]]
        if last:  # the run ends: all is due now
            wanted = [wanted[0] + wanted[1], 0 * wanted[1]]
        assert fleet.offload_room_batches.T.tolist() == [each.tolist() for each in wanted]
        assert fleet.participations.tolist() == took_part.tolist()
        assert fleet.harvested_before_j.tolist() == pytest.approx(harvested.tolist())
        assert fleet.given_before_j.tolist() == [0.0, 0.0]
        assert np.isnan(fleet.mean_loss).all()
        plan = coordinator.plan
        assert (plan.epoch, plan.slot, plan.decisions, plan.lost_nodes) == (1, slot, (), ())
        assert (plan.status, plan.gap_fraction, plan.decide_s) == ("rule", None, 0.5)
        usage = nodes.run(told)
        summary = coordinator.close(nodes.settle(coordinator.trade(usage)))
        harvested, took_part = harvested + usage.harvest_uj / 1e6, took_part + (usage.executed_batches > 0)
        assert (summary.slot, summary.unserved_batches, summary.moved_batches) == (slot, 0, 0)
        assert summary.executed_batches == int(usage.executed_batches.sum())
        assert coordinator._state == 11 + slot
    coordinator.finish()
    coordinator.close_ledger()


@pytest.mark.parametrize(
    ("stage", "selected", "missed"),
    [
        (Stage.DEVELOPMENT, None, [1, 0, 7]),
        (Stage.DEVELOPMENT, [True, True, False], [1, 0, 0]),
        (Stage.RECYCLING, [False, True, True], [0, 0, 7]),
        (Stage.APPLICATION, [False, False, False], [1, 0, 7]),
    ],
)
def test_missed_is_what_was_due_asked_for_and_not_run(
    stage: Stage, selected: list[bool] | None, missed: list[int]
) -> None:
    """Due 9, 4 and 7; 5 and 4 run at home, 3 of node 0 leave it for nodes 1 and 2."""
    one: Any = object.__new__(ColumnCoordinator)
    moves = MoveColumns(np.array([0, 0]), np.array([1, 2]), np.array([1, 2]))
    told = SimpleNamespace(moves=moves, own_batches=np.array([5, 6, 0]), stage=stage)
    chosen = None if selected is None else np.array(selected)
    one._decided = SimpleNamespace(told=told, selected=chosen)
    one._telemetry = SimpleNamespace(backlog_batches=np.array([[9, 1], [4, 1], [7, 1]]))
    one._asleep = np.zeros(3, dtype=bool)
    assert one._away().tolist() == [3, 0, 0]
    assert one._away().dtype == np.int64
    assert one._missed().tolist() == missed
