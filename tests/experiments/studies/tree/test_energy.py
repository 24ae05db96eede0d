"""Parameters, powers of states, energy integrated exactly, TREE and EE of a window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_node.energy.sourced import SourceError
from experiments.studies.tree.engine import simulate
from experiments.studies.tree.measure import Counting, Point, bits, figures, take, tokens, tree_bit_per_j
from experiments.studies.tree.model import Discipline, Server, Service, SleepMode, Station, build_machine
from experiments.studies.tree.parameters import PS_PER_S, load_figures, load_parameters
from experiments.studies.tree.power import COMPONENTS, occupancies, power_series, state_powers
from experiments.studies.tree.settings import ALPHAS_BITS_PER_TOKEN
from experiments.studies.tree.traffic import draw
from experiments.studies.tree.windows import windows_table

P = load_parameters()
MACHINE = build_machine(P, Discipline.VR_FIRST, SleepMode.JOINT)
POWERS = state_powers(P)
WARMUP_PS = 5 * PS_PER_S


@pytest.fixture(scope="module")
def world():  # type: ignore[no-untyped-def]
    rates = [0.4 * MACHINE.capacity_per_s(Service.VR), 1.0, 0.4]
    traffic = draw(11, rates, 40.0)
    return traffic, simulate(traffic, MACHINE)


def test_table_one() -> None:
    assert (P.subcarriers, P.circuit_w, P.rf_chain_w, P.transmit_w) == (1024, 10.0, 1.0, 1.0)
    assert (P.dtx_cycle_s, P.dtx_switch_s, P.es_await_s, P.es_switch_s) == (0.03, 0.001, 0.03, 0.005)
    assert (P.es_sleep_w, P.es_inference_w) == (60.0, 117.37)
    assert (P.vr_bytes, P.vu_bytes, P.vg_bytes) == (1.95e6, 40e3, 1.5e6)
    assert all(figure.source for figure in load_figures().values())


def test_roofline_by_hand() -> None:
    weights = 2 * P.model_parameters
    assert P.prefill_s(4608) == pytest.approx(weights * 4608 / (0.45 * 165e12))
    assert P.prefill_s(1) == pytest.approx(
        weights / (0.7 * 1008e9)
    )  # short prompts are bound by reading the weights
    kv = sum(P.kv_bytes_per_token * (77 + i) for i in range(256))
    assert P.decode_s(77, 256) == pytest.approx((256 * weights + kv) / (0.7 * 1008e9))


def test_services_are_what_section_four_says() -> None:
    assert MACHINE.prefill_ps[Service.VU] > 3 * MACHINE.decode_ps[Service.VU]
    assert MACHINE.decode_ps[Service.VG] > 100 * MACHINE.prefill_ps[Service.VG]
    assert MACHINE.transmit_ps[Service.VR] < MACHINE.dtx_cycle_ps
    narrow = replace(P, subcarrier_hz=60e3)
    assert narrow.transmit_s(P.vr_bytes) > P.dtx_cycle_s  # the reason given for 120 kHz


def test_powers_of_states_are_table_one() -> None:
    server = sum(POWERS.server.values())
    assert server[Server.SLEEP] == pytest.approx(60.0)
    assert server[Server.PREFILL] == pytest.approx(117.37)
    assert server[Server.DECODE] == pytest.approx(117.37)
    assert server[Server.WAIT] == server[Server.BLOCKED] == server[Server.SWITCH]
    assert 60.0 < server[Server.WAIT] < 117.37
    station = sum(POWERS.station.values())
    assert station[Station.AWAKE] == pytest.approx(11.0)
    assert station[Station.TRANSMIT] == pytest.approx(11.0 + 2.6)
    assert station[Station.SLEEP] < station[Station.AWAKE]


def test_contradicting_powers_are_refused() -> None:
    with pytest.raises(SourceError, match="60"):
        state_powers(replace(P, es_sleep_w=50.0))


def test_energy_is_the_exact_integral_of_power(world) -> None:  # type: ignore[no-untyped-def]
    _, outcome = world
    station, server = occupancies(outcome, WARMUP_PS)
    assert station.sum() == server.sum() == outcome.horizon_ps - WARMUP_PS
    energy = POWERS.energy_j(station, server)
    series = power_series(outcome, POWERS, WARMUP_PS, outcome.horizon_ps)
    assert set(energy) == set(COMPONENTS) == set(series.watts)
    lengths = np.diff(series.time_s)
    assert (lengths > 0).all()
    for name in COMPONENTS:
        assert float(series.watts[name] @ lengths) == pytest.approx(energy[name], rel=1e-9, abs=1e-9)


def test_windows_add_up(world) -> None:  # type: ignore[no-untyped-def]
    _, outcome = world
    whole = occupancies(outcome, 0)
    late = occupancies(outcome, WARMUP_PS)
    early = occupancies(replace(outcome, horizon_ps=WARMUP_PS), 0)
    for a, b, c in zip(whole, early, late, strict=True):
        assert np.array_equal(a, b + c)


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


def test_consecutive_windows_add_up_to_the_whole(world) -> None:  # type: ignore[no-untyped-def]
    traffic, outcome = world
    table = windows_table(traffic, outcome, MACHINE, POWERS, 2 * PS_PER_S, Counting.OUTPUT)
    whole = take(traffic, outcome, 0)
    assert len(table) == 20
    assert table["bits"].sum() == bits(whole, MACHINE)
    assert table["tokens"].sum() == tokens(whole, MACHINE, Counting.OUTPUT)
    assert table["energy_j"].sum() == pytest.approx(figures(whole, MACHINE, POWERS)["energy_j"])
    assert (table["tree_10_bit_per_j"] >= table["ee_bit_per_j"]).all()
    with pytest.raises(ValueError, match="width_ps"):
        windows_table(traffic, outcome, MACHINE, POWERS, 0, Counting.OUTPUT)
    with pytest.raises(ValueError, match="window is"):
        take(traffic, outcome, 0, outcome.horizon_ps + 1)


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
