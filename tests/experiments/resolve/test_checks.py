"""Checks of a scenario against this machine and its sources, before a run starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from tests.scenarios import TINY


@pytest.mark.parametrize(
    ("meter", "said"),
    [
        ("hwmon:/no/such/sensor", "/no/such/sensor is no energyN_input"),
        ("rapl:/no/such/counter", "/no/such/counter/energy_uj cannot be read"),
        ("record:log.jsonl=rapl:/no/such/counter", "/no/such/counter"),
        ("record:/no/such/folder/log.jsonl=modelled", "no folder /no/such/folder"),
        ("replay:/no/such/log.jsonl", "/no/such/log.jsonl"),
        ("replay", "replay:PATH"),
        ("record:modelled", "record:PATH=METER"),
        ("nothing", "no meter is called"),
        ("modelled:/sys/class/hwmon", "modelled takes no argument"),
        ("nowhere.meters:Mine", "cannot be loaded"),
    ],
)
def test_a_meter_that_cannot_run_here_is_refused_with_its_line(meter: str, said: str) -> None:
    text = TINY.replace("[fleet]", f'[fleet]\nmeter = "{meter}"')
    with pytest.raises(UsageError, match=r"scenario:4: fleet\.meter") as refused:
        resolve(parse_scenario(text))
    assert said in str(refused.value)


def test_a_sensor_that_is_there_is_accepted_and_let_go(tmp_path: Path) -> None:
    (tmp_path / "power1_input").write_text("2000000\n")
    resolve(parse_scenario(TINY.replace("[fleet]", f'[fleet]\nmeter = "hwmon:{tmp_path}"')))


def test_a_cluster_of_the_environment_is_used_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.10:6379")
    text = TINY.replace('kind = "inprocess"', 'kind = "ray"')
    with pytest.raises(
        UsageError, match=r'RAY_ADDRESS is 10.0.0.10:6379.*give fleet.address = "auto".*or unset'
    ):
        resolve(parse_scenario(text))
    resolve(parse_scenario(text.replace("[fleet]", '[fleet]\naddress = "auto"')))


VIRTUAL = """[task]
data = "digits"
[stages]
preparation = 0
development = 2
application = 0
recycling = 0
[fleet]
kind = "virtual"
[[nodes]]
zone = "DE"
count = 12
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "preparation = 0",
            "preparation = 1",
            r"stages\.preparation.*learn, in slots of development.*preparation = 0",
        ),
        ("application = 0", "application = 3", r"stages\.application.*there are 3 slots of application"),
        ("recycling = 0", "recycling = 1", r"stages\.recycling.*recycling = 0, or take kind = \"inprocess\""),
        ("[task]", 'policy = "auction"\n[task]', r"policy auction negotiates with every node"),
        (
            '"virtual"',
            '"virtual"\nprocesses = "per-node"',
            r"have no process each: give processes = \"auto\"",
        ),
        ('"virtual"', '"virtual"\nmeter = "cpu-time"', r"no hardware that meter cpu-time could read"),
    ],
)
def test_what_rows_cannot_do_is_refused_before_anything_starts(old: str, new: str, said: str) -> None:
    resolve(parse_scenario(VIRTUAL))
    with pytest.raises(UsageError, match=said):
        resolve(parse_scenario(VIRTUAL.replace(old, new)))


@pytest.mark.parametrize("key", ["processes = 2", 'address = "10.0.0.1:6379"'])
def test_processes_that_would_train_nothing_are_refused(key: str) -> None:
    text = VIRTUAL.replace('data = "digits"', 'name = "none"').replace("[[nodes]]", f"{key}\n[[nodes]]")
    with pytest.raises(UsageError, match=r"train, and task.name = \"none\" trains nothing: remove"):
        resolve(parse_scenario(text))


def test_a_node_may_have_its_own_meter(tmp_path: Path) -> None:
    more = '[[nodes]]\nzone = "FR"\nmeter = "{}"\n'
    own = f"record:{tmp_path}/log.jsonl=modelled"
    resolved = resolve(parse_scenario(TINY + more.format(own)))
    assert resolved.meters == ("modelled",) * 12 + (own,)
    assert [each.meter for each in resolved.node_configs("r", "", with_harvest=True)] == list(resolved.meters)
    with pytest.raises(UsageError, match=r"nodes.*meter: no meter is called"):
        resolve(parse_scenario(TINY + more.format("nothing")))
    stages = "[stages]\npreparation = 0\napplication = 0\nrecycling = 0\n"
    with pytest.raises(UsageError, match="no hardware that meter record"):
        resolve(parse_scenario((TINY + more.format(own)).replace("inprocess", "virtual") + stages))
