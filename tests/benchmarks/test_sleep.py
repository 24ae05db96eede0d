"""The benchmark of sleep: figures of a few fleets, and goals from them."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import sleep


@pytest.mark.parametrize("seed", [0, 3])
def test_a_fleet_against_the_mixed_integer_program(seed: int) -> None:
    """All of the first one's nodes can sleep, and some of the second one's."""
    found = sleep.against_mixed_integer(seed)
    assert -1e-3 <= found["above"] <= 0.02
    assert found["stated"] == pytest.approx(found["above"] + found["bound_below"])
    assert found["bound_below"] >= -sleep.ROUNDING


def test_goals_are_of_the_worst_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    def fleet(seed: int) -> dict[str, float]:
        return {"above": 0.001 * seed, "bound_below": 0.01, "stated": 0.01 + 0.001 * seed}

    def decided(
        nodes: int, slots: int = 4, *, may_sleep: bool = True, share_that_can: float = 1.0
    ) -> dict[str, float]:
        times = share_that_can * (30.0 if slots == 24 and may_sleep else 1.0)
        return {"cpu_s": nodes / 100.0 * times, "gap_fraction": 0.06}

    monkeypatch.setattr(sleep, "against_mixed_integer", fleet)
    monkeypatch.setattr(sleep, "decision", decided)
    said: list[str] = []
    found: dict[str, Any] = sleep.measure(True, said.append)
    assert found["figures"]["fleets"] == sleep.QUICK_FLEETS
    assert found["figures"]["stated_most"] == pytest.approx(0.021)
    assert found["figures"]["cpu_s_300"] == 3.0
    assert found["figures"]["mixed_cpu_s_300"] == 1.5
    assert "cpu_s_10000" not in found["figures"]
    assert found["deferred"] == [*sleep.LATER, "1000", "10000"]
    assert found["goals"]["most_above_mixed_integer"] == {
        "op": "<=",
        "goal": 0.02,
        "value": pytest.approx(0.011),
        "met": True,
    }
    assert found["goals"]["bound_below_plan"]["met"]
    assert len(said) == sleep.QUICK_FLEETS + len(sleep.QUICK_SIZES)
    whole = sleep.measure(False, said.append)
    assert whole["deferred"] == []
    gap, over = (whole["goals"][name] for name in sleep.LATER)
    assert (gap["value"], gap["met"]) == (0.06, False)
    assert (over["value"], over["met"]) == (30.0, True)
