"""Boundaries: every joule and every gram is in exactly one of them."""

from __future__ import annotations

import pytest

from experiments.disclosure.part import CONSUMER, PROVIDER, Part, lines_of
from experiments.report.lifecycle.embodied import Embodied
from experiments.report.read import Run


def test_the_boundaries_divide_the_run(run: Run, made: Embodied) -> None:
    consumer, provider = Part(run, CONSUMER, made), Part(run, PROVIDER, made)
    lines = run.tables["lines"]
    assert len(consumer.lines) + len(provider.lines) == len(lines)
    assert not set(consumer.lines.index) & set(provider.lines.index)
    assert consumer.energy_j + provider.energy_j == pytest.approx(lines["energy_j"].sum(), rel=1e-12)
    assert consumer.operational_g + provider.operational_g == pytest.approx(run.emissions_g, rel=1e-12)
    assert made.total_g is not None
    assert (consumer.embodied_g or 0) + (provider.embodied_g or 0) == pytest.approx(made.total_g)


def test_idle_time_belongs_to_the_stage_of_its_slot(by_hand: Run) -> None:
    provider = lines_of(by_hand, PROVIDER)
    assert (provider["stage"] == "unallocated").sum() == 1
    assert provider["operational_g"].sum() == pytest.approx(100 + 50 + 50 + 1200 + 50 + 100)
    assert lines_of(by_hand, CONSUMER)["operational_g"].sum() == pytest.approx(300)


def test_devices_that_are_not_known_leave_no_figure(by_hand: Run) -> None:
    part = Part(by_hand, CONSUMER, Embodied((), {}, "no factor"))
    assert part.embodied_g is None


def test_the_draws_lie_around_the_booked_grams(run: Run, made: Embodied) -> None:
    part = Part(run, PROVIDER, made, draws=500)
    assert part.spread is not None
    assert part.spread.low < part.operational_g < part.spread.high
    assert part.known.text == "modelled"
