"""(E1)-(E3): limits, sums and signs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.splitting.energy import AccessPoint, Link, Server, Split, Terminal, cost, shannon_bit_per_s

TERMINAL = Terminal(1e-27, 1e9, 2.0, 3.0, 0.2, 0.4, 1.0, 0.8, 0.5)
SERVER = Server(1e10, 50.0)
ACCESS = AccessPoint(2.0)
LINK = Link(1e6, 2e6)
amounts = st.floats(0.0, 1e9)
rates = st.floats(1e3, 1e9)


def test_local_is_e1() -> None:
    spent = cost(Split(1e6, 0.0, 0.0, 0.0), TERMINAL, SERVER, ACCESS, LINK)
    assert spent.terminal_j == pytest.approx(1e-27 * 1e18 * 2e6)
    assert spent.latency_s == pytest.approx(2e6 / 1e9)
    assert spent.system_j == spent.terminal_j


def test_full_is_e2() -> None:
    spent = cost(Split(0.0, 1e6, 1000.0, 10.0), TERMINAL, SERVER, ACCESS, LINK)
    sending = (0.2 / 0.4 + 1.0) * 8000 / 1e6
    assert spent.terminal_j == pytest.approx(sending + 0.5 * 1e-4 + 0.8 * 80 / 2e6)
    assert spent.system_j == pytest.approx(spent.terminal_j + 2.0 * (0.008 + 4e-5) + 50.0 * 1e-4)


@given(amounts, amounts, st.floats(1.0, 1e7), st.floats(0.0, 1e4), rates, rates)
def test_system_is_never_less_than_terminal_and_parts_add_up(
    on_terminal: float, on_server: float, up: float, down: float, rate: float, back: float
) -> None:
    spent = cost(Split(on_terminal, on_server, up, down), TERMINAL, SERVER, ACCESS, Link(rate, back))
    assert spent.system_j >= spent.terminal_j >= 0
    assert spent.terminal_static_j == pytest.approx(TERMINAL.static_w * spent.latency_s)
    parts = spent.compute_j + spent.transmit_j + spent.idle_j + spent.receive_j
    assert spent.terminal_j == pytest.approx(parts)


@given(amounts, st.floats(1.0, 1e7), rates, st.floats(1.01, 100.0))
def test_a_better_link_never_costs_more(on_server: float, up: float, rate: float, factor: float) -> None:
    split = Split(0.0, on_server, up, 10.0)
    poor = cost(split, TERMINAL, SERVER, ACCESS, Link(rate, rate))
    good = cost(split, TERMINAL, SERVER, ACCESS, Link(rate * factor, rate * factor))
    assert good.terminal_j <= poor.terminal_j
    assert good.system_j <= poor.system_j
    assert good.latency_s <= poor.latency_s


@given(st.floats(0.1, 4.0))
def test_local_energy_grows_with_the_square_of_the_clock(factor: float) -> None:
    split = Split(1e6, 0.0, 0.0, 0.0)
    slow = cost(split, TERMINAL, SERVER, ACCESS, LINK)
    quick = cost(split, replace(TERMINAL, clock_hz=factor * TERMINAL.clock_hz), SERVER, ACCESS, LINK)
    assert quick.terminal_j == pytest.approx(factor**2 * slow.terminal_j)
    assert quick.latency_s == pytest.approx(slow.latency_s / factor)


@given(st.floats(1e3, 1e8), st.floats(1e-18, 1e-3), st.floats(1e-21, 1e-18))
def test_shannon_rate_is_bounded_by_its_limit_of_infinite_bandwidth(
    bandwidth: float, received: float, noise: float
) -> None:
    rate = shannon_bit_per_s(bandwidth, received, noise)
    assert 0 < rate <= received / noise / math.log(2.0) * (1 + 1e-9)
    assert shannon_bit_per_s(2 * bandwidth, received, noise) >= rate * (1 - 1e-9)


def test_shannon_at_a_signal_as_strong_as_the_noise_is_one_bit_per_hertz() -> None:
    assert shannon_bit_per_s(1e6, 1e-14, 1e-20) == pytest.approx(1e6)


def test_nothing_sent_but_something_computed_is_refused() -> None:
    with pytest.raises(ValueError, match="up_bytes"):
        Split(0.0, 1.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="up_bit_per_s"):
        Link(0.0, 1.0)
    with pytest.raises(ValueError, match="amplifier"):
        replace(TERMINAL, amplifier_efficiency_fraction=0.0)
