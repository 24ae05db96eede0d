"""Attribution of grid energy and emissions: exact, in proportion, without a remainder."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from coordinator.accounting.lifecycle import (
    AttributedLine,
    attribute,
    emitted_pg,
    grid_line,
    operational_pg,
    waste_from,
)
from protos.messages.slot import EnergyLine
from protos.messages.terms import Component, Stage

lines = st.lists(
    st.builds(
        EnergyLine,
        st.sampled_from(list(Stage)),
        st.sampled_from([Component.COMPUTE, Component.STATIC, Component.RADIO_TX]),
        st.integers(0, 10**11),
        st.just("modelled"),
    ),
    min_size=1,
    max_size=12,
)


@given(st.integers(0, 10**12), st.floats(0, 2000))
def test_picograms_are_the_equation_rounded_once(grid_uj: int, intensity: float) -> None:
    exact = Fraction(grid_uj) * Fraction(intensity) * 1_000_000 / 3_600_000
    assert abs(operational_pg(grid_uj, intensity) - exact) <= Fraction(1, 2)


@given(lines, st.data(), st.floats(0, 2000))
def test_attributed_lines_sum_exactly(
    given_lines: list[EnergyLine], data: st.DataObject, intensity: float
) -> None:
    metered = sum(line.energy_uj for line in given_lines)
    grid = data.draw(st.integers(0, metered))
    found = attribute(given_lines, grid, intensity)
    assert sum(line.energy_uj for line in found) == metered  # (L2): attributed + unallocated = metered
    assert sum(line.grid_uj for line in found) == grid
    assert sum(line.operational_pg for line in found) == operational_pg(grid, intensity)
    assert all(line.grid_uj <= line.energy_uj for line in found)
    assert [(line.stage, line.component) for line in found] == [(g.stage, g.component) for g in given_lines]


def test_shared_lines_draw_all_from_the_grid() -> None:
    line = grid_line(Stage.DEVELOPMENT, Component.NETWORK, 3_600_000_000_000, 500.0, "modelled")
    assert (line.grid_uj, line.operational_pg) == (3_600_000_000_000, 500 * 10**12)  # 1 kWh at 500 g


@given(lines, st.integers(1, 50), st.data())
def test_waste_moves_joules_and_makes_none(
    given_lines: list[EnergyLine], ran: int, data: st.DataObject
) -> None:
    wasted = data.draw(st.integers(0, ran))
    found = waste_from(given_lines, Stage.DEVELOPMENT, wasted, ran)
    assert sum(line.energy_uj for line in found) == sum(line.energy_uj for line in given_lines)
    for stage in Stage:
        before = sum(line.energy_uj for line in given_lines if line.stage is stage)
        assert sum(line.energy_uj for line in found if line.stage is stage) == before
    compute = [
        line.energy_uj
        for line in given_lines
        if line.stage is Stage.DEVELOPMENT and line.component is Component.COMPUTE
    ]
    waste = sum(line.energy_uj for line in found if line.component is Component.WASTE)
    assert waste == sum(energy * wasted // ran for energy in compute)


def test_attribution_and_waste_by_hand() -> None:
    """30 J compute, 10 J static, 8 J of it all from the grid at 450 g/kWh: 1 mg, in the proportion 3 to 1."""
    metered = (
        EnergyLine(Stage.DEVELOPMENT, Component.COMPUTE, 30_000_000, "measured"),
        EnergyLine(Stage.UNALLOCATED, Component.STATIC, 10_000_000, "modelled"),
    )
    assert attribute(metered, 8_000_000, 450.0) == (
        AttributedLine(Stage.DEVELOPMENT, Component.COMPUTE, 30_000_000, 6_000_000, 750_000_000, "measured"),
        AttributedLine(Stage.UNALLOCATED, Component.STATIC, 10_000_000, 2_000_000, 250_000_000, "modelled"),
    )
    assert grid_line(Stage.RECYCLING, Component.ROUTER, 8_000_000, 450.0, "modelled") == AttributedLine(
        Stage.RECYCLING, Component.ROUTER, 8_000_000, 8_000_000, 1_000_000_000, "modelled"
    )
    assert waste_from(metered, Stage.DEVELOPMENT, 1, 4) == (
        EnergyLine(Stage.DEVELOPMENT, Component.COMPUTE, 22_500_000, "measured"),
        EnergyLine(Stage.DEVELOPMENT, Component.WASTE, 7_500_000, "measured"),
        metered[1],
    )
    assert waste_from(metered, Stage.DEVELOPMENT, 0, 0) == metered
    assert waste_from(metered, Stage.APPLICATION, 1, 4) == metered
    static = (EnergyLine(Stage.DEVELOPMENT, Component.STATIC, 5, "modelled"),)
    assert waste_from(static, Stage.DEVELOPMENT, 1, 4) == static
    assert emitted_pg(1, 1.0) == Fraction(10, 36)
