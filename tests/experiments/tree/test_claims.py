"""The claims as predicates: verdicts on curves whose answer is known, and the rule's invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.tree.claims import CLAIMS, PLACES, Claim, Judgement, Verdict, judge
from experiments.tree.model import Service
from experiments.tree.settings import grid, readings, study_settings

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
        ("VU5", {}, Verdict.MET),
        ("VG1", {"ee": RISING, "tree": RISING}, Verdict.MET),
        ("VG1", {"ee": RISING, "tree": [(1 / 16, 1), (0.25, 3), (0.5, 2), (1, 4)]}, Verdict.NOT_MET),
        ("VG2", {"tree": RISING}, Verdict.MET),
        ("VG2", {"ee": RISING, "tree": RISING}, Verdict.NOT_MET),
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
