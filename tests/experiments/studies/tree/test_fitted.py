"""The fitted cost model, at the roofline's speed."""

from __future__ import annotations

import pytest

from experiments.studies.tree.fitted import REFERENCE_TOKENS, FittedCost, fit_figures, load_fits
from experiments.studies.tree.parameters import load_parameters

P = load_parameters()
FITTED = FittedCost(P, load_fits())


def test_it_agrees_with_the_roofline_at_the_reference_length_alone() -> None:
    assert FITTED.prefill_s(REFERENCE_TOKENS, 1) == pytest.approx(P.prefill_s(REFERENCE_TOKENS))
    assert FITTED.decode_s(REFERENCE_TOKENS, 1, 1) == pytest.approx(P.decode_s(REFERENCE_TOKENS, 1))


def test_attention_makes_long_prompts_and_contexts_dearer_than_the_roofline_says() -> None:
    assert FITTED.prefill_s(4608, 1) > 1.2 * P.prefill_s(4608)
    assert FITTED.decode_s(1024, 1, 1) > 1.2 * P.decode_s(1024, 1)


def test_prompts_are_read_one_after_the_other_and_steps_are_shared() -> None:
    assert FITTED.prefill_s(77, 8) == pytest.approx(8 * FITTED.prefill_s(77, 1))
    assert FITTED.decode_s(77, 256, 8) < 8 * FITTED.decode_s(77, 256, 1)


def test_every_coefficient_has_a_source() -> None:
    figures = fit_figures()
    assert len(figures) == 6
    assert all(figure.value > 0 and len(figure.source) > 10 for figure in figures.values())
