"""(T1): TREE and EE as ratios of sums."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.accounting.tree import (
    Efficiency,
    TokenUtility,
    Window,
    efficiency,
    sweep,
    total,
    weighted_tree,
)

counts = st.integers(0, 10**9)
windows = st.builds(Window, st.integers(0, 10**12), counts, counts, st.floats(1e-3, 1e9))


def test_hand_computed_window() -> None:
    """Equation 1 counts "input or output tokens": the headline has both, generated ones stand beside it."""
    found = efficiency(
        Window(bits=1000, tokens_in=50, tokens_out=20, energy_j=4.0), alpha_bits_per_token=10.0
    )
    assert found.tree_bit_per_j == 425.0
    assert found.tree_generated_bit_per_j == 300.0
    assert found.ee_bit_per_j == 250.0


def test_no_energy_gives_no_ratio() -> None:
    assert efficiency(Window(5, 5, 5, 0.0), 1.0).tree_bit_per_j is None


@given(windows, st.floats(0, 1e7))
def test_without_tokens_or_alpha_tree_is_ee(window: Window, alpha: float) -> None:
    assert efficiency(window, 0.0).tree_bit_per_j == efficiency(window, alpha).ee_bit_per_j
    bare = Window(window.bits, 0, 0, window.energy_j)
    assert efficiency(bare, alpha).tree_bit_per_j == efficiency(bare, alpha).ee_bit_per_j


@given(st.lists(windows, min_size=1, max_size=6), st.floats(0, 1e7))
def test_whole_lies_between_its_parts(parts: list[Window], alpha: float) -> None:
    ratios = [efficiency(part, alpha).tree_bit_per_j for part in parts]
    whole = efficiency(total(parts), alpha).tree_bit_per_j
    known = [ratio for ratio in ratios if ratio is not None]
    assert whole is not None
    generated = efficiency(total(parts), alpha).tree_generated_bit_per_j
    assert generated is not None
    assert generated <= whole
    assert min(known) * (1 - 1e-9) <= whole <= max(known) * (1 + 1e-9)


@pytest.mark.parametrize(
    "bad", [(-1, 0, 0, 1.0), (0, -1, 0, 1.0), (0, 0, -1, 1.0), (0, 0, 0, -1.0), (0, 0, 0, float("nan"))]
)
def test_impossible_windows_are_refused(bad: tuple[int, int, int, float]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        Window(*bad)


def test_negative_alpha_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        efficiency(Window(1, 1, 1, 1.0), -1.0)


@given(windows, st.lists(st.floats(0, 1e9), min_size=2, max_size=8).map(sorted))
def test_tree_rises_with_alpha_and_ee_does_not_move(window: Window, alphas: list[float]) -> None:
    found = sweep(window, alphas)
    trees = [tree for _, tree, _ in found if tree is not None]
    assert trees == sorted(trees)
    assert len({ee for _, _, ee in found}) == 1
    assert all(tree >= ee for _, tree, ee in found if tree is not None and ee is not None)


@given(windows, st.floats(0, 1e7))
def test_weighted_tree_of_one_service_with_weights_one_is_tree(window: Window, alpha: float) -> None:
    found = weighted_tree(
        {"chat": (1.0, window.tokens, TokenUtility(alpha))}, {"video": (1.0, window.bits)}, window.energy_j
    )
    assert found == pytest.approx(efficiency(window, alpha).tree_bit_per_j, rel=1e-12)


@given(st.floats(1e-3, 1e6), st.floats(1.0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9))
def test_saturating_utility_rises_concavely_below_its_bounds(
    alpha: float, scale: float, one: float, two: float
) -> None:
    utility = TokenUtility(alpha, scale)
    low, high = sorted((one, two))
    slack = 1e-9 * alpha * scale
    assert utility.bits(0.0) == 0.0
    assert utility.bits(low) <= utility.bits(high) + slack
    assert utility.bits(high) <= min(alpha * high, alpha * scale) + slack
    assert utility.bits((low + high) / 2) >= (utility.bits(low) + utility.bits(high)) / 2 - slack


def test_weighted_tree_by_hand_and_what_it_refuses() -> None:
    tokens = {"chat": (2.0, 10, TokenUtility(100.0)), "code": (0.5, 4, TokenUtility(50.0))}
    assert weighted_tree(tokens, {"video": (3.0, 1000)}, 10.0) == pytest.approx((2000 + 100 + 3000) / 10)
    assert weighted_tree(tokens, {}, 0.0) is None
    with pytest.raises(ValueError, match=">= 0"):
        weighted_tree({}, {"video": (-1.0, 5)}, 1.0)
    with pytest.raises(ValueError, match="alpha"):
        TokenUtility(-1.0)
    with pytest.raises(ValueError, match="saturation"):
        TokenUtility(1.0, 0.0)


def test_utilities_by_hand() -> None:
    """Linear: alpha a token. Saturating at 40 tokens: alpha * 40 * (1 - exp(-tokens / 40))."""
    assert TokenUtility(3.0).bits(7.0) == 21.0
    assert TokenUtility(3.0, 40.0).bits(10.0) == pytest.approx(3.0 * 40.0 * (1.0 - math.exp(-0.25)))
    assert TokenUtility(0.0, 1e-3).bits(5.0) == 0.0
    for bad in (-1.0, math.nan):
        with pytest.raises(ValueError, match="alpha is"):
            TokenUtility(bad)
        with pytest.raises(ValueError, match="saturation_tokens is"):
            TokenUtility(1.0, bad)
        with pytest.raises(ValueError, match="alpha is"):
            efficiency(Window(1, 1, 1, 1.0), bad)


@pytest.mark.parametrize(
    ("tokens", "bits", "energy_j"),
    [
        ((-1.0, 3), (1.0, 5), 2.0),
        ((1.0, -3), (1.0, 5), 2.0),
        ((1.0, 3), (-1.0, 5), 2.0),
        ((1.0, 3), (1.0, -5), 2.0),
        ((1.0, 3), (1.0, 5), -2.0),
        ((1.0, 3), (1.0, 5), math.nan),
    ],
)
def test_weighted_tree_refuses_any_negative_quantity(
    tokens: tuple[float, int], bits: tuple[float, int], energy_j: float
) -> None:
    with pytest.raises(ValueError, match="allowed are values >= 0"):
        weighted_tree({"chat": (*tokens, TokenUtility(1.0))}, {"video": bits}, energy_j)


def test_windows_add_up_part_by_part() -> None:
    assert total([Window(1, 20, 300, 0.5), Window(7, 60, 500, 0.25)]) == Window(8, 80, 800, 0.75)
    assert total([]) == Window(0, 0, 0, 0.0)
    assert Window(1, 20, 300, 0.5).tokens == 320


def test_ratios_under_the_names_of_a_table() -> None:
    window = Window(bits=1000, tokens_in=50, tokens_out=20, energy_j=4.0)
    assert efficiency(window, 10.0).of("testbed") == {
        "tree_testbed_bit_per_j": 425.0,
        "tree_generated_testbed_bit_per_j": 300.0,
        "ee_testbed_bit_per_j": 250.0,
    }
    assert efficiency(Window(5, 5, 5, 0.0), 1.0) == Efficiency(None, None, None)
    assert sweep(window, [0.0, 10.0]) == [(0.0, 250.0, 250.0), (10.0, 425.0, 250.0)]
