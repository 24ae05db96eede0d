"""Bad input is refused with file, line, what was got and what is allowed; good input resolves the same every time."""

from __future__ import annotations

import contextlib
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from experiments.errors import UsageError
from experiments.resolve.chosen_policy import policy_settings
from experiments.resolve.prepare import open_scenario
from experiments.resolve.resolve import resolve
from experiments.runs.run import write_scenario
from experiments.scenario import reference
from experiments.scenario.model import Scenario, load_scenario, parse_scenario
from experiments.scenario.packaged import packaged_scenario_text, packaged_scenarios
from experiments.scenario.toml_lines import find_line, line_index

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
        ("[time]\nstart = 2022-06-21T00:00:00\n", 9, "time zone"),
        ('[time]\nstart = "2022-06-21"\n', 9, "time zone"),
        ("[time]\nslot_s = 'long'\n", 9, "'auto'; or: Input should be a valid number; got 'long'"),
        ("[stages]\ndevelopment = true\n", 9, "integer; got True"),
        ("[stages]\ndevelopment = 1000000000\n", 9, "less than or equal to 100000"),
        ("[task.recycling]\nlearning_rate = '1'\n", 9, "number"),
        ("[battery]\ncapacity_wh = 1e300\n", 9, "less than or equal to 1000000"),
        ("[coordinator]\nheartbeat_s = 10\n", 8, "is not longer than"),
        ("latitude_deg = 50\n", 6, "longitude_deg"),
        ("[stages]\npreparation = 0\ndevelopment = 0\napplication = 0\nrecycling = 0\n", 8, "0 slots"),
        ("count = 1000000\n", 8, "100000"),
        ("harvest = 3\n", 8, "should be a table; keys allowed in it: azimuth_deg"),
        ("[fleet]\nkind = 'cloud'\n", 9, "'ray'"),
        ("[[tree.services]]\ntask = 'tiny-gpt'\n", 8, "services are declared in [[inference.services]]"),
        ("[tree]\nservices = 'x'\n", 9, "[tree.services.NAME]; keys allowed in one: alpha_bits_per_token"),
        (
            "[inference]\nservices = 'x'\n",
            9,
            "[[inference.services]] for each; keys allowed in one: answer_tokens",
        ),
        (
            "[inference.services]\nload_fraction = 0.1\n",
            8,
            "should be a list of tables, [[inference.services]]",
        ),
        ("[[services]]\ntask = 'tiny-gpt'\n", 8, "services is a key of [inference] and [tree]"),
        ("batch_size = 8\n", 8, "batch_size is a key of [task]"),
        ("[coordinator]\ncount = 8\n", 9, "count is a key of [[nodes]]"),
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


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ('"FR"', '"US-NW-SLC"', 5, "US-NW-SCL"),
        ('"DE"', '"XX"', 7, "31 zones: AU-NSW"),
        ('data = "digits"', 'name = "mnist-transformer"', 3, "known tasks"),
        ('data = "digits"', 'data = "letters"', 3, "allowed: digits"),
        ('data = "digits"', 'data = "digits"\nbatch_size = 5000', 4, "allowed: 1 to 1438"),
        ('data = "digits"', 'data = "digits"\nstrategy = "best"', 4, "allowed: fedavg"),
        ('name = "small"', 'policy = "best"', 1, "no policy is called"),
        ('name = "small"', "policy_options = { speed = 3 }", 1, "its options are"),
        ("[task]", "[time]\nslot_s = 0.001\n[task]", 3, "(D7) time of n0"),
        ("[task]", "[fleet]\nmeter = 'guess'\n[task]", 3, "allowed are modelled, cpu-time"),
        ("[task]", "[fleet]\nmeter = 'replay'\n[task]", 3, "replay:PATH"),
        ("[task]", "[fleet]\nmeter = 'no.such.module:Meter'\n[task]", 3, "cannot be loaded"),
        ("[task]", "[coordinator]\nzone = 'XX'\n[task]", 3, "31 zones"),
        ("[task]", "[harvest]\nkind = 'tide'\n[task]", 2, "there are constant, pv"),
        ("[task]", "[harvest]\nkind = 'trace'\n[task]", 2, "needs path, got peak_w"),
        ("[task]", "[harvest]\nkind = 'trace'\npath = 'no.csv'\n[task]", 2, "there is no file no.csv"),
        ("[task]", "[intensity]\nsource = 'trace'\npath = 'no.csv'\n[task]", 2, "there is no file no.csv"),
        ("[task]", "[forecast]\nkind = 'file'\npath = 'no.csv'\n[task]", 2, "there is no file no.csv"),
        ("[task]", "[inference]\narrivals = 'trace'\npath = 'no.csv'\n[task]", 2, "there is no file no.csv"),
        ("[task]", "[board]\nprofile = 'no.toml'\n[task]", 2, "there is no file no.toml"),
        ("[task]", "[network]\ntransport = 'pigeon'\n[task]", 3, "wifi-low"),
        ("[task]", "[board]\nbusy_w = 0.5\n[task]", 2, "busy includes static"),
        ("[task]", "[intensity]\nsource = 'tea-leaves'\n[task]", 2, "there are profiles"),
        ("[task]", "[task.recycling]\ndata = 'letters'\n[task]", 3, "allowed: digits"),
        ("[task]", "[accounting.marginal]\nsource = 'profiles'\n[task]", 2, "a marginal one"),
        ("[task]", "[inference]\narrivals = 'poisson'\nrequests_per_s = 1e8\n[task]", 2, "requests would"),
        (
            "[task]",
            "[accounting]\nmarket_source = 'x'\nmarket_g_per_kwh = { XX = 1 }\n[task]",
            4,
            "zones of this scenario: FR, DE",
        ),
    ],
)
def test_what_data_and_registries_cannot_provide_is_refused_with_its_line_before_anything_starts(
    old: str, new: str, line: int, word: str
) -> None:
    scenario = parse_scenario(MINIMAL.replace(old, new), "bad.toml")
    with pytest.raises(UsageError) as caught:
        resolve(scenario)
    assert str(caught.value).startswith(f"bad.toml:{line}: ")
    assert word in str(caught.value)


def test_a_source_can_be_given_a_value_for_each_zone() -> None:
    text = "[intensity]\nsource = 'constant'\noptions = { intensity_g_per_kwh = { FR = 50, DE = 400 } }\n"
    zones = resolve(parse_scenario(MINIMAL + text)).zones
    assert {zone.zone: set(zone.intensity_g_per_kwh) for zone in zones} == {"FR": {50.0}, "DE": {400.0}}


WORDS = st.one_of(
    st.sampled_from(
        ["FR", "auto", "pass", "none", "pv", "trace", "digits", "local", "os:path", ":", "../x", "\x00"]
    ),
    st.text(max_size=8),
)
VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.sampled_from([0, 1, -1, 10**6, 10**30, 1e-300, 1e300, math.nan, math.inf]),
        st.floats(),
        st.datetimes(),
        WORDS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(WORDS, inner, max_size=2)),
    max_leaves=4,
)


def _paths(model: type[BaseModel]) -> list[tuple[str, ...]]:
    """Every key of the scenario's tables."""
    found: list[tuple[str, ...]] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += [(name, *path) for path in _paths(inner)]
        found.append((name,))
    return found


@given(st.lists(st.tuples(st.sampled_from(_paths(Scenario)), VALUES), min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_any_scenario_is_valid_or_refused_with_its_file(
    changes: list[tuple[tuple[str, ...], Any]],
) -> None:
    values: dict[str, Any] = tomllib.loads(MINIMAL)
    for path, value in changes:
        table = values
        for key in path[:-1]:
            inner = table.get(key)
            table[key] = table = inner if isinstance(inner, dict) else {}
        table[path[-1]] = value
    try:
        text = tomli_w.dumps(values)
    except (TypeError, ValueError, UnicodeError):
        assume(False)
    try:
        scenario = parse_scenario(text, "fuzz.toml")
    except UsageError as refused:
        message = str(refused)
    else:
        message = "" if scenario.node_count >= 1 else "no node at all"
    assert not message or message.startswith("fuzz.toml")


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_scenario_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        parse_scenario(text, "fuzz.toml")


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "film.toml").write_bytes(b"# " + b"x" * 2_000_000)
    for name, word in [
        ("binary.toml", "UTF-8"),
        ("film.toml", "at most"),
        ("none.toml", "init"),
        (".", "folder"),
    ]:
        with pytest.raises(UsageError, match=word):
            load_scenario(tmp_path / name)
    with pytest.raises(UsageError, match="device"):
        load_scenario(Path("/dev/zero"))


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


def test_a_node_table_takes_over_what_it_leaves_out():
    text = MINIMAL.replace("[[nodes]]", "[battery]\ncapacity_wh = 7\ncharge_limit_w = 3\n[[nodes]]", 1)
    scenario = parse_scenario(text + "[nodes.battery]\ncapacity_wh = 20\n")
    battery = scenario.nodes[-1].battery
    assert battery is not None
    assert (battery.capacity_wh, battery.charge_limit_w) == (20, 3)


def test_a_node_with_another_kind_of_harvest_takes_nothing_over():
    text = MINIMAL.replace("[[nodes]]", '[harvest]\nkind = "pv"\ntilt_deg = 12\npeak_w = 4\n[[nodes]]', 1)
    harvest = parse_scenario(text + '[nodes.harvest]\nkind = "constant"\n').nodes[-1].harvest
    assert harvest is not None
    assert (harvest.tilt_deg, harvest.peak_w) == (None, 10.0)


def test_a_written_scenario_reads_back_the_same(tmp_path: Path):
    text = MINIMAL.replace("[[nodes]]", "[battery]\ncapacity_wh = 7\n[[nodes]]", 1)
    scenario = parse_scenario(text + "[nodes.battery]\ncharge_limit_w = 2\n")
    write_scenario(resolve(scenario), tmp_path / "scenario.toml")
    assert load_scenario(tmp_path / "scenario.toml").nodes == scenario.nodes


def test_relative_paths_count_from_the_scenario_file(tmp_path: Path):
    text = MINIMAL.replace("[[nodes]]", '[intensity]\nsource = "trace"\npath = "mine.csv"\n[[nodes]]', 1)
    (tmp_path / "s.toml").write_text(text)
    assert load_scenario(tmp_path / "s.toml").intensity.path == tmp_path / "mine.csv"


def test_the_reference_page_is_fresh_and_leaves_no_key_unexplained():
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page()
    assert not [line for line in reference.page().splitlines() if line.endswith("|  |")]


def test_a_policy_that_learns_by_the_hour_is_told_the_slots_of_a_day() -> None:
    text = MINIMAL + "[time]\ntrace_step_s = 1800.0\n[policy_options]\n"
    scenario = parse_scenario(text.replace("[task]", 'policy = "belief"\n[task]', 1))
    assert policy_settings(scenario)["slots_per_day"] == 48
    own = parse_scenario((text + "slots_per_day = 7\n").replace("[task]", 'policy = "belief"\n[task]', 1))
    assert policy_settings(own)["slots_per_day"] == 7
    assert "slots_per_day" not in policy_settings(parse_scenario(MINIMAL))
