"""A supply that is switched off and on, with a board that is ready a while after."""

from __future__ import annotations

import pytest

from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.plugs import open_switch
from edge_node.actuators.supply import SupplyActuator
from tests.edge_node.actuators.plug_servers import serving, shelly_answer
from tests.edge_node.actuators.workers import python

ASK = """import json, sys, urllib.request
found = json.load(urllib.request.urlopen(sys.argv[1] + "/rpc/Switch.GetStatus?id=0"))
sys.exit(not found["output"])
"""


def test_it_is_awake_once_it_says_so() -> None:
    with serving(shelly_answer) as server:
        actuator = SupplyActuator(
            open_switch(f"shelly:{server.address}", 1), python(ASK, server.address), 30.0
        )
        actuator.check()
        assert server.relays == [True]
        actuator.down()
        assert server.relays == [False]
        actuator.up()
        assert server.relays == [True]
        assert server.asked[-1] == "/rpc/Switch.GetStatus?id=0"


def test_a_board_that_does_not_come_back_is_named() -> None:
    with serving(shelly_answer) as server:
        never = SupplyActuator(
            open_switch(f"shelly:{server.address}", 1), python("import sys; sys.exit(1)"), 1.0
        )
        with pytest.raises(ActuatorError, match=r"not awake within 1 s .*ready = "):
            never.up()
        absent = SupplyActuator(open_switch(f"shelly:{server.address}", 1), ("/no/such/ready",), 1.0)
        with pytest.raises(ActuatorError, match="there is no program /no/such/ready"):
            absent.check()
