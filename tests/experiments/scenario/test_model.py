"""Bad input is refused with file, line, what was got and what is allowed; good input resolves the same every time."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.runs.run import write_scenario
from experiments.scenario.model import Scenario, load_scenario, parse_scenario
from tests.experiments.minimal import MINIMAL


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


def test_a_scenario_written_in_python_is_refused_in_sentences():
    with pytest.raises(UsageError, match="nodes: is missing") as refused:
        Scenario(seed=-1)
    assert "seed: input should be greater than or equal to 0; got -1" in str(refused.value)
    with pytest.raises(UsageError, match=r"task.learning_rat: unknown key; allowed here: .*learning_rate"):
        Scenario(nodes=({"zone": "DE"},), task={"learning_rat": 0.1})
    assert Scenario(nodes=({"zone": "DE", "count": 2},)).node_count == 2


@pytest.mark.parametrize(
    ("fleet", "said"),
    [
        (
            {"kind": "inprocess", "address": "auto"},
            'address is that of a Ray cluster, and kind is "inprocess"',
        ),
        ({"boards": True}, "boards are machines of a Ray cluster; give its address"),
        ({"address": "auto", "isolation": "netns"}, "a namespace with loopback only reaches no cluster"),
    ],
)
def test_keys_of_a_cluster_that_contradict_each_other_are_refused(fleet: dict[str, object], said: str):
    with pytest.raises(UsageError, match=said):
        Scenario(nodes=({"zone": "DE"},), fleet=fleet)


@pytest.mark.parametrize("key", ["clipping_norm", "noise_multiplier"])
def test_noise_whose_epsilon_would_be_infinite_is_refused(key: str) -> None:
    with pytest.raises(
        UsageError, match=f"task.privacy.{key}.*greater than or equal to 0.000001; got 1e-300"
    ):
        parse_scenario(MINIMAL + f'[task.privacy]\nkind = "central"\n{key} = 1e-300\n')


def test_storage_fits_the_tables() -> None:
    text = "[board]\nstorage_bytes = {0}\n[[nodes]]\nzone = 'DE'\n"
    with pytest.raises(UsageError, match=r"board\.storage_bytes.*less than or equal to 1000000000000000000"):
        parse_scenario(text.format(10**18 + 1))
    assert parse_scenario(text.format(10**18)).board.storage_bytes == 10**18
