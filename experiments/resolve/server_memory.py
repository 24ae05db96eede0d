"""Language servers of a fleet on this machine: refused before the run where its memory does not suffice."""

from __future__ import annotations

from pathlib import Path

from edge_node.config import LanguageConfig
from edge_node.language.memory import MemoryShort, require_memory
from experiments.errors import UsageError
from experiments.scenario.model import Scenario


def refuse_without_memory(scenario: Scenario, config: LanguageConfig, model: Path) -> None:
    """Raises UsageError. Nodes on other machines look at their own memory when they start."""
    if scenario.fleet.kind == "daemons" or scenario.fleet.address is not None:
        return
    with scenario.at("task", "llm"):
        try:
            require_memory(config, model.stat().st_size, scenario.node_count)
        except MemoryShort as error:
            raise UsageError(str(error)) from error
