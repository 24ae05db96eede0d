"""Resolution of a scenario into the inputs of a run: nodes, coordinator, traces, slot length. Reads data, starts"""

from __future__ import annotations

import pytest

from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from tests.experiments.minimal import MINIMAL


def test_a_source_can_be_given_a_value_for_each_zone() -> None:
    text = "[intensity]\nsource = 'constant'\noptions = { intensity_g_per_kwh = { FR = 50, DE = 400 } }\n"
    zones = resolve(parse_scenario(MINIMAL + text)).zones
    assert {zone.zone: set(zone.intensity_g_per_kwh) for zone in zones} == {"FR": {50.0}, "DE": {400.0}}


def test_resolving_twice_gives_the_same_and_seeds_change_the_sky() -> None:
    scenario = parse_scenario(MINIMAL)
    one, two = resolve(scenario), resolve(scenario)
    assert one.node_configs("r", "", with_harvest=True) == two.node_configs("r", "", with_harvest=True)
    other = resolve(scenario.model_copy(update={"seed": 1}))
    assert other.harvests != one.harvests
    assert other.zones == one.zones


def test_an_imperfect_forecast_is_one_of_harvest_too() -> None:
    """The same day before, or the truth with an error; the harvest itself stays as it is."""
    perfect = resolve(parse_scenario(MINIMAL))
    assert perfect.harvests[0].forecast_w == ()
    for kind in ("persistence", "gaussian"):
        text = MINIMAL + f"[forecast]\nkind = '{kind}'\n"
        told = resolve(parse_scenario(text))
        for one, known in zip(told.harvests, perfect.harvests, strict=True):
            assert one.power_w == known.power_w
            assert len(one.forecast_w) == len(one.power_w)
            assert one.forecast_w != one.power_w
            if kind == "persistence":
                assert one.forecast_w[24:] == pytest.approx(one.power_w[:-24])
        assert resolve(parse_scenario(text)).harvests == told.harvests


def test_batteries_keep_their_hours_of_the_replayed_day() -> None:
    resolved = resolve(parse_scenario(MINIMAL + "[battery]\ncapacity_wh = 12\n"))
    battery = resolved.batteries[0]
    assert battery is not None
    assert battery.capacity_j == pytest.approx(12 * 3600 * resolved.slot_s / 3600)


def test_grid_takes_harvest_and_battery_away() -> None:
    resolved = resolve(parse_scenario(MINIMAL.replace('name = "small"', 'policy = "grid"')))
    assert not resolved.with_harvest
    configs = resolved.node_configs("r", "", with_harvest=resolved.with_harvest)
    assert all(config.battery is None and not any(config.harvest.power_w) for config in configs)
