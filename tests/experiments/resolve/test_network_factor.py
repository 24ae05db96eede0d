"""The network's factor: what is booked, and the ends that it is drawn between."""

from __future__ import annotations

import pytest

from edge_node.energy.sourced import SourceError
from edge_node.energy.transport import load_transport
from experiments.errors import UsageError
from experiments.resolve.network_factor import NetworkFactor, network_factor
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from experiments.scenario.system import NetworkSpec

SCENARIO = """name = "net"
[network]
{}
[[nodes]]
zone = "FR"
"""


def factor_of(spec: NetworkSpec) -> NetworkFactor:
    return network_factor(spec, load_transport(spec.transport))


@pytest.mark.parametrize("name", ["wifi", "wifi-low", "mobile-4g"])
def test_a_transport_brings_its_sources_ends(name: str) -> None:
    figure, found = load_transport(name), factor_of(NetworkSpec(transport=name))
    assert figure.range is not None
    assert (found.booked_j_per_byte, found.low_j_per_byte, found.high_j_per_byte) == (
        figure.value,
        figure.range.low,
        figure.range.high,
    )
    assert (found.low_source, found.high_source) == (figure.range.low_source, figure.range.high_source)
    low, high = found.ratios()
    assert (low * figure.value, high * figure.value) == pytest.approx((figure.range.low, figure.range.high))


def test_a_figure_of_the_scenarios_own_has_ends_as_wide_as_wifi_unless_it_gives_them() -> None:
    found = factor_of(NetworkSpec(net_j_per_byte=5e-6))
    assert found.high_j_per_byte / found.low_j_per_byte == pytest.approx(17.0)
    assert (found.low_j_per_byte * found.high_j_per_byte) ** 0.5 == pytest.approx(5e-6)
    assert "choice" in found.low_source
    own = factor_of(NetworkSpec(net_j_per_byte=5e-6, net_low_j_per_byte=4e-6, net_high_j_per_byte=8e-6))
    assert own.ratios() == pytest.approx((0.8, 1.6))
    assert NetworkFactor.from_metadata({"network": own.as_metadata()}) == own
    assert NetworkFactor.from_metadata({}) is None
    assert factor_of(NetworkSpec(net_j_per_byte=0.0)).ratios() == (1.0, 1.0)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("net_low_j_per_byte = 1e-6", "give both"),
        ("net_low_j_per_byte = 2e-6\nnet_high_j_per_byte = 1e-6", "swap them"),
        ("net_low_j_per_byte = 1e-5\nnet_high_j_per_byte = 2e-5", "leave out the booked figure"),
        (
            "net_j_per_byte = 1e-6\nnet_low_j_per_byte = 2e-6\nnet_high_j_per_byte = 3e-6",
            "leave out the booked",
        ),
        ("net_low_j_per_byte = 0.0\nnet_high_j_per_byte = 3e-6", "net_low_j_per_byte"),
    ],
)
def test_ends_that_cannot_be_are_refused_with_file_and_key(lines: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        resolve(parse_scenario(SCENARIO.format(lines), "net.toml"))
    assert "net.toml:" in str(refused.value)
    assert "network" in str(refused.value)


def test_an_unknown_transport_is_refused() -> None:
    with pytest.raises(SourceError, match="wifi-high"):
        factor_of(NetworkSpec(transport="pigeon"))
