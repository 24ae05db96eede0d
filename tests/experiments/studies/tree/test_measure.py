"""What one simulated point is kept as (whole numbers), and the figures derived from it."""

from __future__ import annotations

import pytest

from experiments.studies.tree.measure import Counting, Point, bits, figures, take, tokens, tree_bit_per_j
from experiments.studies.tree.model import Discipline, Service, SleepMode, build_machine
from experiments.studies.tree.parameters import PS_PER_S, load_parameters
from experiments.studies.tree.power import COMPONENTS, state_powers
from experiments.studies.tree.settings import ALPHAS_BITS_PER_TOKEN

P = load_parameters()
MACHINE = build_machine(P, Discipline.VR_FIRST, SleepMode.JOINT)
POWERS = state_powers(P)
WARMUP_PS = 5 * PS_PER_S


def test_a_point_counts_what_was_delivered(world) -> None:  # type: ignore[no-untyped-def]
    traffic, outcome = world
    point = take(traffic, outcome, WARMUP_PS)
    assert Point.from_dict(point.as_dict()) == point
    done = outcome.delivered_ps >= WARMUP_PS
    for service in Service:
        assert point.delivered[service] == int((done & (traffic.service == service)).sum())
    _, vu, vg = point.delivered
    assert tokens(point, MACHINE, Counting.OUTPUT) == 8 * vu + 256 * vg
    assert tokens(point, MACHINE, Counting.INPUT) == 4608 * vu + 77 * vg
    assert tokens(point, MACHINE, Counting.BOTH) == (4608 + 8) * vu + (77 + 256) * vg
    assert bits(point, MACHINE) <= P.downlink_bit_per_s * (point.window_ps / PS_PER_S) + 15.6e6


def test_tree_grows_with_alpha_and_is_ee_at_ten(world) -> None:  # type: ignore[no-untyped-def]
    traffic, outcome = world
    point = take(traffic, outcome, WARMUP_PS)
    values = figures(point, MACHINE, POWERS)
    assert values["total_w"] == pytest.approx(values["station_w"] + values["server_w"])
    assert values["total_w"] == pytest.approx(sum(values[f"{name}_w"] for name in COMPONENTS))
    tree = [
        tree_bit_per_j(point, MACHINE, values["energy_j"], alpha, Counting.OUTPUT)
        for alpha in ALPHAS_BITS_PER_TOKEN
    ]
    assert tree == sorted(tree)
    assert tree[0] == pytest.approx(
        values["ee_bit_per_j"], rel=0.01
    )  # alpha = 10 bit per token makes TREE equal EE
