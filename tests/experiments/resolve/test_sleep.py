"""How nodes sleep: what follows from meter and fleet, and what is refused or warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.config import SleepConfig
from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.resolve.sleep import check_sleep, longest_switching_s, nobody_sleeps
from experiments.scenario.model import parse_scenario
from experiments.scenario.written import text_of
from protos.messages.terms import Sleep
from tests.scenarios import TINY

SLEEPY = TINY + "[limits]\nmay_sleep = true\n"


def told(resolved: Resolved) -> list[Sleep | None]:
    configs = resolved.node_configs("r", "", with_harvest=True)
    return [None if config.sleep is None else config.sleep.kind for config in configs]


def test_nodes_of_the_model_sleep_by_it_and_say_nothing() -> None:
    found = resolve(parse_scenario(SLEEPY))
    assert told(found) == [None] * 12
    assert found.warnings == ()


def test_a_node_that_cannot_sleep_is_named() -> None:
    text = SLEEPY.replace("count = 12", 'count = 10\n[nodes.sleep]\nkind = "none"\n[[nodes]]\nzone = "FR"')
    found = resolve(parse_scenario(text))
    assert told(found) == [Sleep.NONE] * 10 + [None]
    (warning,) = found.warnings
    assert warning.startswith("limits.may_sleep = true, and of 11 nodes 10 cannot sleep: n00, n01,")
    assert "n07 and 2 more. No policy plans that they do" in warning
    assert resolve(parse_scenario(text.replace("may_sleep = true", "may_sleep = false"))).warnings == ()


def test_a_board_that_is_read_cannot_sleep(tmp_path: Path) -> None:
    (tmp_path / "power1_input").write_text("2000000\n")
    text = SLEEPY.replace("count = 12", f'count = 1\nmeter = "hwmon:{tmp_path}"')
    (warning,) = resolve(parse_scenario(text)).warnings
    assert "of 1 nodes 1 cannot sleep: n0." in warning
    by_model = text.replace("[limits]", '[nodes.sleep]\nkind = "modelled"\n[limits]')
    with pytest.raises(UsageError, match=r"nodes\.0\.sleep.*which reads the board.*sleep.kind = \"none\""):
        resolve(parse_scenario(by_model))


def test_boards_of_a_cluster_cannot_sleep_unless_the_scenario_says_how() -> None:
    boards = SLEEPY.replace('kind = "inprocess"', 'kind = "ray"\naddress = "10.0.0.10:6379"\nboards = true')
    assert told(resolve(parse_scenario(boards))) == [Sleep.NONE] * 12
    by_model = boards.replace("[limits]", '[nodes.sleep]\nkind = "modelled"\n[limits]')
    assert told(resolve(parse_scenario(by_model))) == [Sleep.MODELLED] * 12


def command(**changes: str) -> str:
    parts = {"kind": '"command"', "down": '["true"]', "up": '["true"]', **changes}
    return "[nodes.sleep]\n" + "\n".join(f"{key} = {value}" for key, value in parts.items() if value) + "\n"


def test_an_actuator_reaches_the_node_as_it_is_written() -> None:
    text = SLEEPY.replace(
        "[limits]", command(ready='["test", "-e", "{node}"]', time_limit_s="2.5") + "[limits]"
    )
    found = resolve(parse_scenario(text))
    config = found.node_configs("r", "", with_harvest=True)[3].sleep
    assert config == SleepConfig(
        kind=Sleep.COMMAND, down=("true",), up=("true",), ready=("test", "-e", "{node}"), time_limit_s=2.5
    )
    assert longest_switching_s(found.scenario) == 2.5
    assert longest_switching_s(parse_scenario(SLEEPY)) == 0.0
    assert found.warnings == ()
    again = parse_scenario(text_of(found.scenario))
    assert again.nodes == found.scenario.nodes


PLUG = {"kind": '"supply"', "down": "", "up": "", "plug": '"shelly:http://127.0.0.1:9"', "ready": '["true"]'}


@pytest.mark.parametrize(
    ("sleep", "change", "said"),
    [
        (command(down='["/no/such/doze"]'), ("", ""), "n00: down = `/no/such/doze`: there is no program"),
        (command(**PLUG), ("count = 12", "count = 1"), "n0: plug http://127.0.0.1:9 does not answer"),
        (command(**PLUG), ("", ""), "n00 and n01 hang on the same plug, shelly:http://127.0.0.1:9, relay 1"),
        (command(**{**PLUG, "plug": '"ikea:http://h"'}), ("count = 12", "count = 1"), "no plug is called"),
        (command(), ("may_sleep = true", "may_sleep = false"), "has no effect with limits.may_sleep = false"),
    ],
)
def test_an_actuator_that_cannot_work_is_refused_before_anything_runs(
    sleep: str, change: tuple[str, str], said: str
) -> None:
    text = SLEEPY.replace(*change).replace("[limits]", f"{sleep}[limits]")
    with pytest.raises(UsageError, match=r"nodes\.0\.sleep") as refused:
        resolve(parse_scenario(text))
    assert said in str(refused.value)


def test_half_an_actuator_is_refused_with_its_line() -> None:
    with pytest.raises(UsageError, match=r"nodes\.0\.sleep.*needs down and up; up is missing"):
        parse_scenario(SLEEPY.replace("[limits]", command(up="") + "[limits]"))


def test_nothing_is_tried_here_where_the_nodes_are_elsewhere() -> None:
    boards = SLEEPY.replace('kind = "inprocess"', 'kind = "ray"\naddress = "10.0.0.10:6379"\nboards = true')
    text = boards.replace("[limits]", command(down='["/only/there"]') + "[limits]")
    assert told(resolve(parse_scenario(text))) == [Sleep.COMMAND] * 12


def test_rows_have_no_board_and_daemons_run_no_programs_of_others(tmp_path: Path) -> None:
    rows = SLEEPY.replace('kind = "inprocess"', 'kind = "virtual"').replace(
        'data = "digits"', 'name = "none"'
    )
    with pytest.raises(UsageError, match=r'nodes\.0\.sleep.*kind = "virtual" have no board to switch'):
        resolve(parse_scenario(rows.replace("[limits]", command() + "[limits]")))
    daemons = SLEEPY.replace('kind = "inprocess"', f'kind = "daemons"\ncluster = "{tmp_path}/boards.toml"')
    switched = parse_scenario(daemons.replace("[limits]", command() + "[limits]"))
    boards = resolve(parse_scenario(SLEEPY)).boards
    with pytest.raises(UsageError, match=r"boards run no programs that come over the network"):
        check_sleep(switched, boards)
    assert nobody_sleeps(parse_scenario(daemons), (), ()) == ()
