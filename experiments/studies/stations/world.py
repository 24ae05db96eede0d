"""Cells, sites and traffic as a fleet of the testbed: traffic as work, a unit of it as a batch."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from carbon_data.sources.profiles import packaged_profiles
from carbon_data.sources.pv import pv_harvest
from carbon_data.units import JOULES_PER_WH
from coordinator.market.fleet import Fleet, Ints, Limits
from coordinator.simulator.simulate import World
from experiments.studies.stations.network import Network, hexagons

SETTINGS = Path(__file__).with_name("stations.toml")
SLOT_S = 3600.0
HOURS = 24
UNIT_BYTES = 1e9
"""Nominal size of a unit of traffic: only its product with the extension's J per byte counts."""
PEAK_POWER = 1.5
"""Exponent of a day's course: above 1 the peak is narrower than the night; a choice."""

Settings = dict[str, Any]


def settings(changes: Mapping[str, Any] | None = None) -> Settings:
    """``stations.toml``; ``changes`` by dotted key. Raises ValueError for a key that there is not."""
    found: Settings = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    for key, value in (changes or {}).items():
        *above, last = key.split(".")
        table = found
        for name in above:
            table = table.get(name, {})
        if last not in table:
            raise ValueError(f"stations.toml has no {key}; it has {', '.join(found)}")
        table[last] = deepcopy(value)
    return found


def network_of(given: Settings) -> Network:
    """The cells' network."""
    return Network(hexagons(int(given["cells"]["rings"])), int(given["cells"]["needed_neighbours"]))


def traffic(given: Settings, cells: int, hours: int, seed: int) -> Ints:
    """(N, T) units of traffic offered by cell and hour, from midnight on."""
    told, most = given["traffic"], given["cells"]["capacity_units"]
    rng = np.random.default_rng([seed, 1])
    peak = np.where(np.arange(cells) % 2 == 0, told["home_peak_h"], told["office_peak_h"])
    turn = 2.0 * np.pi * (np.arange(hours)[None, :] - peak[:, None]) / 24.0
    course = told["low_fraction"] + (1 - told["low_fraction"]) * (0.5 + 0.5 * np.cos(turn)) ** PEAK_POWER
    noise = 1.0 + told["noise_fraction"] * rng.standard_normal((cells, hours))
    return np.asarray(np.rint(np.maximum(told["peak_fraction"] * course * noise, 0.0) * most), dtype=np.int64)


def world_of(given: Settings, start: datetime, seed: int, hours: int = HOURS) -> World:
    """Cells from ``start`` on over ``hours`` hours, batteries empty at first and worth nothing at the end."""
    power, site, sleep = given["power"], given["site"], given["sleep"]
    mode = sleep["modes"][sleep["mode"]]
    n = len(hexagons(int(given["cells"]["rings"])))
    offered = traffic(given, n, hours, seed)
    step, most = timedelta(hours=1), float(given["cells"]["capacity_units"])
    intensity = packaged_profiles().series(site["zone"], start, step, hours).intensity_g_per_kwh
    panel = pv_harvest(site["panel_w"], zone=site["zone"])
    # One sky over the city.
    sun_w = panel.series(start, step, hours, seed).power_w if site["panel_w"] else np.zeros(hours)
    unit_j = (power["full_w"] - power["idle_w"]) * SLOT_S / most
    none, one_way = np.zeros(n), float(np.sqrt(site["efficiency_fraction"]))

    def each(value: float) -> Any:
        return np.full(n, float(value))

    fleet = Fleet(
        node_ids=tuple(f"cell-{k}" for k in range(n)),
        slot=0,
        slot_s=SLOT_S,
        stage="application",
        limits=Limits(
            offload_cap_fraction=1.0,
            transfer_cap_fraction=0.0,  # sites send each other no energy
            may_sleep=True,
        ),
        intensity_g_per_kwh=np.repeat(np.asarray(intensity)[None], n, axis=0),
        harvest_j=np.repeat(np.asarray(sun_w)[None] * SLOT_S, n, axis=0),
        backlog_batches=offered[:, :1],
        release_batches=offered[:, 1:],
        seconds_per_batch=np.full((n, hours), SLOT_S / most),
        joules_per_batch=np.full((n, hours), unit_j),
        bytes_per_batch=np.full(hours, UNIT_BYTES),
        offloadable=np.ones(hours, dtype=bool),
        static_w=each(power["idle_w"]),
        sleep_w=each(mode["watts"]),
        wake_j=each(mode["wake_s"] * power["idle_w"]),
        wake_s=each(mode["wake_s"]),
        tx_j_per_byte=none,
        rx_j_per_byte=each(power["extension_fraction"] * unit_j / UNIT_BYTES),
        storage_bytes=each(10.0 * most * UNIT_BYTES),
        export_efficiency=each(1.0),
        import_efficiency=each(1.0),
        battery_j=none,
        battery_capacity_j=each(site["battery_wh"] * JOULES_PER_WH),
        charge_efficiency=each(one_way),
        discharge_efficiency=each(one_way),
        self_discharge_fraction=none,
        charge_limit_w=each(site["charge_limit_w"]),
        discharge_limit_w=each(site["discharge_limit_w"]),
        stored_value_g_per_j=none,
        asleep=np.zeros(n, dtype=bool),
    )
    return World(fleet)


def day(month: int) -> datetime:
    """The 15th of a month of 2022, the year of the packaged profiles."""
    return datetime(2022, month, 15, tzinfo=UTC)
