"""Plugs with Tasmota, as a server of this process."""

from __future__ import annotations

import json

import pytest

from edge_node.meters.sources.source import SourceError
from edge_node.meters.sources.tasmota import PATH, Tasmota
from protos.messages.terms import MeterKind
from tests.edge_node.meters.sources.test_http import PlugServer, plug  # noqa: F401  (a fixture)


def page(total: str, power: int = 3) -> str:
    return (
        '{"StatusSNS":{"Time":"2024-06-26T16:19:59","ENERGY":{"TotalStartTime":"2022-09-03T13:02:25",'
        f'"Total":{total},"Yesterday":0.779,"Today":0.045,"Power":{power},"Factor":0.06,"Voltage":239}}}}}}'
    )


def test_the_counter_in_kilowatt_hours_with_the_digits_it_shows(plug: PlugServer) -> None:  # noqa: F811
    assert json.loads(page("1"))["StatusSNS"]
    plug.pages[PATH] = page("167.743")
    assert Tasmota(plug.address).resolution == 3_600_000_000
    plug.pages[PATH] = page("167.74300")
    source = Tasmota(plug.address)
    plug.pages[PATH] = page("167.74302")
    assert (source.kind, source.read(), source.resolution) == (MeterKind.COUNTER, 72_000_000, 36_000_000)


def test_its_power_where_that_is_asked_for(plug: PlugServer) -> None:  # noqa: F811
    plug.pages[PATH] = page("167.743", power=26)
    source = Tasmota(f"{plug.address},power")
    assert (source.kind, source.read(), source.resolution) == (MeterKind.POWER, 26_000_000, 1_000_000)
    plug.pages[PATH] = '{"StatusSNS":{"Time":"2018-05-12T19:04:19"}}'
    with pytest.raises(SourceError, match=r"StatusSNS\.ENERGY\.Power"):
        source.read()
