"""The cost model finds what made the joules, and says how far it is off."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.probe.cost import TERMS, Sample, fit

GRID = [(count_in, count_out) for count_in in (32, 128, 512) for count_out in (1, 16, 64)]
JOULES = st.floats(1e-4, 10.0)


def sample(terms: tuple[float, ...], count_in: int, count_out: int, factor: float = 1.0) -> Sample:
    row = 1.0, count_in, count_out, count_out * (count_in + count_out / 2)
    return Sample(count_in, count_out, factor * sum(a * b for a, b in zip(terms, row, strict=True)))


@given(JOULES, JOULES, JOULES, st.floats(1e-6, 1e-3))
def test_exact_joules_are_found_again(request_j: float, in_j: float, out_j: float, context_j: float) -> None:
    terms = request_j, in_j, out_j, context_j
    found = fit([sample(terms, *lengths) for lengths in GRID * 2])
    assert found is not None
    assert (found.fitted, found.held_out) == (9, 9)
    assert found.worst_error_fraction == pytest.approx(0.0, abs=1e-6)
    assert found.joules(300, 40) == pytest.approx(sample(terms, 300, 40).energy_j, rel=1e-5)


def test_noise_shows_in_the_error_of_what_was_held_out() -> None:
    draw = random.Random(1)
    noisy = [sample((0.1, 0.01, 0.02, 1e-5), *one, factor=draw.uniform(0.95, 1.05)) for one in GRID * 20]
    found = fit(noisy)
    assert found is not None
    assert found.mean_error_fraction == pytest.approx(0.025, abs=0.008)
    assert found.terms["per_token_in_j"] == pytest.approx(0.01, rel=0.1)


def test_terms_that_requests_cannot_tell_apart_are_left_out() -> None:
    one_length = [Sample(32, count, 0.1 * count + 1.0) for count in (1, 2)]
    found = fit(one_length)
    assert found is not None
    assert set(found.terms) < set(TERMS)
    assert found.held_out == 0
    assert found.mean_error_fraction is None


def test_nothing_is_fitted_to_one_kind_of_request_or_to_no_joules() -> None:
    assert fit([Sample(32, 8, 1.0)] * 20) is None
    assert fit([Sample(32, 8, 1.0), Sample(64, 8, 0.0)] * 8) is None
    assert fit([]) is None
