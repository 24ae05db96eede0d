"""A scenario as it is written down again: every default stated."""

from __future__ import annotations

from typing import Any

import tomli_w

from experiments.scenario.model import Scenario


def values_of(scenario: Scenario) -> dict[str, Any]:
    """What its TOML holds."""
    values = scenario.model_dump(mode="json", exclude_none=True)
    values["time"]["start"] = scenario.time.start
    return values


def text_of(scenario: Scenario) -> str:
    """Its TOML."""
    return tomli_w.dumps(values_of(scenario))
