"""Days, policies and the settings that are swept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiments.studies.stations.cells import StationCell

MONTHS = (3, 6, 9, 12)
Change = tuple[tuple[str, Any], ...]


def _power(factor: float) -> Change:
    return (("power.full_w", 250.0 * factor), ("power.idle_w", 109.0 * factor))


SWEPT: dict[str, dict[str, Change]] = {
    "sleep mode": {name: (("sleep.mode", name),) for name in ("SM1", "SM2", "SM3", "SM4")},
    "neighbours needed": {str(k): (("cells.needed_neighbours", k),) for k in (1, 2, 3)},
    "peak traffic, of capacity": {f"{p:.0%}": (("traffic.peak_fraction", p),) for p in (0.3, 0.6, 0.9, 1.1)},
    "threshold, sleeps below": {
        f"{low:.0%}": (("policies.sleep_below_fraction", low), ("policies.wake_above_fraction", low + 0.1))
        for low in (0.1, 0.3, 0.5)
    },
    "panel": {f"{w:.0f} W": (("site.panel_w", w),) for w in (0.0, 500.0, 1500.0)},
    "battery": {f"{wh:.0f} Wh": (("site.battery_wh", wh),) for wh in (0.0, 2000.0, 6000.0)},
    "power of a cell": {f"x {f:g}": _power(f) for f in (0.5, 1.0, 1.5)},
    "zone": {zone: (("site.zone", zone),) for zone in ("DE", "FR", "PL")},
}
"""What the survey leaves open: setting -> value as shown -> changes of stations.toml."""


@dataclass(frozen=True, slots=True)
class Extent:
    """``days``: (month, seed). ``swept_days``: those of the sweep. ``policies``: by name."""

    days: tuple[tuple[int, int], ...]
    swept_days: tuple[tuple[int, int], ...]
    policies: tuple[str, ...]
    swept: tuple[str, ...] = tuple(SWEPT)

    def main(self) -> list[StationCell]:
        return [StationCell(policy, month, seed) for policy in self.policies for month, seed in self.days]

    def sweep(self) -> list[tuple[str, str, StationCell]]:
        """Setting, value, cell."""
        return [
            (name, value, StationCell(policy, month, seed, change))
            for name in self.swept
            for value, change in SWEPT[name].items()
            for policy in self.policies
            for month, seed in self.swept_days
        ]


def quick(policies: tuple[str, ...]) -> Extent:
    """A day of each season, the sweep on one in March."""
    return Extent(tuple((month, 0) for month in MONTHS), ((3, 0),), policies)


def full(policies: tuple[str, ...]) -> Extent:
    """Five days of each season, the sweep on one of each."""
    return Extent(
        tuple((month, seed) for month in MONTHS for seed in range(5)),
        tuple((month, 0) for month in MONTHS),
        policies,
    )
