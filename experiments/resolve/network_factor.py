"""The network's energy per byte: the booked value and the ends of its range.

The factor is the least known figure of the testbed (methods.md section 4), so its ends are those of its sources, not a
share of a board's error. Where a scenario sets the factor without ends, they are as wide as those of Wi-Fi equipment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edge_node.energy.transport import load_transport

if TYPE_CHECKING:
    from edge_node.energy.sourced import Figure
    from experiments.scenario.system import NetworkSpec

METADATA_KEY = "network"
WIDTH_OF = "wifi"
"""Transport whose ends give the width of the default range."""


@dataclass(frozen=True, slots=True)
class NetworkFactor:
    """J per byte. ``low`` = ``booked`` = ``high``: nothing is drawn."""

    booked_j_per_byte: float
    low_j_per_byte: float
    high_j_per_byte: float
    source: str
    """Of the booked figure."""
    low_source: str
    high_source: str

    def ratios(self) -> tuple[float, float]:
        """Ends over the booked figure: what grams of the network are multiplied by. (1, 1) for a network without
        energy."""
        if self.booked_j_per_byte == 0:
            return 1.0, 1.0
        return self.low_j_per_byte / self.booked_j_per_byte, self.high_j_per_byte / self.booked_j_per_byte

    def as_metadata(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> NetworkFactor | None:
        """As the run was booked; None for runs of an earlier version."""
        found = metadata.get(METADATA_KEY)
        return None if found is None else cls(**found)


def network_factor(spec: NetworkSpec, figure: Figure) -> NetworkFactor:
    """The factor that ``spec`` asks for, with its ends. ``figure``: of its transport. Raises ValueError for ends that
    leave the factor out."""
    assert figure.range is not None
    booked, source, ends = figure.value, f"{spec.transport}: {figure.source}", figure.range
    low, high, low_source, high_source = ends.low, ends.high, ends.low_source, ends.high_source
    if spec.net_j_per_byte is not None:
        booked, source = spec.net_j_per_byte, "the scenario (network.net_j_per_byte)"
        width = load_transport(WIDTH_OF).range
        assert width is not None
        half = math.sqrt(width.high / width.low)
        low, high = booked / half, booked * half
        low_source = high_source = (
            f"choice: as wide as the ends of Wi-Fi equipment (a factor of {width.high / width.low:.3g}), about the "
            "scenario's figure"
        )
    if spec.net_low_j_per_byte is not None and spec.net_high_j_per_byte is not None:
        low, high = spec.net_low_j_per_byte, spec.net_high_j_per_byte
        low_source = high_source = "the scenario (network.net_low_j_per_byte, network.net_high_j_per_byte)"
        if not low <= booked <= high:
            raise ValueError(
                f"net_low_j_per_byte {low:g} and net_high_j_per_byte {high:g} leave out the booked figure, "
                f"{booked:g} ({source}); give ends about it"
            )
    return NetworkFactor(booked, low, high, source, low_source, high_source)
