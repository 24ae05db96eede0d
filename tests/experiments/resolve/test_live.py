"""Live intensity in a scenario: what would be polled, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.errors import UsageError
from experiments.resolve.prepare import describe
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.runs.signals import recorded_values, refuse_live_comparison
from experiments.scenario.model import parse_scenario

UK = """[forecast]
kind = "live"
[intensity]
source = "live"
[intensity.live]
service = "uk-carbon-intensity"
"""
NODES = """[stages]
preparation = 0
development = 2
application = 0
recycling = 0
[task]
name = "none"
[demand]
kind = "busy"
busy_fraction = 0.5
[[nodes]]
zone = "GB"
"""
TWO = NODES + '[[nodes]]\nzone = "US-CAL-CISO"\n'


def resolved(text: str) -> Resolved:
    return resolve(parse_scenario(text + '[fleet]\nkind = "inprocess"\n'))


def test_check_says_what_would_be_polled_with_which_keys() -> None:
    made = resolved(
        '[forecast]\nkind = "live"\n[intensity]\nsource = "live"\n[intensity.live]\nservice = "electricity-maps"\n'
        'poll_s = 60\n[intensity.live.zones]\nUS-CAL-CISO = { service = "eia" }\n' + TWO
    )
    told = describe(made)
    assert "every 60 s; keys: ELECTRICITYMAPS_TOKEN" in told["polled: GB from electricity-maps"]
    assert "respondent CISO" in told["polled: US-CAL-CISO from eia"]
    assert made.live is not None
    assert made.live.zones == ("GB", "US-CAL-CISO")
    assert [zone.intensity_g_per_kwh for zone in made.zones] == [(), ()]
    assert made.origins["intensity US-CAL-CISO"]["licence"] == "public domain (US government)"
    assert [signal["service"] for signal in made.summary()["live"]] == ["electricity-maps", "eia"]


def test_without_live_intensity_nothing_is_polled() -> None:
    made = resolved(NODES)
    assert made.live is None
    assert made.summary()["live"] == []
    assert not [key for key in describe(made) if key.startswith("polled")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            UK.replace('"live"\n[int', '"perfect"\n[int', 1) + NODES,
            'future of a live intensity is not known; write .*"live"',
        ),
        ('policy = "oracle"\n' + UK + NODES, "policy oracle needs the future"),
        (UK + TWO, "zone 'US-CAL-CISO' is not in the UK Carbon Intensity API"),
        (UK + 'zones = { FR = { service = "eia" } }\n' + NODES, "no node is in FR"),
        (
            UK + 'zones = { US-CAL-CISO = { service = "eia" } }\n' + TWO,
            "intensities of one run have one scope",
        ),
        (
            UK.replace("uk-carbon-intensity", "electricity-maps")
            + 'zones = { US-CAL-CISO = { service = "watttime" } }\n'
            + TWO,
            "intensities of one run have one signal",
        ),
        (
            UK
            + '[accounting.marginal]\nsource = "live"\nlive = { service = "uk-carbon-intensity" }\n'
            + NODES,
            "gives average intensity; accounting.marginal needs a marginal one",
        ),
        (UK + "stale_after_s = 10\nrefuse_after_s = 5\n" + NODES, "a value is stale before it is refused"),
        (UK + "wait_s = 61\n" + NODES, "60"),
        (UK + 'token = "secret-key"\n' + NODES, "token"),
        (UK.replace('service = "uk-carbon-intensity"\n', "poll_s = 1\n") + NODES, "needs a service"),
        (UK.replace('"live"\n[intensity.live]', '"profiles"\n[intensity.live]') + NODES, "belong together"),
        ('[intensity]\nsource = "live"\n' + NODES, "belong together"),
        (
            UK.replace('source = "live"', 'source = "live"\npath = "x.csv"') + NODES,
            "path, files and options have no effect",
        ),
        (
            '[intensity]\nsource = "electricity-maps"\noptions = { token = "secret-key" }\n' + NODES,
            "a key does not belong into a scenario",
        ),
        ('[forecast]\nkind = "live"\n' + NODES, 'kind = "live" is for source = "live" or "recorded"'),
        (
            UK + 'base_url = "http://example.org"\n' + NODES,
            "base_url is 'http://example.org'; allowed is https",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        resolved(text)
    assert "secret-key" not in str(raised.value)


def test_a_virtual_fleet_is_run_on_a_recording() -> None:
    with pytest.raises(
        UsageError, match="computed by column, without a coordinator that polls; record a run"
    ):
        resolve(parse_scenario('[fleet]\nkind = "virtual"\n' + UK + NODES))


def test_a_comparison_is_run_on_a_recording() -> None:
    with pytest.raises(UsageError, match=r"see different values; record one run .*recorded\.toml"):
        refuse_live_comparison(parse_scenario(UK + NODES))
    refuse_live_comparison(parse_scenario(NODES))


def test_live_intensity_is_not_asked_for_beforehand() -> None:
    scenario = parse_scenario(UK + NODES)
    with pytest.raises(UsageError, match=r"not known before the slots begin; record a run"):
        scenario.intensity.open()


def test_the_recorded_scenario_has_the_recording_in_place_of_services(tmp_path: Path) -> None:
    text = UK.replace('kind = "live"', 'kind = "persistence"') + (
        '[accounting.marginal]\nsource = "live"\nlive = { service = "watttime" }\n' + NODES
    )
    values: dict[str, Any] = recorded_values(parse_scenario(text))
    assert values["intensity"] == {"source": "recorded", "path": "signals.jsonl"}
    assert values["accounting"]["marginal"]["options"] == {"part": "marginal"}
    assert (values["forecast"]["kind"], values["forecast"]["harvest"]) == ("live", "persistence")
    assert "watttime" not in str(values)
