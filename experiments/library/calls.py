"""Load, run, compare and sweep, as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from coordinator.policies import COMPARED
from experiments.errors import UsageError
from experiments.library.names import class_name, task_name
from experiments.library.results import Comparison, Run, open_results
from experiments.library.sweeps import Sweep
from experiments.resolve.prepare import changed, known_policy, open_scenario
from experiments.runs.compare import run_compare, run_single
from experiments.runs.start import isolate, new_folder
from experiments.scenario.model import Scenario
from experiments.sweep.axes import axes_of
from experiments.sweep.plan import make_plan
from experiments.sweep.start import begin, execute

if TYPE_CHECKING:
    from edge_node.tasks.base import Task


def load(source: Path | str) -> Scenario:
    """A scenario from a TOML file, or a packaged one by name (``"demo"``, ``"mnist"``).

    Raises UsageError with file, line, what was got and what is allowed.
    """
    return open_scenario(str(source))


def run(
    scenario: Scenario | Path | str,
    policy: str | type | None = None,
    seed: int | None = None,
    *,
    task: Task | str | type | None = None,
    fleet: str | None = None,
    output: Path | str | None = None,
    report: bool = False,
    progress: bool = True,
) -> Run:
    """Run a scenario under one policy.

    Args:
        scenario: a Scenario, a TOML file, or the name of a packaged scenario.
        policy: a name of ``detabed list policies``, ``"package.module:Name"``, or a class that lies in a module;
            None: the scenario's.
        seed: of data, weights, clouds, arrivals and policy; None: the scenario's.
        task: a name of ``detabed list tasks``, ``"package.module:Name"``, or a TorchTask or Task class that lies in a
            module; None: the scenario's. It comes with its own data.
        fleet: ``"ray"``, ``"inprocess"`` or ``"virtual"``; None: the scenario's.
        output: a new or empty folder; None: a numbered one under ``runs/``.
        report: write the HTML report too (``Run.report()`` does so later).
        progress: show a bar.

    Raises:
        UsageError: the scenario cannot be run as it is; nothing was started.
        RunError: the run failed; its folder says why.
    """
    spec = changed(_scenario(scenario), policy=_name(policy), seed=seed, fleet=fleet, task=task_name(task))
    folder = new_folder(_path(output), f"{spec.name}-{spec.policy.replace(':', '.')}-s{spec.seed}")
    isolate(spec)
    done = run_single(spec, folder, Console(stderr=True), quiet=not progress, draw=report)
    found = open_results(done.folder)
    assert isinstance(found, Run)
    return found


def compare(
    scenario: Scenario | Path | str,
    policies: Sequence[str | type] = COMPARED,
    seeds: int = 5,
    *,
    task: Task | str | type | None = None,
    fleet: str | None = None,
    output: Path | str | None = None,
    report: bool = False,
    progress: bool = True,
) -> Comparison:
    """Run several policies on identical seeds, ``seeds`` of them from the scenario's on. Arguments as in ``run``.

    A run that fails is named in ``Comparison.failed`` and is in no figure. Raises as ``run``; RunError where all do.
    """
    if seeds < 1:
        raise UsageError(f"seeds = {seeds}; allowed is 1 or more")
    if isinstance(policies, str):
        raise UsageError(f"policies = {policies!r}; give a list, such as ['local', 'deta']")
    spec = changed(_scenario(scenario), fleet=fleet, task=task_name(task))
    names = tuple(dict.fromkeys(known_policy(str(_name(policy))) for policy in policies))
    if not names:
        raise UsageError("policies is empty; give a list, such as ['local', 'deta']")
    folder = new_folder(_path(output), f"{spec.name}-compare")
    isolate(spec)
    done = run_compare(spec, names, seeds, folder, Console(stderr=True), quiet=not progress, draw=report)
    found = open_results(done.folder)
    assert isinstance(found, Comparison)
    return found


def sweep(
    scenario: Scenario | Path | str,
    axes: Mapping[str, Any],
    policies: Sequence[str | type] | None = None,
    seeds: int = 1,
    *,
    random: int | None = None,
    design_seed: int = 0,
    workers: int | None = None,
    ray: str | None = None,
    fleet: str | None = None,
    output: Path | str | None = None,
    report: bool = True,
    progress: bool = True,
) -> Sweep:
    """Run a scenario at many values of its keys, on several processes (docs/sweeps.md).

    Args:
        scenario: as in ``run``.
        axes: values by dotted key: a list, or the text that ``--set`` takes (``"0:1:0.25"``). Without a number
            ``nodes.KEY`` is set in all nodes, ``nodes.0.KEY`` in the first.
        policies: as in ``compare``; None: the scenario's.
        seeds: number of paired seeds, from the scenario's on.
        random: draw so many cells (Latin hypercube) in place of a grid; a text ``"LOW:HIGH"`` is then an interval.
        design_seed: of the cells that ``random`` draws.
        workers: processes that compute; None: one for each core.
        ray: address of a Ray cluster that computes (``"host:port"`` or ``"auto"``); None: this machine does.
        fleet: ``"inprocess"`` or ``"virtual"``; None: the scenario's.
        output: a new or empty folder, or that of the same sweep, which goes on; None: a numbered one under ``runs/``.
        report: write the page and its pictures too.
        progress: show a bar.

    A run that fails is in ``Sweep.failures`` and in no figure. Raises as ``run``.
    """
    if isinstance(policies, str):
        raise UsageError(f"policies = {policies!r}; give a list, such as ['local', 'deta']")
    spec = changed(_scenario(scenario), fleet=fleet)
    names = None if policies is None else [known_policy(str(_name(policy))) for policy in policies]
    found = axes_of(axes, random is not None)
    start = begin(make_plan(spec, found, names, seeds, random, design_seed), _path(output))
    return Sweep(execute(start, Console(stderr=True), workers, quiet=not progress, draw=report, ray=ray))


def _scenario(given: Scenario | Path | str) -> Scenario:
    return given if isinstance(given, Scenario) else load(given)


def _path(given: Path | str | None) -> Path | None:
    return None if given is None else Path(given)


def _name(policy: str | type | None) -> str | None:
    """Name of a policy class; other processes import it by name, so that it must be in a module."""
    if policy is None or isinstance(policy, str):
        return policy
    if not isinstance(policy, type):
        raise UsageError(
            f"policy is a {type(policy).__name__}; allowed are a name and a class with init and decide"
        )
    return class_name("policy", policy)
