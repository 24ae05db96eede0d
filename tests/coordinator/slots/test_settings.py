"""Checks of a configuration beyond its schema, and the part of it that the ledger keeps. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carbon_data.types import DataError
from coordinator.config import ZoneIntensity
from coordinator.slots.settings import check_config, require_same_config, told_config
from protos.messages.terms import Overrun
from tests.coordinator.slots.issues import issue


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"issues": (issue(1, 1, 1, 1),)}, "must ascend from 0"),
        ({"issues": (issue(0, 1, 1, 1, 1), issue(0, 1, 1, 1, 1))}, "must ascend"),
        ({"issues": (issue(0, 1, 1),)}, "has 2 values after slot 0, decisions that rest on it look at 3"),
        (
            {
                "issues": (
                    issue(0, 1, 1, 1),
                    issue(2),
                )
            },
            "has 0 values after slot 2, .* look at 1",
        ),
        ({"issues": (issue(0, 1, -1, 1),)}, "negative"),
        ({"issues": (issue(0, 1, 1, 1),), "forecast_g_per_kwh": (1.0,) * 30}, "one or the other"),
    ],
)
def test_issues_that_leave_a_decision_in_the_dark_are_refused(
    tmp_path: Path, kit: Any, changes: dict[str, Any], said: str
) -> None:
    config = kit.make_config(tmp_path)
    first, *others = config.zones
    bad = config.model_copy(update={"zones": (first.model_copy(update=changes), *others)})
    with pytest.raises(DataError, match=said):
        check_config(bad)


def test_what_the_last_slots_do_not_look_at_need_not_be_there(tmp_path: Path, kit: Any) -> None:
    config = kit.make_config(tmp_path)
    zones = tuple(one.model_copy(update={"issues": (issue(0, 1, 1, 1), issue(3))}) for one in config.zones)
    check_config(config.model_copy(update={"zones": zones}))
    with pytest.raises(DataError, match="foresight"):
        check_config(config.model_copy(update={"zones": zones, "foresight": True}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"body": {"zone": "Z7"}}, r"the coordinator's zone Z7 has no intensities; given are \['Z0', 'Z1'\]"),
        ({"node_ids": ("n00", "network")}, "node ids must differ and not be one of"),
        ({"node_ids": ("n00", "n00")}, "node ids must differ"),
        ({"zones": {"zone": "Z0"}}, r"zones are named twice in \['Z0', 'Z0'\]"),
        ({"zones": {"intensity_g_per_kwh": (1.0,) * 3}}, "zone Z1 has 3 intensities and needs 4"),
        ({"zones": {"forecast_g_per_kwh": (1.0,) * 3}}, "zone Z1 has 3 intensities and needs 4"),
        ({"zones": {"intensity_g_per_kwh": (1.0, -0.5, 1.0, 1.0)}}, "zone Z1 has a negative intensity"),
        ({"zones": {"forecast_g_per_kwh": (1.0, -0.5, 1.0, 1.0)}}, "zone Z1 has a negative intensity"),
        (
            {"zones": {"forecast_g_per_kwh": (1.0,) * 4}, "foresight": True},
            "zone Z1 has a forecast in a run with foresight",
        ),
    ],
)
def test_a_configuration_that_cannot_run_is_refused(
    tmp_path: Path, kit: Any, changes: dict[str, Any], said: str
) -> None:
    """``zones``: of Z1; ``body``: of the coordinator."""
    config = kit.make_config(tmp_path)
    values = dict(changes)
    if "zones" in values:
        values["zones"] = (config.zones[0], config.zones[1].model_copy(update=values["zones"]))
    if "body" in values:
        values["body"] = config.body.model_copy(update=values["body"])
    with pytest.raises(DataError, match=said):
        check_config(config.model_copy(update=values))


def test_the_least_that_a_configuration_needs(tmp_path: Path, kit: Any) -> None:
    config = kit.make_config(tmp_path, nodes=1)
    exact = tuple(
        ZoneIntensity(
            zone=name,
            intensity_g_per_kwh=(0.0,) * 4,
            forecast_g_per_kwh=(0.0,) * 4,
            origin={"source": "test"},
        )
        for name in ("Z0", "Z1")
    )
    check_config(config.model_copy(update={"zones": exact}))


def test_the_ledger_keeps_all_but_paths_and_addresses(tmp_path: Path, kit: Any) -> None:
    config = kit.make_config(tmp_path)
    told, dumped = told_config(config), config.model_dump(mode="json")
    left_out = {"ledger_path", "host", "port", "access", "overrun", "live", "measured_batteries", "turns"}
    assert dumped.keys() - told.keys() == left_out
    wall = told_config(config.model_copy(update={"overrun": Overrun.CUT}))
    assert wall == {**told, "overrun": "cut"}  # ledgers of the virtual clock stay as they were
    assert [zone.pop("readings") for zone in dumped["zones"]] == [[], []], "left out where nothing was live"
    assert told == {name: dumped[name] for name in told}
    require_same_config(told, dict(told))
    other = {**told, "run_id": "another", "seed": told["seed"] + 1}
    with pytest.raises(DataError) as caught:
        require_same_config(told, other)
    names = ", ".join(name for name in told if name in ("run_id", "seed"))
    assert str(caught.value) == (
        f"the ledger was begun with another configuration: {names} differ; continue with the configuration of "
        "that run, or choose another run folder"
    )
    with pytest.raises(DataError, match="configuration: seed differ"):
        require_same_config({name: value for name, value in told.items() if name != "seed"}, told)


def test_series_that_are_no_issues_are_refused_together_with_issues(tmp_path: Path, kit: Any) -> None:
    config = kit.make_config(tmp_path)
    issues = (issue(0, 1, 1, 1),)
    bad = config.zones[0].model_copy(update={"issues": issues, "forecast_g_per_kwh": (1.0,) * 30})
    with pytest.raises(DataError, match="zone Z0 has issued forecasts and a series of expectations"):
        check_config(config.model_copy(update={"zones": (bad, config.zones[1])}))


def test_live_zones_have_no_series_and_leave_no_zone_without_one(tmp_path: Path, kit: Any) -> None:
    config = kit.live_config(tmp_path, "https://example.org")
    check_config(config)
    told = told_config(config)
    assert [signal["zone"] for signal in told["live"]["signals"]] == ["Z0", "Z1", "Z0"]
    plain = kit.make_config(tmp_path)
    with pytest.raises(DataError, match="zone Z0 is live and has a series as well"):
        check_config(config.model_copy(update={"zones": plain.zones}))
    with pytest.raises(DataError, match="needs the future, and zone Z0 is live"):
        check_config(config.model_copy(update={"foresight": True}))
    few = config.live.model_copy(update={"signals": config.live.signals[:1]})
    with pytest.raises(DataError, match="zone Z1 has 0 intensities"):
        check_config(config.model_copy(update={"live": few}))
    stranger = config.live.signals[0].model_copy(update={"zone": "Z9"})
    strange = config.live.model_copy(update={"signals": (*config.live.signals, stranger)})
    with pytest.raises(DataError, match=r"live signals are given for \['Z9'\]"):
        check_config(config.model_copy(update={"live": strange}))
