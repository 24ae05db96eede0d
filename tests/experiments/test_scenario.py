"""Bad input is refused with file, line, what was got and what is allowed; good input resolves the same every time."""

from __future__ import annotations

import pytest

from experiments.errors import UsageError
from experiments.prepare import open_scenario, packaged_scenario_text, packaged_scenarios
from experiments.resolve import resolve
from experiments.scenario import parse_scenario
from experiments.toml_lines import find_line, line_index

MINIMAL = """name = "small"
[task]
data = "digits"
[[nodes]]
zone = "FR"
[[nodes]]
zone = "DE"
"""


@pytest.mark.parametrize(
    ("change", "line", "word"),
    [
        ("[limits]\noffload_cap_fraction = 1.5\n", 9, "less than or equal to 1"),
        ("[limits]\ntransfer_cap_fraction = -0.1\n", 9, "greater than or equal to 0"),
        ("[battery]\ncapacity_wh = -1\n", 9, "greater than or equal to 0"),
        ("[battery]\ncapacity_wh = nan\n", 9, "finite"),
        ("[batery]\n", 8, "unknown key"),
        ("[stages]\ndevelopment = 2.5\n", 9, "integer"),
        ("[time]\nstart = 2022-06-21T00:00:00\n", 8, "time zone"),
        ("[fleet]\nkind = 'cloud'\n", 9, "'ray'"),
    ],
)
def test_a_bad_value_is_named_with_its_line(change: str, line: int, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_scenario(MINIMAL + change, "bad.toml")
    assert f"bad.toml:{line}:" in str(caught.value)
    assert word in str(caught.value)


def test_an_unknown_key_lists_the_allowed_ones_of_its_own_table() -> None:
    with pytest.raises(UsageError) as caught:
        parse_scenario(MINIMAL + "[nodes.battery]\ncapacity = 3\n", "bad.toml")
    message = str(caught.value)
    assert "nodes.1.battery.capacity" in message
    assert "capacity_wh" in message
    assert "bad.toml:9" in message


def test_broken_toml_and_an_empty_fleet_are_refused() -> None:
    with pytest.raises(UsageError, match="not valid TOML"):
        parse_scenario("name = ", "bad.toml")
    with pytest.raises(UsageError, match="nodes"):
        parse_scenario('name = "x"\n', "bad.toml")


def test_zones_without_data_unknown_tasks_and_too_short_slots_are_refused_before_anything_starts() -> None:
    from carbon_data.types import UnknownZoneError

    with pytest.raises(UnknownZoneError, match="US-NW-SCL"):
        resolve(parse_scenario(MINIMAL.replace('"FR"', '"US-NW-SLC"')))
    with pytest.raises(UsageError, match="known tasks"):
        resolve(parse_scenario(MINIMAL.replace('data = "digits"', 'name = "mnist-transformer"')))
    with pytest.raises(UsageError, match=r"lengthen time\.slot_s"):
        resolve(parse_scenario(MINIMAL + "[time]\nslot_s = 0.001\n"))
    with pytest.raises(UsageError, match="meter"):
        resolve(parse_scenario(MINIMAL + "[fleet]\nmeter = 'guess'\n"))
    with pytest.raises(UsageError, match="no policy is called"):
        resolve(parse_scenario(MINIMAL.replace('name = "small"', 'policy = "best"')))


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


@pytest.mark.parametrize("name", sorted(packaged_scenarios()))
def test_packaged_scenarios_are_valid_and_state_their_claim(name: str) -> None:
    assert open_scenario(name).name == name
    head = packaged_scenario_text(name).splitlines()[:3]
    assert [line.split(":")[0] for line in head] == ["# Claim", "# Cost", "# Command"]


def test_lines_are_found_in_nested_arrays_of_tables() -> None:
    index = line_index("a = 1\n[[nodes]]\nzone = 'x'\n[[nodes]]\n[nodes.battery]\ncapacity_wh = 1\n")
    assert find_line(index, ("nodes", 1, "battery", "capacity_wh")) == 6
    assert find_line(index, ("nodes", 0, "zone", "deeper")) == 3
    assert find_line(index, ("absent",)) is None
