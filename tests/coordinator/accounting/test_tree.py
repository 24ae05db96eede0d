"""(T1): TREE and EE as ratios of sums."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.accounting.tree import Window, efficiency, total

windows = st.builds(Window, st.integers(0, 10**12), st.integers(0, 10**9), st.floats(1e-3, 1e9))


def test_hand_computed_window() -> None:
    found = efficiency(Window(bits=1000, tokens=20, energy_j=4.0), alpha_bits_per_token=10.0)
    assert found.tree_bit_per_j == 300.0
    assert found.ee_bit_per_j == 250.0


def test_no_energy_gives_no_ratio() -> None:
    assert efficiency(Window(5, 5, 0.0), 1.0).tree_bit_per_j is None


@given(windows, st.floats(0, 1e7))
def test_without_tokens_or_alpha_tree_is_ee(window: Window, alpha: float) -> None:
    assert efficiency(window, 0.0).tree_bit_per_j == efficiency(window, alpha).ee_bit_per_j
    bare = Window(window.bits, 0, window.energy_j)
    assert efficiency(bare, alpha).tree_bit_per_j == efficiency(bare, alpha).ee_bit_per_j


@given(st.lists(windows, min_size=1, max_size=6), st.floats(0, 1e7))
def test_whole_lies_between_its_parts(parts: list[Window], alpha: float) -> None:
    ratios = [efficiency(part, alpha).tree_bit_per_j for part in parts]
    whole = efficiency(total(parts), alpha).tree_bit_per_j
    known = [ratio for ratio in ratios if ratio is not None]
    assert whole is not None
    assert min(known) * (1 - 1e-9) <= whole <= max(known) * (1 + 1e-9)


@pytest.mark.parametrize("bad", [(-1, 0, 1.0), (0, -1, 1.0), (0, 0, -1.0), (0, 0, float("nan"))])
def test_impossible_windows_are_refused(bad: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        Window(*bad)


def test_negative_alpha_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        efficiency(Window(1, 1, 1.0), -1.0)
