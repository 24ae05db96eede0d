"""The actuator that a configuration names, and configurations that name half of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.build import build_actuator
from edge_node.actuators.command import CommandActuator
from edge_node.actuators.supply import SupplyActuator
from edge_node.config import SleepConfig
from protos.messages.terms import Sleep
from tests.edge_node.actuators.workers import python

WRITE = "import sys; open(sys.argv[1], 'w').close()"


def test_a_node_s_name_stands_for_itself_in_arguments(tmp_path: Path) -> None:
    sleep = SleepConfig(
        kind=Sleep.COMMAND,
        down=python(WRITE, tmp_path / "{node}-down"),
        up=python(WRITE, tmp_path / "{node}-up"),
        ready=python(WRITE, tmp_path / "{node}-ready"),
    )
    for name in ("n3", "n11"):
        actuator = build_actuator(sleep, name)
        assert isinstance(actuator, CommandActuator)
        actuator.down()
        actuator.up()
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{node}-{way}" for node in ("n3", "n11") for way in ("down", "up", "ready")
    }


def test_a_plug_asks_nothing_until_it_is_used() -> None:
    sleep = SleepConfig(kind=Sleep.SUPPLY, plug="shelly:http://127.0.0.1:9", ready=("true",))
    actuator = build_actuator(sleep, "n0")
    assert isinstance(actuator, SupplyActuator)
    with pytest.raises(ActuatorError, match="does not answer"):
        actuator.check()


@pytest.mark.parametrize("kind", [Sleep.NONE, Sleep.MODELLED])
def test_nothing_is_built_where_nothing_is_switched(kind: Sleep) -> None:
    with pytest.raises(ActuatorError, match=f'sleep.kind = "?{kind}"?: nothing is switched'):
        build_actuator(SleepConfig(kind=kind), "n0")


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"kind": "command", "down": ("a",)}, 'kind = "command" needs down and up; up is missing'),
        ({"kind": "command"}, "down and up is missing"),
        ({"kind": "command", "down": ("a",), "up": ("b",), "plug": "shelly:http://h"}, "does not use plug"),
        ({"kind": "supply", "plug": "shelly:http://h"}, "needs plug and ready; ready is missing"),
        ({"kind": "supply", "plug": "x", "ready": ("a",), "down": ("b",)}, "does not use down"),
        ({"kind": "none", "up": ("b",)}, 'kind = "none" does not use up; remove it, or change kind'),
        ({"kind": "modelled", "ready": ("b",)}, 'kind = "modelled" does not use ready'),
        ({"kind": "command", "down": ("",), "up": ("b",)}, "down names no program"),
        ({"kind": "doze"}, "Input should be"),
    ],
)
def test_half_an_actuator_is_refused(written: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        SleepConfig.model_validate(written)
