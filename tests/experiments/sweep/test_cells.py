"""Cells: a value in place is a change of the file; what is refused names the cell."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.errors import UsageError
from experiments.scenario.model import Scenario, parse_scenario
from experiments.sweep.axes import parse_axes
from experiments.sweep.cells import Base, cell_scenario, seeds_of
from tests.experiments.sweep.energy import ENERGY


def made(*sets: str, text: str = ENERGY, policy: str = "local") -> Scenario:
    axes = parse_axes(sets, random=False)
    return cell_scenario(Base.of(parse_scenario(text)), axes, [axis.values[0] for axis in axes], policy)


def test_a_value_is_a_change_of_the_file() -> None:
    changed = ENERGY.replace("capacity_wh = 2", "capacity_wh = 3")
    assert made("battery.capacity_wh=3") == made(text=changed)
    # The second node has no battery of its own: it takes the scenario's.
    assert [node.battery is None for node in made("battery.capacity_wh=3").nodes] == [False, True]


def test_a_key_of_all_nodes_and_of_one() -> None:
    assert [node.count for node in made("nodes.count=4").nodes] == [4, 4]
    assert [node.zone for node in made("nodes.1.zone=FR").nodes] == ["DE", "FR"]


def test_options_belong_to_the_policy_they_were_written_for() -> None:
    text = ENERGY.replace('policy = "local"', 'policy = "belief"')
    assert made("policy_options.rounds=3", text=text, policy="belief").policy_options == {"rounds": 3}
    assert made("policy_options.rounds=3", text=text, policy="local").policy_options == {}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("network.transprt=x", "--set network.transprt=x: .*unknown key; allowed here: .*transport"),
        ("limits.offload_cap_fraction=2", "less than or equal to 1; got 2"),
        ("nodes.7.zone=DE", "there are 2 of it, counted from 0 to 1"),
        ("policy.x=1", "no table, but local"),
        ("fleet.kind=ray", "--fleet inprocess"),
        ("fleet.meter=rapl", "reads what all processes"),
        ('time.clock="wall"', "wall"),
    ],
)
def test_refusals_name_the_cell(key: str, said: str) -> None:
    text = ENERGY.replace('kind = "virtual"', 'kind = "inprocess"') if "clock" in key else ENERGY
    with pytest.raises(UsageError, match=said):
        made(key, text=text)


def test_a_scenario_that_names_no_fleet_runs_in_one_process() -> None:
    learning: Any = '[task]\ndata = "digits"\n[[nodes]]\nzone = "DE"\ncount = 500\n'
    assert made(text=learning).fleet.kind == "inprocess"
    virtual = made(text=learning.replace("[[", '[fleet]\nkind = "virtual"\n[[', 1))
    assert virtual.fleet.processes == 1


def test_seeds_are_counted_from_the_scenarios() -> None:
    scenario = parse_scenario("seed = 5\n" + ENERGY)
    assert seeds_of(scenario, 3) == (5, 6, 7)
    with pytest.raises(UsageError, match="1 or more"):
        seeds_of(scenario, 0)
