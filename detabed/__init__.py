"""detabed: a distributed, carbon-aware edge testbed.

>>> import detabed
>>> scenario = detabed.load("demo")                      # a packaged scenario, or a TOML file
>>> run = detabed.run(scenario, policy="deta")           # nodes, coordinator, ledger; a folder under runs/
>>> run.slots, run.headline, run.figure("emissions")     # pandas tables, headline figures, matplotlib
>>> detabed.compare("demo", ["local", "deta"], seeds=2).reductions

This package holds names and no logic; each name is imported when it is first used. Base classes for code of your own:
``Policy`` (and ``Local``, the rule of LOCAL to start from), ``Task`` (and ``TorchTask``: any torch model and
data), ``Meter``, ``IntensitySource``, ``HarvestSource``. Strategies are Flower's own classes.
"""

from __future__ import annotations

import pkgutil
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before any other import: a folder of the user's may be called like one of our packages.
runpy.run_path(str(Path(__file__).resolve().parents[1] / "carbon_data" / "ours.py"), run_name="keep_ours")

if TYPE_CHECKING:
    from carbon_data.sources.base import HarvestSource, IntensitySource
    from carbon_data.types import DataError
    from coordinator.market.decision import FleetDecision
    from coordinator.market.fleet import Fleet
    from coordinator.policies.base import Policy
    from coordinator.policies.local import Local
    from edge_node.meters.base import Meter
    from edge_node.tasks.base import Task
    from edge_node.tasks.own.torch_task import TorchTask
    from experiments.errors import RunError, UsageError
    from experiments.library.calls import compare, load, run, sweep
    from experiments.library.results import Comparison, Run
    from experiments.library.results import open_results as open
    from experiments.library.sweeps import Sweep
    from experiments.scenario.model import Scenario

__all__ = [
    "Comparison",
    "DataError",
    "Fleet",
    "FleetDecision",
    "HarvestSource",
    "IntensitySource",
    "Local",
    "Meter",
    "Policy",
    "Run",
    "RunError",
    "Scenario",
    "Sweep",
    "Task",
    "TorchTask",
    "UsageError",
    "compare",
    "load",
    "open",
    "run",
    "sweep",
]

_WHERE = {
    "Comparison": "experiments.library.results:Comparison",
    "DataError": "carbon_data.types:DataError",
    "Fleet": "coordinator.market.fleet:Fleet",
    "FleetDecision": "coordinator.market.decision:FleetDecision",
    "HarvestSource": "carbon_data.sources.base:HarvestSource",
    "IntensitySource": "carbon_data.sources.base:IntensitySource",
    "Local": "coordinator.policies.local:Local",
    "Meter": "edge_node.meters.base:Meter",
    "Policy": "coordinator.policies.base:Policy",
    "Run": "experiments.library.results:Run",
    "RunError": "experiments.errors:RunError",
    "Scenario": "experiments.scenario.model:Scenario",
    "Sweep": "experiments.library.sweeps:Sweep",
    "Task": "edge_node.tasks.base:Task",
    "TorchTask": "edge_node.tasks.own.torch_task:TorchTask",
    "UsageError": "experiments.errors:UsageError",
    "compare": "experiments.library.calls:compare",
    "load": "experiments.library.calls:load",
    "open": "experiments.library.results:open_results",
    "run": "experiments.library.calls:run",
    "sweep": "experiments.library.calls:sweep",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'detabed' has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = value = pkgutil.resolve_name(_WHERE[name])
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
