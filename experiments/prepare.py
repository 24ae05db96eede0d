"""From what somebody typed to a validated scenario, before anything starts."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from experiments.errors import UsageError
from experiments.scenario import Scenario, load_scenario, parse_scenario

_PACKAGE = "experiments.scenarios"


def packaged_scenarios() -> dict[str, str]:
    """Name of every packaged scenario and its claim (the comment in its first line)."""
    found = {}
    for entry in sorted(resources.files(_PACKAGE).iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            first = entry.read_text(encoding="utf-8").splitlines()[0]
            found[entry.name.removesuffix(".toml")] = first.removeprefix("# Claim:").strip()
    return found


def packaged_scenario_text(name: str) -> str:
    """Text of a packaged scenario."""
    return (resources.files(_PACKAGE) / f"{name}.toml").read_text(encoding="utf-8")


def open_scenario(
    name: str, *, policy: str | None = None, seed: int | None = None, fleet: str | None = None
) -> Scenario:
    """Scenario from a file, or a packaged one by name, with the command line's changes applied and validated."""
    if name in packaged_scenarios() and not Path(name).exists():
        scenario = parse_scenario(packaged_scenario_text(name), name)
    else:
        path = Path(name)
        if not path.exists() and path.suffix != ".toml":
            raise UsageError(
                f"{name}: neither a file nor a packaged scenario; packaged are: {', '.join(packaged_scenarios())}"
            )
        scenario = load_scenario(path)
    changes: dict[str, Any] = {}
    if policy is not None:
        changes["policy"] = policy
    if seed is not None:
        changes["seed"] = seed
    if fleet is not None:
        if fleet not in ("ray", "inprocess"):
            raise UsageError(f"--fleet {fleet}: allowed are ray and inprocess")
        changes["fleet"] = scenario.fleet.model_copy(update={"kind": fleet})
    return scenario.model_copy(update=changes)


def describe(scenario: Scenario) -> dict[str, Any]:
    """What a scenario resolves to: zones, slot length, work and data; reads data, runs nothing."""
    from experiments.resolve import resolve

    resolved = resolve(scenario)
    return resolved.summary()
