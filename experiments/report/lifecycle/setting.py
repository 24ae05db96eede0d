"""Devices and columns of a run's scenario, read again from the run folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from edge_node.energy.boards import EMBODIED, load_board
from edge_node.energy.sourced import Figure, SourceError, Unknown
from experiments.errors import UsageError
from experiments.report.measures import ById
from experiments.report.read import Run
from experiments.resolve.made import boards_from
from experiments.run_folder.files import SCENARIO
from experiments.scenario.model import Scenario, parse_scenario
from experiments.scenario.places import HarvestSpec, NodeSpec
from experiments.scenario.signals import AccountingSpec
from protos.messages.terms import Holder

COORDINATOR = str(Holder.COORDINATOR)


@dataclass(frozen=True)
class Setting:
    """A run with its scenario; ``scenario`` is None where the folder's cannot be read, ``reason`` says why."""

    run: Run
    scenario: Scenario | None
    reason: str = ""

    @property
    def accounting(self) -> AccountingSpec:
        return AccountingSpec() if self.scenario is None else self.scenario.accounting

    def node_specs(self) -> dict[str, NodeSpec]:
        """Scenario entry of every node; empty where scenario and tables do not fit each other."""
        if self.scenario is None:
            return {}
        specs = [spec for spec in self.scenario.nodes for _ in range(spec.count)]
        nodes = sorted(self.run.tables["nodes"]["node_id"])
        return dict(zip(nodes, specs, strict=True)) if len(specs) == len(nodes) else {}

    def boards(self) -> dict[str, str]:
        """Board profile of every node and of the coordinator."""
        assert self.scenario is not None
        found = {
            node: (spec.board or self.scenario.board).profile for node, spec in self.node_specs().items()
        }
        return {**found, COORDINATOR: self.scenario.coordinator.board.profile}

    def made(self, profile: str) -> tuple[str, dict[str, Figure | Unknown]]:
        """Name of the board of ``profile``, and what is known of making it: as the run recorded it, else as the profile
        says today."""
        recorded = boards_from(self.run.metadata).get(profile)
        if recorded is not None:
            return recorded
        try:
            board = load_board(profile)
        except SourceError as error:
            return profile, {EMBODIED: Unknown("g", str(error))}
        return board.name, board.made

    def harvest(self, node: str) -> HarvestSpec | None:
        spec = self.node_specs().get(node)
        return None if spec is None or self.scenario is None else spec.harvest or self.scenario.harvest


def setting_of(run: Run) -> Setting:
    """The setting of ``run``; a scenario that cannot be read is named, not guessed. Read once per run object."""
    return _setting_of(ById(run))


@lru_cache(maxsize=256)
def _setting_of(key: ById[Run]) -> Setting:
    run = key.value
    if not run.scenario.strip():
        return Setting(run, None, "the run folder has no scenario.toml")
    try:
        return Setting(run, parse_scenario(run.scenario, SCENARIO))
    except UsageError as error:
        return Setting(run, None, f"the folder's scenario.toml is not valid: {str(error).splitlines()[0]}")
