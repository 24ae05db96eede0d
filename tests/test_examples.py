"""What tests draw at random: the same in every run, whatever ran before and however slow the machine is."""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st


def drawn() -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []

    @given(st.integers(0, 2**32 - 1), st.floats(0.0, 1e9))
    def keep(whole: int, real: float) -> None:
        found.append((whole, real))

    keep()
    return found


def test_a_module_that_another_test_loaded_does_not_change_them(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if request.config.getoption("--long"):
        pytest.skip("--long draws new examples")
    before = drawn()
    (tmp_path / "loaded.py").write_text("whole = [123_456_789, 987_654_321]\nreal = [417.25, 3.6e6]\n")
    module = ModuleType("loaded")
    module.__file__ = str(tmp_path / "loaded.py")
    monkeypatch.setitem(sys.modules, "loaded", module)
    assert drawn() == before


def test_a_machine_that_draws_them_slowly_fails_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(time, "perf_counter", itertools.count(0.0, 10.0).__next__)
        assert len(drawn()) == 100


@pytest.mark.parametrize("_test", ["first", "second"])
def test_torch_draws_the_same_in_every_test(_test: str) -> None:
    expected = torch.rand(3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.rand(3), expected)
