"""Worlds to train on, to choose between trainings, and to judge on.

The rules were fixed before any result was seen. Of the zones with a packaged site, by name, the first, third, ... are
for training, the others for judging; of the days of 2022 those of even months are for training: no zone and no day of
the one is in the other. Days after the 20th of an even month are for choosing between trainings.
Training's worlds come in groups that share a day, so that a group can be one fleet (together.py)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import tomli_w

from carbon_data.sources.sites import zone_sites
from experiments.scenario.model import Scenario, parse_scenario

YEAR, SLOTS = 2022, 24
SOURCE = "em-lca-2022"
"""Hourly life-cycle intensity of 123 zones."""
LAST_DAY_OF_TRAINING = 20
"""Of each month."""
TOGETHER = 16
"""Training worlds that share a day. [C]: more cost less each, and see fewer days."""


@dataclass(frozen=True, slots=True)
class Part:
    """Zones and days of training, of choosing or of judging."""

    name: str
    zones: tuple[str, ...]
    days: tuple[datetime, ...]
    draw: int
    """Begins the seed of its worlds."""
    together: int = 1
    """Worlds in a row that share the day of the first."""


def _days(even: bool, first: int = 1, last: int = 31) -> tuple[datetime, ...]:
    start = datetime(YEAR, 1, 2, tzinfo=UTC)
    every = [start + timedelta(days=k) for k in range(362)]
    return tuple(day for day in every if (day.month % 2 == 0) == even and first <= day.day <= last)


_ZONES = tuple(sorted(zone_sites()))
TRAINING = Part("training", _ZONES[0::2], _days(True, last=LAST_DAY_OF_TRAINING), 31, TOGETHER)
CHOOSING = Part("choosing", _ZONES[0::2], _days(True, first=LAST_DAY_OF_TRAINING + 1), 33)
UNSEEN = Part("unseen", _ZONES[1::2], _days(False), 32)


def world(part: Part, number: int, nodes: int = 6, policy: str = "local") -> Scenario:
    """The ``number``-th world of ``part``: a day of ``nodes`` nodes in different zones, with drawn panels (up to three
    times what a board at work needs), batteries and demand."""
    first = number - number % part.together
    return _scenario(part, number, _drawn(part, first, nodes)[0], _drawn(part, number, nodes)[1], policy)


def side_by_side(part: Part, number: int, nodes: int = 6) -> Scenario:
    """The nodes of ``part.together`` worlds, the ``number``-th group of ``part``, one world after the other: those of
    ``world`` with other clouds."""
    numbers = range(number * part.together, (number + 1) * part.together)
    tables = [table for each in numbers for table in _drawn(part, each, nodes)[1]]
    return _scenario(part, numbers[0], _drawn(part, numbers[0], nodes)[0], tables, "local")


def _drawn(part: Part, number: int, nodes: int) -> tuple[datetime, list[dict[str, Any]]]:
    """Day and nodes."""
    rng = np.random.default_rng([part.draw, number])
    day = part.days[int(rng.integers(len(part.days)))]
    zones = rng.choice(len(part.zones), nodes, replace=nodes > len(part.zones))
    return day, [
        {
            "zone": part.zones[int(zone)],
            "harvest": {"kind": "pv", "peak_w": round(float(rng.uniform(2.0, 30.0)), 2)},
            "battery": {"capacity_wh": round(float(rng.uniform(0.0, 20.0)), 2)},
            "demand": {"busy_fraction": round(float(rng.uniform(0.2, 0.8)), 3)},
        }
        for zone in zones
    ]


def _scenario(part: Part, number: int, day: datetime, nodes: list[dict[str, Any]], policy: str) -> Scenario:
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
        "nodes": nodes,
    }
    return parse_scenario(tomli_w.dumps(table), f"{part.name} world {number}")
