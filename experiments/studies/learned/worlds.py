"""Worlds to train on and to judge on: no zone and no day of the one is in the other.

The rule was fixed before any result was seen: of the zones with a packaged site, by name, the first,
third, ... are for training, the others for judging; of the days of 2022 those of even months are for training."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import tomli_w

from carbon_data.sources.sites import zone_sites
from experiments.scenario.model import Scenario, parse_scenario

YEAR, SLOTS = 2022, 24
SOURCE = "em-lca-2022"
"""Hourly life-cycle intensity of 123 zones."""


@dataclass(frozen=True, slots=True)
class Part:
    """Zones and days of training or of judging."""

    name: str
    zones: tuple[str, ...]
    days: tuple[datetime, ...]
    draw: int
    """Begins the seed of its worlds."""


def _days(even: bool) -> tuple[datetime, ...]:
    first = datetime(YEAR, 1, 2, tzinfo=UTC)
    every = [first + timedelta(days=k) for k in range(362)]
    return tuple(day for day in every if (day.month % 2 == 0) == even)


_ZONES = tuple(sorted(zone_sites()))
TRAINING = Part("training", _ZONES[0::2], _days(even=True), 31)
UNSEEN = Part("unseen", _ZONES[1::2], _days(even=False), 32)


def world(part: Part, number: int, nodes: int = 6, policy: str = "local") -> Scenario:
    """The ``number``-th world of ``part``: a day of ``nodes`` nodes in different zones, with drawn panels (up to three
    times what a board at work needs), batteries and demand."""
    rng = np.random.default_rng([part.draw, number])
    day = part.days[int(rng.integers(len(part.days)))]
    zones = rng.choice(len(part.zones), nodes, replace=nodes > len(part.zones))
    tables = [
        {
            "zone": part.zones[int(zone)],
            "harvest": {"kind": "pv", "peak_w": round(float(rng.uniform(2.0, 30.0)), 2)},
            "battery": {"capacity_wh": round(float(rng.uniform(0.0, 20.0)), 2)},
            "demand": {"busy_fraction": round(float(rng.uniform(0.2, 0.8)), 3)},
        }
        for zone in zones
    ]
    table = {
        "name": f"learned-{part.name}-{number}",
        "policy": policy,
        "seed": number,
        "task": {"name": "none"},
        "stages": {"preparation": 0, "development": SLOTS, "application": 0, "recycling": 0},
        "time": {"start": day},
        "intensity": {"source": SOURCE},
        "coordinator": {"horizon_slots": SLOTS},
        "fleet": {"kind": "virtual"},
        "nodes": tables,
    }
    return parse_scenario(tomli_w.dumps(table), f"{part.name} world {number}")
