"""The claims as predicates: verdicts on curves whose answer is known, and the rule's invariants."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from experiments.studies.tree.claims import CLAIMS, against_fluid, judge
from experiments.studies.tree.conditions import Verdict
from experiments.studies.tree.settings import grid
from tests.experiments.studies.tree.judging import FIGURES, claim_named, judge_curves

SEEDS = 10


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


def test_settings_with_the_same_values_are_one_setting_and_only_figures_read_count() -> None:
    base = {f: np.random.default_rng(2).uniform(1.0, 2.0, (SEEDS, 12)) for f in FIGURES}
    other = base | {"tree": base["tree"] * 2.0, "tokens": base["tokens"] * 3.0}
    memory, vu4 = claim_named("VU6"), claim_named("VU4")
    assert judge(memory, base).reads == {"memory_w"}
    assert judge(memory, base).digest == judge(memory, other).digest
    assert judge(vu4, base).reads == {"tree", "ee"}
    assert judge(vu4, base).digest != judge(vu4, other).digest


def test_a_claim_is_by_construction_where_the_fluid_model_says_the_same() -> None:
    falling = judge_curves("VR4", tokens=[(0.9, 1), (2, 0)])
    rising = judge_curves("VR4", tokens=[(0.9, 1), (2, 2)])
    unclear = judge_curves("VR4", noise=0.3, tokens=[(0.9, 1.0), (2.0, 0.97)])
    assert "without queueing" in against_fluid(falling, falling).by_construction
    assert not against_fluid(falling, rising).by_construction
    assert not against_fluid(unclear, unclear).by_construction
