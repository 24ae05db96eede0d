"""Shelly plugs, as a server of this process."""

from __future__ import annotations

import pytest

from edge_node.meters.sources.shelly import Shelly
from edge_node.meters.sources.source import Restarted, SourceError
from protos.messages.terms import MeterKind
from tests.edge_node.meters.sources.test_http import PlugServer, plug  # noqa: F401  (a fixture)

SECOND = "/rpc/Switch.GetStatus?id=0"


def test_the_counter_of_the_second_generation_in_watt_hours(plug: PlugServer) -> None:  # noqa: F811
    """0.005 Wh are 18 J; a step of 0.001 Wh is 3.6 J."""
    plug.pages["/shelly"] = '{"name": null, "gen": 2, "app": "PlusPlugS"}'
    plug.pages[SECOND] = '{"id": 0, "output": true, "apower": 4.1, "aenergy": {"total": 18.015}}'
    source = Shelly(plug.address)
    assert (source.kind, source.read(), source.resolution) == (MeterKind.COUNTER, 0, 3_600_000)
    plug.pages[SECOND] = '{"id": 0, "output": true, "apower": 4.2, "aenergy": {"total": 18.020}}'
    assert source.read() == 18_000_000
    plug.pages[SECOND] = '{"id": 0, "output": true, "apower": 4.2, "aenergy": {"total": 0.002}}'
    with pytest.raises(Restarted):
        source.read()
    plug.pages[SECOND] = '{"id": 0, "output": true, "errors": ["power_meter"]}'
    with pytest.raises(SourceError, match=r"has no aenergy\.total"):
        source.read()


def test_the_first_generation_counts_watt_minutes(plug: PlugServer) -> None:  # noqa: F811
    plug.pages["/shelly"] = '{"type": "SHPLG-S", "mac": "X"}'
    plug.pages["/status"] = '{"meters": [{"power": 4.37, "is_valid": true, "total": 1200}]}'
    source = Shelly(plug.address)
    plug.pages["/status"] = '{"meters": [{"power": 4.37, "is_valid": true, "total": 1203}]}'
    assert (source.kind, source.read(), source.resolution) == (MeterKind.COUNTER, 180_000_000, 60_000_000)


def test_its_power_where_that_is_asked_for(plug: PlugServer) -> None:  # noqa: F811
    plug.pages["/shelly"] = '{"gen": 3}'
    plug.pages[SECOND] = '{"apower": 4.1, "aenergy": {"total": 18.015}}'
    source = Shelly(f"{plug.address},power")
    assert (source.kind, source.read(), source.resolution) == (MeterKind.POWER, 4_100_000, 100_000)
