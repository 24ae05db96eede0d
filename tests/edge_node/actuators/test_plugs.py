"""Plugs that are switched over HTTP, against servers that answer as their makers document."""

from __future__ import annotations

from typing import Any

import pytest

from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.plugs import open_switch
from tests.edge_node.actuators.plug_servers import SwitchServer, serving, shelly_answer, tasmota_answer

ANSWERS = {"shelly": shelly_answer, "tasmota": tasmota_answer}


@pytest.mark.parametrize("name", list(ANSWERS))
@pytest.mark.parametrize(("relays", "relay"), [(1, 1), (2, 1), (2, 2)])
def test_one_relay_is_switched_and_no_other(name: str, relays: int, relay: int) -> None:
    with serving(ANSWERS[name], relays) as server:
        switch = open_switch(f"{name}:{server.address}", relay)
        assert switch.is_on()
        switch.set(False)
        assert server.relays == [place + 1 != relay for place in range(relays)]
        assert not switch.is_on()
        switch.set(True)
        assert server.relays == [True] * relays


def test_the_calls_are_those_that_are_documented() -> None:
    with serving(shelly_answer) as server:
        open_switch(f"shelly:{server.address}", 1).set(False)
        assert server.asked == ["/shelly", "/rpc/Switch.Set?id=0&on=false", "/rpc/Switch.GetStatus?id=0"]
    with serving(tasmota_answer) as server:
        open_switch(f"tasmota:{server.address}", 1).set(False)
        assert server.asked == ["/cm?cmnd=Power1%20OFF"]


@pytest.mark.parametrize("name", list(ANSWERS))
def test_a_plug_that_does_not_switch_is_found_out(name: str) -> None:
    with serving(ANSWERS[name]) as server:
        server.stuck = True
        with pytest.raises(ActuatorError, match=rf"plug {server.address} was to be off, and stayed on"):
            open_switch(f"{name}:{server.address}", 1).set(False)


def locked(server: SwitchServer, path: str, query: dict[str, str]) -> Any:
    return {"WARNING": "Need user=<username>&password=<password>"}


def test_what_cannot_be_switched_says_why() -> None:
    first = lambda server, path, query: {"type": "SHPLG-S", "mac": "X"} if path == "/shelly" else None  # noqa: E731
    for answer, name, reason in (
        (locked, "tasmota", "does not say whether relay 1 is on: .*Need user"),
        (first, "shelly", "is a Shelly of generation 1; generation 2 or later is needed"),
        (lambda *_: {"gen": 2}, "shelly", "does not say whether it is on: output is None"),
        (lambda *_: {"gen": "two"}, "shelly", "no number"),
        (lambda *_: None, "shelly", "answers 404"),
    ):
        with serving(answer) as server, pytest.raises(ActuatorError, match=reason):
            open_switch(f"{name}:{server.address}", 1).is_on()
    with serving(shelly_answer) as server, pytest.raises(ActuatorError, match="answers 404"):
        open_switch(f"shelly:{server.address}", 3).set(False)
    with serving(tasmota_answer) as server, pytest.raises(ActuatorError, match="Unknown"):
        open_switch(f"tasmota:{server.address}", 3).is_on()
    with pytest.raises(ActuatorError, match="does not answer"):
        open_switch("shelly:http://127.0.0.1:9", 1).is_on()


@pytest.mark.parametrize(
    ("plug", "reason"),
    [
        (
            "ikea:http://10.0.0.3",
            "no plug is called 'ikea'; write one of shelly:http://HOST, tasmota:http://HOST",
        ),
        ("shelly", "has no address of a plug"),
        ("tasmota:10.0.0.3", "has no address of a plug; write tasmota:http://"),
    ],
)
def test_what_is_no_plug_is_refused_before_anything_is_asked(plug: str, reason: str) -> None:
    with pytest.raises(ActuatorError, match=reason):
        open_switch(plug, 1)
