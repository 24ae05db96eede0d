"""The model (D0)-(D8): invariants of methods.md section 1 over random fleets, and cases worked out by
hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_data.stored_value import StoredValue
from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.layout import Restrictions
from coordinator.market.numbers import unserved_penalty_g
from coordinator.market.participation import last_slots, model_energy
from coordinator.market.plan import Plan
from coordinator.market.program import HUB_FROM, Program, build, fits_hub
from coordinator.market.solve import solve, to_matrix
from tests.coordinator.market.plans import grams, plan_of, two_nodes

LOCAL_LP = Restrictions(transfers=False, offloading=False, harvest=True)
DET = Restrictions(transfers=True, offloading=False, harvest=True)
DAT = Restrictions(transfers=False, offloading=True, harvest=True)
DETA = Restrictions(transfers=True, offloading=True, harvest=True)
seeds = st.integers(min_value=0, max_value=2**32 - 1)
quick = settings(max_examples=40, deadline=None)


def over_the_horizon(fleet: Fleet, cap_fraction: float | None = None) -> Fleet:
    limits = replace(fleet.limits, transfer_cap_over="horizon")
    if cap_fraction is not None:
        limits = replace(limits, transfer_cap_fraction=cap_fraction)
    return replace(fleet, limits=limits)


@quick
@given(seed=seeds, deadline=st.integers(0, 1), tight=st.floats(0, 1), more=st.floats(0, 1))
def test_a_cap_over_the_horizon_relaxes_that_over_the_slot(
    seed: int, deadline: int, tight: float, more: float
) -> None:
    fleet = random_fleet(seed, deadline_slots=deadline)
    slot = replace(fleet, limits=replace(fleet.limits, transfer_cap_fraction=tight))
    horizon = over_the_horizon(slot)
    loose = over_the_horizon(slot, tight + (1 - tight) * more)
    scale = 1e-6 * max(abs(grams(slot, DETA)), 1e-6)
    assert grams(horizon, DETA) <= grams(slot, DETA) + scale
    assert grams(loose, DETA) <= grams(horizon, DETA) + scale
    plan = Plan(build(horizon, DETA), solve(build(horizon, DETA)).values)  # type: ignore[arg-type]
    sent = np.stack([plan.transfers(t).given(fleet.size) for t in range(fleet.horizon)], axis=1)
    most = tight * np.cumsum(fleet.harvest_j, axis=1)
    assert (np.cumsum(sent, axis=1) <= most + 1e-6 * max(float(fleet.harvest_j.max()), 1.0)).all()


def test_what_was_not_given_may_be_given_later_by_hand() -> None:
    """3600 J harvested in slot 0 without a use there; the donor's battery keeps them for slot 1."""
    fleet = two_nodes()
    later = replace(
        reference_day(2, nodes=2),
        limits=replace(fleet.limits, transfer_cap_fraction=0.5),
        intensity_g_per_kwh=np.array([[0.0, 0.0], [0.0, 360.0]]),
        harvest_j=np.array([[3600.0, 0.0], [0.0, 0.0]]),
        backlog_batches=np.zeros((2, 1), dtype=np.int64),
        release_batches=np.zeros((2, 1), dtype=np.int64),
        static_w=np.full(2, 60.0),
        battery_j=np.zeros(2),
        battery_capacity_j=np.full(2, 1e6),
        charge_efficiency=np.ones(2),
        discharge_efficiency=np.ones(2),
        self_discharge_fraction=np.zeros(2),
        charge_limit_w=np.full(2, 1e6),
        discharge_limit_w=np.full(2, 1e6),
        export_efficiency=np.ones(2),
        import_efficiency=np.ones(2),
        stored_value_g_per_j=np.zeros(2),
    )
    later = replace(later, battery_capacity_j=np.array([1e6, 0.0]))  # only the donor can keep anything
    need = later.slot_s * 60.0 * 1e-4  # all of node 1's load in slot 1, at 360 g/kWh
    assert grams(later, DETA) == pytest.approx(need)
    assert grams(over_the_horizon(later), DETA) == pytest.approx(need - 1800.0 * 1e-4)
    midway = replace(
        over_the_horizon(later),
        harvested_before_j=np.array([4000.0, 0.0]),
        given_before_j=np.array([3000.0, 0.0]),
    )
    np.testing.assert_allclose(midway.transfer_caps_j(), [[800.0, 0.0], [0.0, 0.0]])
    assert grams(midway, DETA) == pytest.approx(need - 800.0 * 1e-4)
    with pytest.raises(ValueError, match="allowed are slot and horizon"):
        replace(later.limits, transfer_cap_over="day")  # type: ignore[arg-type]


def test_offload_by_hand() -> None:
    # five of ten batches leave (b_y = 0.5): 5*36 J + 5*1 J sent at 720 g/kWh = 2e-4 g/J; 5*36 J + 5*2 J
    # received at 1e-5 g/J; 5*1 J in the network at the mean of the two
    expected = 185 * 2e-4 + 190 * 1e-5 + 5 * 1.05e-4
    assert grams(two_nodes(), DAT) == pytest.approx(expected, rel=1e-9)
    assert grams(two_nodes(), LOCAL_LP) == pytest.approx(360 * 2e-4, rel=1e-9)


def test_transfer_by_hand() -> None:
    # the clean node has 100 J of sun and no load: half may go, 0.9 * 0.8 of it arrives
    fleet = two_nodes(
        harvest_j=np.array([[0.0], [100.0]]),
        export_efficiency=np.array([1.0, 0.9]),
        import_efficiency=np.array([0.8, 1.0]),
    )
    assert grams(fleet, DET) == pytest.approx((360 - 50 * 0.72) * 2e-4, rel=1e-9)


def test_battery_shifts_harvest_by_hand() -> None:
    # slot 0 sunny and clean, slot 1 dark and dirty: 90 % into the store, 2 % lost per slot, 80 % out of it
    day = reference_day(2, nodes=1)
    fleet = replace(
        day,
        intensity_g_per_kwh=np.array([[36.0, 720.0]]),
        harvest_j=np.array([[50.0, 0.0]]),
        backlog_batches=np.array([[0]]),
        release_batches=np.array([[10]]),
        joules_per_batch=np.full((1, 2), 36.0),
        seconds_per_batch=np.ones((1, 2)),
        static_w=np.zeros(1),
        battery_capacity_j=np.array([1000.0]),
        battery_j=np.zeros(1),
        charge_efficiency=np.array([0.9]),
        discharge_efficiency=np.array([0.8]),
        self_discharge_fraction=np.array([0.02]),
        stored_value_g_per_j=np.zeros(1),
    )
    assert grams(fleet, LOCAL_LP) == pytest.approx((360 - 50 * 0.9 * 0.98 * 0.8) * 2e-4, rel=1e-9)


def test_waking_costs_energy_and_time() -> None:
    fleet = two_nodes(
        static_w=np.full(2, 3.0),
        asleep=np.array([True, False]),
        wake_j=np.array([7.0, 0.0]),
        wake_s=np.array([55.0, 0.0]),
    )
    sleepy = replace(fleet, limits=replace(fleet.limits, may_sleep=True))
    plan = plan_of(sleepy, DAT)
    # 55 of 60 s go into waking up: five batches fit at home, five leave
    np.testing.assert_allclose(plan.batches(0), [[5, 5], [0, 0]], atol=1e-6)
    assert plan.grid_j[0, 0] == pytest.approx(180 + 7 + 180 + 5, rel=1e-6)


def test_work_ends_with_its_stage() -> None:
    """Released in slot 0 with a deadline two slots on, but its stage ends with slot 0: it may not wait."""
    fleet = two_nodes()
    day = reference_day(3, nodes=2)
    later = replace(
        day,
        limits=replace(day.limits, deadline_slots=2),
        intensity_g_per_kwh=np.array([[720.0, 720.0, 36.0]] * 2),
        harvest_j=np.zeros((2, 3)),
        backlog_batches=np.zeros((2, 3), dtype=np.int64),
        release_batches=np.array([[10, 0], [0, 0]]),
        joules_per_batch=np.full((2, 3), 36.0),
        battery_capacity_j=np.zeros(2),
        static_w=np.zeros(2),
    )
    assert fleet.release_last_slot is None
    assert grams(later, LOCAL_LP) == pytest.approx(360 * 1e-5)  # waits for the clean slot
    ended = replace(later, release_last_slot=np.array([0, 1, 2]))
    assert grams(ended, LOCAL_LP) == pytest.approx(360 * 2e-4)
    assert grams(ended, DETA) == pytest.approx(360 * 2e-4, rel=1e-2)


Var = tuple[str, int, int]
Row = tuple[float, float, dict[Var, float]]
N, H = 3, 3
PAIRS = [(i, j) for i in range(N) for j in range(N) if i != j]


class ByHand:
    """Rows, costs and bounds of the pairwise program, one at a time, in scalar arithmetic."""

    def __init__(self, program: Program) -> None:
        self.program, self.fleet, self.may = program, program.fleet, program.restrictions
        f, q = self.fleet, self.fleet.limits.deadline_slots
        known = min(q, H - 1) + 1
        self.windows = [(0, c) for c in range(known)] + [(r, min(r + q, H - 1)) for r in range(1, H)]
        self.entries = [(c, t) for c, (begin, end) in enumerate(self.windows) for t in range(begin, end + 1)]
        self.split = self.may.offloading and len(self.entries) > H
        self.sleep, self.unit = f.limits.may_sleep, program.joules_per_unit
        self.c = f.intensity_g_per_kwh / 3.6e6
        self.carries = self.may.transfers and f.limits.transfer_cap_over == "horizon"
        end = last_slots(f)
        self.closed = [c >= known and t > end[self.windows[c][0]] for c, t in self.entries]
        self.late = np.zeros((N, len(self.windows)))
        for i in range(N):
            self.late[i, known - 1] = f.backlog_batches[i, H:].sum()
            for r in range(1, H):
                self.late[i, known + r - 1] = f.release_batches[i, r - 1] if end[r] > H - 1 else 0

    def in_slot(self, name: str, i: int, t: int, value: float) -> dict[Var, float]:
        return {(name, i, e): value for e, (_, slot) in enumerate(self.entries) if slot == t}

    def of_class(self, name: str, i: int, c: int) -> dict[Var, float]:
        return {(name, i, e): 1.0 for e, (its, _) in enumerate(self.entries) if its == c}

    def of_pairs(
        self, name: str, t: int, value: float, *, owner: int = -1, executor: int = -1
    ) -> dict[Var, float]:
        return {(name, p, t): value for p, (i, j) in enumerate(PAIRS) if owner == i or executor == j}

    def rows(self) -> dict[tuple[str, int, int], Row]:
        f, p, may, unit, inf = self.fleet, self.program, self.may, self.unit, np.inf
        model, out = model_energy(f, may.offloading), dict[tuple[str, int, int], Row]()
        caps = f.transfer_caps_j()
        for i in range(N):
            static, asleep = f.slot_s * f.static_w[i], f.slot_s * (f.sleep_w if self.sleep else f.static_w)[i]
            store = f.battery_capacity_j[i] > 0
            for t in range(H):
                batch = f.joules_per_batch[i, t] + model.share_j[i, t]
                terms = {("g", i, t): 1.0, ("u", i, t): 1.0} | self.in_slot("home", i, t, -batch / unit)
                if may.offloading:
                    terms |= self.of_pairs("w", t, -(batch + f.guest_j()[i, t]) / unit, executor=i)
                    terms |= self.of_pairs("w", t, -f.owner_j()[i, t] / unit, owner=i)
                if self.sleep:
                    terms |= {("a", i, t): -(static - asleep) / unit, ("z", i, t): -f.wake_j[i] / unit}
                right = (asleep + model.fixed_j[i, t]) / unit
                out["D1_energy_use", i, t] = right, right, terms
                terms = {("u", i, t): -1.0, ("k", i, t): -1.0, ("bp", i, t): -1.0, ("bm", i, t): 1.0}
                if may.transfers:
                    terms |= self.of_pairs("x", t, -1.0, owner=i)
                    for pair, (donor, recipient) in enumerate(PAIRS):
                        if recipient == i:
                            arrives = f.transfer_efficiency(np.array([donor]), np.array([i]))[0]
                            terms["x", pair, t] = arrives
                right = -f.harvest_j[i, t] / unit * may.harvest
                out["D2_green_bus", i, t] = right, right, terms
                keep = 1.0 - f.self_discharge_fraction[i]
                terms = {("B", i, t): 1.0, ("bp", i, t): -f.charge_efficiency[i] if store else -1.0}
                terms["bm", i, t] = 1.0 / f.discharge_efficiency[i] if store else 1.0
                if t > 0:
                    terms["B", i, t - 1] = -keep
                right = keep * f.battery_j[i] / unit if t == 0 else 0.0
                out["D3_battery", i, t] = right, right, terms
                if self.split:
                    terms = self.of_pairs("w", t, 1.0, owner=i) | self.in_slot("away", i, t, -1.0)
                    out["D4_split", i, t] = 0.0, 0.0, terms
                terms = self.in_slot("home", i, t, 1.0)
                if may.offloading:
                    terms |= self.of_pairs("w", t, 1.0, executor=i)
                    room = p.guest_room_batches[i, t]
                    out["D7_storage", i, t] = -inf, room, self.of_pairs("w", t, 1.0, executor=i)
                if self.sleep:
                    terms |= {("a", i, t): -p.capacity_batches[i, t], ("z", i, t): p.wake_batches[i, t]}
                    up = {("z", i, t): 1.0, ("a", i, t): -1.0} | ({("a", i, t - 1): 1.0} if t else {})
                    out["D8_wake_up", i, t] = 0.0 if t else float(f.asleep[i]) - 1.0, inf, up
                out["D7_time", i, t] = -inf, 0.0 if self.sleep else p.capacity_batches[i, t], terms
                if may.transfers:
                    terms = self.of_pairs("x", t, 1.0, owner=i)
                    if self.carries:
                        terms |= {("m", i, t): 1.0} | ({("m", i, t - 1): -1.0} if t else {})
                    out["D6_transfer_cap", i, t] = -inf, caps[i, t] * may.harvest / unit, terms
            for c in range(len(self.windows)):
                away = self.of_class("away", i, c) if self.split else self.of_pairs("w", c, 1.0, owner=i)
                terms = self.of_class("home", i, c) | {("unserved", i, c): 1.0}
                if f.limits.deadline_slots:
                    terms["left", i, c] = 1.0
                if may.offloading:
                    terms |= away
                    out["D5_offload_cap", i, c] = -inf, p.class_room_batches[i, c], away
                out["D4_all_work_done", i, c] = p.class_batches[i, c], p.class_batches[i, c], terms
            if p.stored_value is not None:
                steps = {("v", i, s): -1.0 for s in range(p.stored_value.grams_per_j.shape[1])}
                out["D9_stored_value", i, 0] = 0.0, 0.0, steps | {("B", i, H - 1): 1.0}
        return out

    def cost(self, name: str, i: int, k: int, quiet_g: float) -> float:
        """In grams."""
        f, unit = self.fleet, self.unit
        match name:
            case "g":
                return float(self.c[i, k] * unit)
            case "B" if k == H - 1 and self.program.stored_value is None:
                return float(-f.stored_value_g_per_j[i] * unit)
            case "v":
                return float(-self.program.stored_value.grams_per_j[i, k] * unit)  # type: ignore[union-attr]
            case "unserved" | "left":
                return unserved_penalty_g(f) / (3.0 if name == "left" else 1.0)
            case "w":
                middle = 0.5 * (self.c[PAIRS[i][0], k] + self.c[PAIRS[i][1], k])
                moved_j = f.limits.net_j_per_byte * f.bytes_per_batch[k]
                return float(middle * moved_j + quiet_g * f.joules_per_batch.mean())
            case "x":
                return quiet_g * unit
        return 0.0

    def most(self, name: str, i: int, k: int) -> float:
        f, unit, has = self.fleet, self.unit, self.fleet.battery_capacity_j > 0
        match name:
            case "unserved":
                return float(self.program.class_batches[i, k] - self.late[i, k])
            case "left":
                return float(self.late[i, k])
            case "home" | "away" if self.closed[k]:
                return 0.0
            case "away":
                return np.inf if f.offloadable[self.entries[k][1]] else 0.0
            case "w":
                return np.inf if f.offloadable[k] else 0.0
            case "B":
                return float(max(f.battery_capacity_j[i], f.battery_j[i]) / unit)
            case "bp":
                return float(f.slot_s * f.charge_limit_w[i] * (has[i] and self.may.harvest) / unit)
            case "bm":
                return float(f.slot_s * f.discharge_limit_w[i] * (has[i] and self.may.harvest) / unit)
            case "v":
                widths = self.program.stored_value.widths_j  # type: ignore[union-attr]
                return float(widths[i, k] / unit) if k + 1 < widths.shape[1] else np.inf
            case "a" | "z":
                return 1.0
        return np.inf


def uneven(deadline: int, *, sleep: bool, over: str, loss: bool) -> Fleet:
    """Three nodes, one of them without a battery, three slots; no two figures alike."""
    rng = np.random.default_rng(deadline)
    fleet = random_fleet(
        17 + deadline,
        N,
        H,
        deadline_slots=deadline,
        slot_s=50.0,
        backlog_batches=rng.integers(1, 9, (N, deadline + 1)),
        release_batches=rng.integers(1, 9, (N, H - 1)),
        release_last_slot=np.array([0, 1, 2 + deadline]),
        harvest_j=rng.uniform(1, 9, (N, H)),
        seconds_per_batch=rng.uniform(0.3, 9, (N, H)),
        joules_per_batch=rng.uniform(1, 9, (N, H)),
        bytes_per_batch=np.array([0.5, 5.0, 3.0]),
        storage_bytes=np.array([14.0, 11.0, 33.0]),
        offloadable=np.array([True, False, True]),
        tx_j_per_byte=rng.uniform(0.1, 0.9, N),
        rx_j_per_byte=rng.uniform(0.1, 0.9, N),
        wake_j=rng.uniform(1, 2, N),
        wake_s=rng.uniform(1, 2, N),
        battery_j=np.array([0.3, 0.0, 9.0]),
        battery_capacity_j=np.array([0.7, 0.0, 8.0]),
        charge_efficiency=np.array([0.9, 0.8, 0.7]),
        discharge_efficiency=np.array([0.6, 0.5, 0.4]),
        self_discharge_fraction=np.array([0.1, 0.2, 0.3]),
        model_j=rng.uniform(1, 9, (N, H)),
        request_j=rng.uniform(0.1, 0.2, (N, H)),
        stored_value_g_per_j=rng.uniform(1e-5, 1e-4, N),
        asleep=np.array([False, sleep, False]),
        loss_fraction=rng.uniform(0.1, 0.5, (N, N)) * (1 - np.eye(N)) if loss else None,
    )
    limits = replace(fleet.limits, offload_cap_fraction=0.4, transfer_cap_fraction=0.3, net_j_per_byte=2e-2)
    return replace(fleet, limits=replace(limits, may_sleep=sleep, transfer_cap_over=over))


CASES = [
    # deadline, sleep, cap over, losses by pair, freedoms, whole batches, scaled, tie-break, steps of (D9)
    (0, False, "slot", False, (True, True, True), False, True, True, 0),
    (0, True, "slot", True, (True, True, False), True, False, False, 2),
    (1, True, "horizon", False, (True, True, True), True, True, True, 3),
    (1, False, "slot", True, (False, True, True), False, False, True, 0),
    (3, False, "horizon", True, (True, False, True), True, True, False, 0),
    (3, True, "slot", False, (False, True, False), False, True, True, 1),
    (3, False, "horizon", False, (True, True, True), True, False, True, 0),
    (1, False, "slot", False, (False, False, True), False, True, True, 2),
]


@pytest.mark.parametrize(
    ("deadline", "sleep", "over", "loss", "freedoms", "whole", "scaled", "tie_break", "steps"), CASES
)
def test_every_row_cost_and_bound_by_hand(
    deadline: int,
    sleep: bool,
    over: str,
    loss: bool,
    freedoms: tuple[bool, bool, bool],
    whole: bool,
    scaled: bool,
    tie_break: bool,
    steps: int,
) -> None:
    fleet = uneven(deadline, sleep=sleep, over=over, loss=loss)
    value = None
    if steps:
        rng = np.random.default_rng(steps)
        value = StoredValue(-np.sort(-rng.uniform(0, 1e-4, (N, steps))), rng.uniform(1, 3, (N, steps)))
    program = build(
        fleet,
        Restrictions(*freedoms),
        whole_batches=whole,
        scaled=scaled,
        tie_break=tie_break,
        stored_value=value,
    )
    hand, layout = ByHand(program), program.layout
    mean_c = float(fleet.intensity_g_per_kwh.mean()) / 3.6e6
    unit = 2.0 ** np.floor(np.log2(max(50.0 * fleet.static_w.mean(), fleet.joules_per_batch.mean())))
    assert (program.joules_per_unit, program.grams_per_unit) == (
        (unit, pytest.approx(mean_c * unit)) if scaled else (1.0, 1.0)
    )
    at = {
        (name, *index): int(k) for name, block in layout.columns.items() for index, k in np.ndenumerate(block)
    }
    assert sorted(at.values()) == list(range(layout.num_columns))
    places = {
        (name, *index): int(k) for name, block in layout.rows.items() for index, k in np.ndenumerate(block)
    }
    assert sorted(places.values()) == list(range(layout.num_rows))
    rows, matrix = hand.rows(), to_matrix(program).toarray()
    assert rows.keys() == places.keys()
    for key, (lower, upper, terms) in rows.items():
        k = places[key]
        assert (program.row_lower[k], program.row_upper[k]) == (pytest.approx(lower), pytest.approx(upper)), (
            key
        )
        wanted = np.zeros(layout.num_columns)
        wanted[[at[var] for var in terms]] = list(terms.values())
        np.testing.assert_allclose(matrix[k], wanted, rtol=1e-9, atol=1e-12, err_msg=str(key))
    quiet_g = 1e-6 * mean_c if tie_break else 0.0
    for var, k in at.items():
        assert program.cost[k] == pytest.approx(hand.cost(*var, quiet_g) / program.grams_per_unit), var
        assert program.column_upper[k] == pytest.approx(hand.most(*var)), var
        assert program.column_lower[k] == 0.0
        assert program.integer[k] == (var[0] == "a")
    quiet = {"w": quiet_g * fleet.joules_per_batch.mean(), "x": quiet_g * program.joules_per_unit}
    assert program.quiet_costs == pytest.approx(
        {name: grams / program.grams_per_unit for name, grams in quiet.items() if name in layout.columns}
    )
    np.testing.assert_array_equal(program.late_batches, hand.late)
    assert (program.fleet, program.restrictions, program.whole_batches) == (
        fleet,
        Restrictions(*freedoms),
        whole,
    )
    assert program.stored_value is value
    values = np.random.default_rng(1).uniform(0, 1, layout.num_columns)
    told = sum(each * values[layout.columns[name]].sum() for name, each in program.quiet_costs.items())
    assert program.quiet_cost(values) == pytest.approx(told)
    assert program.is_mixed_integer == sleep
    assert program.integer.dtype == bool


def test_a_program_is_scaled_quiet_and_of_fractions_where_nothing_else_is_said() -> None:
    fleet = uneven(1, sleep=False, over="slot", loss=False)
    plain, said = build(fleet, DETA), build(fleet, DETA, whole_batches=False, scaled=True, tie_break=True)
    for name in ("cost", "column_upper", "row_lower", "row_upper", "values"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(said, name))


@settings(max_examples=60, deadline=None)
@given(
    seed=seeds,
    deadline=st.integers(0, 2),
    whole=st.booleans(),
    sleep=st.booleans(),
    horizon=st.booleans(),
    freedoms=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_flows_through_a_hub_and_by_pair_have_one_optimum(
    seed: int, deadline: int, whole: bool, sleep: bool, horizon: bool, freedoms: tuple[bool, bool, bool]
) -> None:
    fleet = random_fleet(seed, deadline_slots=deadline, may_sleep=sleep, nodes=1 + seed % 4, horizon=3)
    if horizon:
        fleet = over_the_horizon(fleet)
    given = (fleet, Restrictions(*freedoms))
    by_pair, through = (solve(build(*given, whole_batches=whole, hub=hub)) for hub in (False, True))
    assert by_pair.values is not None
    assert through.values is not None
    program = build(*given, whole_batches=whole, hub=True)
    scale = max(abs(by_pair.objective or 0.0), 1e-3)
    assert through.objective == pytest.approx(by_pair.objective, abs=2e-4 * scale if sleep else 1e-6 * scale)
    plan = Plan(program, through.values)
    limit_j = 1e-6 * (program.joules_per_unit + float(fleet.harvest_j.max()))
    for slot in range(fleet.horizon):
        sent, batches = plan.transfers(slot), plan.batches(slot)
        assert not sent.to_itself.any()
        if freedoms[0]:
            arrived = sent.amount * fleet.transfer_efficiency(sent.source, sent.target)
            into = np.bincount(sent.target, arrived, minlength=fleet.size)
            received_j = fleet.import_efficiency * plan.received_j[:, slot]
            assert sent.given(fleet.size) == pytest.approx(plan.sent_j[:, slot], abs=limit_j)
            assert into == pytest.approx(received_j, abs=limit_j)
        own = np.diag(batches)
        assert batches.sum(axis=1) - own == pytest.approx(plan.given_batches[:, slot], abs=1e-5)
        assert batches.sum(axis=0) - own == pytest.approx(plan.guest_batches[:, slot], abs=1e-5)
        assert own == pytest.approx(plan.home_batches[:, slot], abs=1e-5)


def test_a_hub_needs_losses_that_factor() -> None:
    fleet = random_fleet(3, nodes=3, horizon=2, pairwise_losses=True)
    with pytest.raises(ValueError, match="export and import efficiencies"):
        build(fleet, DETA, hub=True)
    assert not fits_hub(random_fleet(3, nodes=HUB_FROM, horizon=2, pairwise_losses=True))
    assert not fits_hub(random_fleet(3, nodes=HUB_FROM, horizon=2, may_sleep=True))
    assert not fits_hub(random_fleet(3, nodes=HUB_FROM - 1, horizon=2))
    assert fits_hub(random_fleet(3, nodes=HUB_FROM, horizon=2))


def test_rows_and_columns_through_a_hub_have_names_of_their_own() -> None:
    layout = build(random_fleet(3, nodes=3, horizon=2, deadline_slots=1), DETA, hub=True).layout
    columns, rows = layout.column_names(["a", "b", "c"]), layout.row_names(["a", "b", "c"])
    assert len(set(columns)) == layout.num_columns
    assert len(set(rows)) == layout.num_rows
    assert {"X.a.t0", "R.c.t1", "O.b.t0", "G.b.t1"} <= set(columns)
    assert {"D2_hub.hub.t0", "D4_hub.hub.t1"} <= set(rows)
