"""Emissions of making a run's boards and the scenario's own factors, resolved before a run and kept in its metadata:
the report needs none of the files that were named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_node.energy.boards import EMBODIED, EMBODIED_STD, BoardProfile, load_board
from edge_node.energy.sourced import Figure, Unknown
from experiments.resolve.factors import OwnFactors, own_factors
from experiments.scenario.model import Scenario

BOARDS_KEY = "board_profiles"
FACTORS_KEY = "own_factors"


def profiles_of(scenario: Scenario) -> dict[str, BoardProfile]:
    """Every profile that the scenario's nodes and coordinator name."""
    specs = [node.board or scenario.board for node in scenario.nodes]
    names = dict.fromkeys(spec.profile for spec in (*specs, scenario.coordinator.board))
    return {name: load_board(name) for name in names}


def factors_of(scenario: Scenario) -> OwnFactors:
    """Of ``accounting.factors``; none where it names no file. Raises UsageError."""
    with scenario.at("accounting", "factors"):
        return {} if scenario.accounting.factors is None else own_factors(scenario.accounting.factors)


def made_metadata(scenario: Scenario) -> dict[str, Any]:
    """What the run folder keeps of both."""
    own = factors_of(scenario)
    return {
        BOARDS_KEY: {
            key: {
                "name": profile.name,
                "made": {name: as_plain(one) for name, one in _made(key, profile, own).items()},
            }
            for key, profile in profiles_of(scenario).items()
        },
        **(
            {
                FACTORS_KEY: {
                    subject: {name: as_plain(one) for name, one in figures.items()}
                    for subject, figures in own.items()
                }
            }
            if own
            else {}
        ),
    }


def _made(key: str, profile: BoardProfile, own: OwnFactors) -> dict[str, Figure | Unknown]:
    """As the profile says, or the scenario's own factors."""
    factors = own.get("embodied", {})
    names = {EMBODIED: key, EMBODIED_STD: f"{key}-std"}
    return profile.made | {name: factors[factor] for name, factor in names.items() if factor in factors}


def boards_from(metadata: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Figure | Unknown]]]:
    """By profile: the board's name, and what is known of making it. Empty for runs of earlier versions."""
    return {
        key: (entry["name"], {name: from_plain(one) for name, one in entry["made"].items()})
        for key, entry in metadata.get(BOARDS_KEY, {}).items()
    }


def factors_from(metadata: Mapping[str, Any]) -> OwnFactors:
    """The run's own factors."""
    return {
        subject: {name: from_plain(one) for name, one in figures.items()}
        for subject, figures in metadata.get(FACTORS_KEY, {}).items()
    }


def as_plain(figure: Figure | Unknown) -> dict[str, Any]:
    if isinstance(figure, Unknown):
        return {"unknown": figure.why, "unit": figure.unit}
    return {"value": figure.value, "unit": figure.unit, "source": figure.source, "note": figure.note}


def from_plain(entry: Mapping[str, Any]) -> Figure | Unknown:
    if "unknown" in entry:
        return Unknown(entry["unit"], entry["unknown"])
    return Figure(entry["value"], entry["unit"], entry["source"], entry["note"])
