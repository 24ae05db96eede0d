"""The claims as predicates: verdicts on curves whose answer is known, and the rule's invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.studies.tree.claims import CLAIMS, Claim, Judgement, against_fluid, judge
from experiments.studies.tree.conditions import PLACES, Verdict, change
from experiments.studies.tree.fluid import fluid_curves, served_per_s
from experiments.studies.tree.model import Discipline, Service, SleepMode, build_machine
from experiments.studies.tree.parameters import load_parameters
from experiments.studies.tree.power import state_powers
from experiments.studies.tree.settings import REFERENCE, grid, rates_per_s, readings, study_settings

SEEDS = 10
FIGURES = ("ee", "tree", "tokens", "server_w", "memory_w", "prefill_w", "vu_per_s", "ai_bits_per_s")


def _claim(name: str) -> Claim:
    return next(claim for claim in CLAIMS if claim.name == name)


def _judge(name: str, noise: float = 0.0, **curves: list[tuple[float, float]]) -> Judgement:
    """Piecewise linear curves over the grid's positions, with noise per seed; what is not given is constant."""
    claim = _claim(name)
    x = np.log(np.array(grid(claim.sweep)))
    rng = np.random.default_rng(0)
    values = {}
    for figure in FIGURES:
        places, heights = zip(*curves.get(figure, [(grid(claim.sweep)[0], 1.0)]), strict=True)
        shape = np.interp(x, np.log(np.array(places)), heights)
        values[figure] = shape * (1.0 + noise * rng.standard_normal((SEEDS, len(x))))
    return judge(claim, values)


def test_sixteen_claims_are_counted_and_every_place_is_on_its_grid() -> None:
    assert [claim.name for claim in CLAIMS if claim.counted] == [
        *(f"VR{i}" for i in range(1, 6)),
        *(f"VU{i}" for i in range(1, 7)),
        *(f"VG{i}" for i in range(1, 6)),
    ]
    for service, places in PLACES.items():
        for name in places.__slots__:
            assert getattr(places, name) in grid(service)


def test_the_map_has_no_setting_twice() -> None:
    assert len(set(readings())) == len(readings())
    assert len(set(study_settings())) == len(study_settings())


RISING = [(1 / 16, 1.0), (1.0, 2.0), (32.0, 2.0)]
FALLING = [(1 / 16, 2.0), (1.0, 2.0), (8.0, 1.0), (32.0, 1.0)]


@pytest.mark.parametrize(
    ("name", "curves", "verdict"),
    [
        ("VR1", {"ee": [(0.05, 1), (0.5, 2)], "tree": [(0.05, 1), (0.5, 2)]}, Verdict.MET),
        ("VR1", {"ee": [(0.05, 1), (0.5, 2)], "tree": [(0.05, 2), (0.5, 1)]}, Verdict.NOT_MET),
        ("VR2", {"ee": [(0.05, 1), (1, 2)]}, Verdict.MET),
        ("VR2", {"ee": [(0.05, 1), (8, 9)]}, Verdict.NOT_MET),
        ("VR3", {"tree": [(0.9, 2), (2, 1), (8, 1)]}, Verdict.MET),
        ("VR3", {"tree": [(0.9, 2), (2, 1), (4, 1), (8, 0.5)]}, Verdict.NOT_MET),
        ("VR4", {"tokens": [(0.9, 1), (2, 0)]}, Verdict.MET),
        ("VR4", {}, Verdict.NOT_MET),
        ("VU2", {"ee": FALLING, "tree": FALLING}, Verdict.MET),
        ("VU4", {"tree": FALLING}, Verdict.MET),
        ("VU4", {"ee": FALLING}, Verdict.NOT_MET),
        # Larger in size, but the wrong way.
        ("VU4", {"tree": [(1.0, 1.0), (8.0, 2.0)], "ee": RISING}, Verdict.NOT_MET),
        ("VU4", {"tree": [(1.0, 1.0), (8.0, 3.0)], "ee": [(1.0, 1.0), (8.0, 0.9)]}, Verdict.NOT_MET),
        ("VU4", {"tree": [(1.0, 1.0), (8.0, 0.9)], "ee": [(1.0, 1.0), (8.0, 1.05)]}, Verdict.NOT_MET),
        ("VU5", {}, Verdict.MET),
        ("VG1", {"ee": RISING, "tree": RISING}, Verdict.MET),
        ("VG1", {"ee": RISING, "tree": [(1 / 16, 1), (0.25, 3), (0.5, 2), (1, 4)]}, Verdict.NOT_MET),
        ("VG2", {"tree": RISING}, Verdict.MET),
        ("VG2", {"ee": RISING, "tree": RISING}, Verdict.NOT_MET),
        # Both fall, TREE less: no gain, though TREE's change is the larger of the two.
        ("VG2", {"ee": FALLING, "tree": [(1.0, 1.0), (8.0, 0.8)]}, Verdict.NOT_MET),
    ],
)
def test_verdicts_on_known_curves(
    name: str, curves: dict[str, list[tuple[float, float]]], verdict: Verdict
) -> None:
    assert _judge(name, **curves).verdict is verdict


def test_noise_larger_than_the_effect_is_not_decidable() -> None:
    judgement = _judge("VR4", noise=0.3, tokens=[(0.9, 1.0), (2.0, 0.97)])
    assert judgement.verdict is Verdict.NOT_DECIDABLE
    assert "tokens" in judgement.ours


def test_nothing_to_relate_to_is_not_decidable() -> None:
    assert _judge("VR4", tokens=[(0.05, 0.0)]).verdict is Verdict.NOT_DECIDABLE


@given(seed=st.integers(0, 1000), scale=st.floats(1e-6, 1e6))
def test_verdicts_do_not_depend_on_the_unit(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    for claim in CLAIMS:
        values = {f: rng.uniform(0.5, 1.5, (SEEDS, len(grid(claim.sweep)))) for f in FIGURES}
        scaled = {figure: value * scale for figure, value in values.items()}
        assert judge(claim, values).verdict is judge(claim, scaled).verdict


def test_a_claim_is_met_only_if_all_its_conditions_are() -> None:
    rng = np.random.default_rng(1)
    for claim in CLAIMS:
        values = {f: rng.uniform(0.5, 1.5, (SEEDS, len(grid(claim.sweep)))) for f in FIGURES}
        judgement = judge(claim, values)
        verdicts = [finding.verdict for finding in judgement.findings]
        assert (judgement.verdict is Verdict.MET) == all(verdict is Verdict.MET for verdict in verdicts)
        assert (judgement.verdict is Verdict.NOT_MET) == (Verdict.NOT_MET in verdicts)


def test_services_have_grids_that_reach_past_saturation() -> None:
    for service in Service:
        steps = grid(service)
        assert list(steps) == sorted(set(steps))
        assert steps[0] < 0.1 < 1.0 < steps[-1]


def _values(first: list[float], second: list[float]) -> np.ndarray:
    return np.array([first, second], dtype=float).T


@given(
    first=st.lists(st.floats(0.0, 10.0), min_size=10, max_size=10).filter(lambda v: sum(v) > 0.1),
    second=st.lists(st.floats(0.0, 10.0), min_size=10, max_size=10),
)
def test_no_interval_of_a_change_is_below_minus_100_percent(first: list[float], second: list[float]) -> None:
    found = change(_values(first, second), 0, 1)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert -1.0 <= found.low <= found.mean + 1e-9
    assert found.mean - 1e-9 <= found.high


def test_a_figure_that_is_zero_with_every_seed_changes_by_exactly_100_percent() -> None:
    found = change(_values([3.0, 7.0, 5.0], [0.0, 0.0, 0.0]), 0, 1)
    assert found is not None
    assert (found.low, found.mean, found.high) == (-1.0, -1.0, -1.0)


def test_the_interval_of_a_change_holds_the_true_one_as_often_as_it_says() -> None:
    """Paired lognormal figures whose true ratio is 0.4: 99 % intervals miss it in about 1 % of draws."""
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(1000):
        common = rng.normal(0.0, 0.3, SEEDS)
        first = np.exp(common + rng.normal(0.0, 0.1, SEEDS))
        second = 0.4 * np.exp(common + rng.normal(0.0, 0.1, SEEDS))
        found = change(_values(list(first), list(second)), 0, 1)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        missed += not found.low <= -0.6 <= found.high
    assert 1 <= missed <= 30


def test_settings_with_the_same_values_are_one_setting_and_only_figures_read_count() -> None:
    base = {f: np.random.default_rng(2).uniform(1.0, 2.0, (SEEDS, 12)) for f in FIGURES}
    other = base | {"tree": base["tree"] * 2.0, "tokens": base["tokens"] * 3.0}
    memory, vu4 = _claim("VU6"), _claim("VU4")
    assert judge(memory, base).reads == {"memory_w"}
    assert judge(memory, base).digest == judge(memory, other).digest
    assert judge(vu4, base).reads == {"tree", "ee"}
    assert judge(vu4, base).digest != judge(vu4, other).digest


def test_a_claim_is_by_construction_where_the_fluid_model_says_the_same() -> None:
    falling = _judge("VR4", tokens=[(0.9, 1), (2, 0)])
    rising = _judge("VR4", tokens=[(0.9, 1), (2, 2)])
    unclear = _judge("VR4", noise=0.3, tokens=[(0.9, 1.0), (2.0, 0.97)])
    assert "without queueing" in against_fluid(falling, falling).by_construction
    assert not against_fluid(falling, rising).by_construction
    assert not against_fluid(unclear, unclear).by_construction


@pytest.mark.parametrize("discipline", list(Discipline))
def test_the_fluid_conserves_time_and_work(discipline: Discipline) -> None:
    machine = build_machine(load_parameters(), discipline, SleepMode.JOINT)
    rng = np.random.default_rng(3)
    for _ in range(200):
        rates = list(rng.exponential(2.0, 3) * [machine.capacity_per_s(s) for s in Service])
        served = served_per_s(rates, machine)
        air = sum(n * t for n, t in zip(served, machine.transmit_ps, strict=True)) / 1e12
        work = zip(served, machine.prefill_ps, machine.decode_ps, strict=True)
        assert air <= 1.0 + 1e-9
        assert sum(n * (p + d) for n, p, d in work) / 1e12 <= 1.0 + 1e-9
        assert all(0.0 <= n <= rate * (1 + 1e-9) for n, rate in zip(served, rates, strict=True))


def test_the_fluid_serves_all_below_saturation_and_only_vr_far_above_it() -> None:
    machine = build_machine(load_parameters(), Discipline.VR_FIRST, SleepMode.JOINT)
    calm = [0.2 * machine.capacity_per_s(s) for s in Service]
    assert served_per_s(calm, machine) == pytest.approx(calm)
    flooded = [3.0 * machine.capacity_per_s(Service.VR), *calm[1:]]
    assert served_per_s(flooded, machine) == pytest.approx((machine.capacity_per_s(Service.VR), 0.0, 0.0))


def test_the_fluid_model_does_not_change_the_background() -> None:
    parameters = load_parameters()
    machine = build_machine(parameters, REFERENCE.discipline, SleepMode.JOINT)
    curves = fluid_curves(REFERENCE, Service.VR, machine, state_powers(parameters))
    setting = next(
        s for s in study_settings() if s.sweep is Service.VR and s.background == REFERENCE.background
    )
    low = rates_per_s(setting, machine, grid(Service.VR)[0])
    assert curves["vu_per_s"][0, 0] == pytest.approx(low[Service.VU])
    assert set(curves) == set(FIGURES)
