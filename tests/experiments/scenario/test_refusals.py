"""What pydantic finds wrong with a file, in sentences: where, what was got, what is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.cluster.inventory import Inventory
from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.scenario.model import Scenario, load_scenario, parse_scenario
from experiments.scenario.patterns import ALLOWED
from tests.experiments.minimal import MINIMAL


@pytest.mark.parametrize(
    ("change", "line", "word"),
    [
        ("[limits]\noffload_cap_fraction = 1.5\n", 9, "less than or equal to 1"),
        ("[limits]\ntransfer_cap_fraction = -0.1\n", 9, "greater than or equal to 0"),
        ("[battery]\ncapacity_wh = -1\n", 9, "greater than or equal to 0"),
        ("[battery]\ncapacity_wh = nan\n", 9, "finite"),
        ("[batery]\n", 8, "unknown key"),
        ("[batery]\n", 8, "; did you mean battery?"),
        ("[stages]\ndevelopment = 2.5\n", 9, "integer"),
        ("[time]\nstart = 2022-06-21T00:00:00\n", 9, "time zone"),
        ('[time]\nstart = "2022-06-21"\n', 9, "time zone"),
        ("[time]\nslot_s = 'long'\n", 9, "'auto'; or: input should be a valid number; got 'long'"),
        ("[stages]\ndevelopment = true\n", 9, "integer; got True"),
        ("[stages]\ndevelopment = 1000000000\n", 9, "less than or equal to 100000"),
        ("[task.recycling]\nlearning_rate = '1'\n", 9, "number"),
        ("[battery]\ncapacity_wh = 1e300\n", 9, "less than or equal to 1000000"),
        ("[coordinator]\nport = 70000\n", 9, "less than or equal to 65535"),
        ("[network]\nnet_j_per_byte = 1e6\n", 9, "less than or equal to 1000"),
        ("[network]\nlink_bit_per_s = 1e-300\n", 9, "greater than or equal to 1"),
        ("[board]\ntx_j_per_byte = 1e308\n", 9, "less than or equal to 1000"),
        ("[task.recycling]\nlearning_rate = 1e300\n", 9, "less than or equal to 1000000"),
        ("[forecast]\nkind = 'gaussian'\nerror_fraction = 1e300\n", 10, "less than or equal to 100"),
        ("[tree.services.mnist-mlp]\nanswer_bits = 1e308\n", 9, "less than or equal to 1000000000000000"),
        (
            "[tree.services.mnist-mlp]\nsaturation_tokens = 1e-300\n",
            9,
            "tree.services.mnist-mlp.saturation_tokens: input should be greater than or equal to 1; got 1e-300",
        ),
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
    with pytest.raises(UsageError, match=r"nodes: is missing .* give at least one table \[\[nodes\]\]"):
        parse_scenario('name = "x"\n', "bad.toml")


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ('"FR"', '"US-NW-SLC"', 5, "US-NW-SCL"),
        ('"DE"', '"XX"', 7, "31 zones: AU-NSW"),
        ('data = "digits"', 'name = "mnist-transformer"', 3, "no task is called"),
        ('data = "digits"', 'data = "letters"', 3, "allowed: digits"),
        ('data = "digits"', 'data = "digits"\nbatch_size = 5000', 4, "allowed: 1 to 1438"),
        ('data = "digits"', 'data = "digits"\nstrategy = "best"', 4, "allowed are fedavg"),
        ('name = "small"', 'policy = "best"', 1, "no policy is called"),
        ('name = "small"', "policy_options = { speed = 3 }", 1, "its options are"),
        ("[task]", "[time]\nslot_s = 0.001\n[task]", 3, "(D7) time of n0"),
        ("[task]", "[fleet]\nmeter = 'guess'\n[task]", 3, "allowed are modelled, cpu-time"),
        ("[task]", "[fleet]\nmeter = 'replay'\n[task]", 3, "replay:PATH"),
        ("[task]", "[fleet]\nmeter = 'no.such.module:Meter'\n[task]", 3, "cannot be loaded"),
        ("[task]", "[coordinator]\nzone = 'XX'\n[task]", 3, "31 zones"),
        ("[task]", "[harvest]\nkind = 'tide'\n[task]", 2, "allowed are constant, pv"),
        ("[task]", "[harvest]\nkind = 'trace'\n[task]", 2, "needs path, got peak_w"),
        ("[task]", "[harvest]\nkind = 'trace'\npath = 'no.csv'\n[task]", 2, "there is no file no.csv"),
        ("[task]", "[intensity]\nsource = 'trace'\npath = 'no.csv'\n[task]", 2, "there is no file no.csv"),
        ("[task]", "[forecast]\nkind = 'file'\npath = 'no.csv'\n[task]", 2, "there is no file no.csv"),
        ("[task]", "[inference]\narrivals = 'trace'\npath = 'no.csv'\n[task]", 2, "there is no file no.csv"),
        ("[task]", "[board]\nprofile = 'no.toml'\n[task]", 2, "there is no file no.toml"),
        ("[task]", "[network]\ntransport = 'pigeon'\n[task]", 3, "wifi-low"),
        ("[task]", "[board]\nbusy_w = 0.5\n[task]", 2, "busy includes static"),
        ("[task]", "[intensity]\nsource = 'tea-leaves'\n[task]", 2, "allowed are profiles"),
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


def test_a_name_that_is_none_is_told_what_is_allowed() -> None:
    with pytest.raises(UsageError) as caught:
        parse_scenario('name = "my run"\n[[nodes]]\nzone = "FR"\n', "s.toml")
    text = str(caught.value)
    assert text.startswith("s.toml:1: name: allowed: one to 64 letters")
    assert "e.g." in text
    assert text.endswith("; got 'my run'")
    assert "[A-Za-z" not in text


def test_every_pattern_has_its_words() -> None:
    def patterns(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            if isinstance(schema.get("pattern"), str):
                yield schema["pattern"]
            schema = list(schema.values())
        if isinstance(schema, list):
            for each in schema:
                yield from patterns(each)

    schemas = [Scenario.model_json_schema(), Inventory.model_json_schema()]
    assert set(patterns(schemas)) == set(ALLOWED)


def test_a_scenario_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(MINIMAL, encoding="utf-8-sig")
    assert load_scenario(tmp_path / "s.toml") == parse_scenario(MINIMAL)


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "film.toml").write_bytes(b"# " + b"x" * 2_000_000)
    for name, word in [
        ("binary.toml", "save it as UTF-8"),
        ("film.toml", "at most"),
        ("none.toml", "init"),
        (".", "a folder or a device; give a scenario file"),
    ]:
        with pytest.raises(UsageError, match=word):
            load_scenario(tmp_path / name)
    with pytest.raises(UsageError, match="device"):
        load_scenario(Path("/dev/zero"))
