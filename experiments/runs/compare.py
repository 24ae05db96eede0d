"""Runs behind the command line: one, or several policies on identical seeds, on one warm fleet."""

from __future__ import annotations

import importlib
import json
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress

from coordinator.process import take_turns_quickly
from experiments.errors import FailedRunError, RunError, UsageError
from experiments.fleet.daemons import DaemonFleet
from experiments.fleet.inprocess import InProcessFleet
from experiments.fleet.isolation import Isolation, IsolationError
from experiments.fleet.processes import uses_ray
from experiments.fleet.virtual import VirtualFleet
from experiments.progress import Watch, progress_bar, watching, watching_part
from experiments.report.ahead import DrawnAhead
from experiments.report.read import Run, Study, load
from experiments.report.second_process import SecondProcess
from experiments.report.summary import print_summary, summary_json
from experiments.report.units import grams
from experiments.resolve.resolve import resolve, resolve_single
from experiments.resolve.resolved import Resolved
from experiments.resolve.served import SIGN
from experiments.run_folder.about import UNCHOSEN, About
from experiments.run_folder.failed import mark_failed, mark_unfinished
from experiments.run_folder.files import CHECKPOINT, COMPARE, COMPARING, DONE
from experiments.run_folder.lock import new_run_lock
from experiments.runs.beside import Beside
from experiments.runs.outside import Outside
from experiments.runs.regrets import Regrets
from experiments.runs.resume import going_on, run_name, standings, write_comparing
from experiments.runs.run import Hooks, execute
from experiments.runs.signals import refuse_live_comparison, require_keys
from experiments.scenario.keys import MAX_SEED
from experiments.scenario.model import Scenario
from experiments.scenario.names import node_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from coordinator.adapters.flower_server import SlotOutcome
    from experiments.fleet.ahead import Ahead
    from experiments.runs.broken_off import BrokenOff
    from experiments.runs.resumed import Resumed
    from experiments.runs.run import AnyFleet


@dataclass(frozen=True)
class Finished:
    """A finished run or comparison: its folder and its report."""

    folder: Path
    report: Path | None
    """None: not drawn; ``detabed report FOLDER`` does so at any time."""
    wall_s: float
    failed: dict[str, str] = field(default_factory=dict)
    """Runs of a comparison that failed, and why."""
    study: Study | None = None
    """Its tables, as the report was drawn from them; None: not read yet."""
    resumed: bool = False
    """It was broken off before, and went on."""

    def as_dict(self) -> dict[str, Any]:
        """What --json prints."""
        report = None if self.report is None else str(self.report)
        study = self.study or load(self.folder)
        told = summary_json(study) | {"report": report, "wall_s": round(self.wall_s, 3)}
        if self.resumed:
            told["resumptions"] = {
                run.folder.name: run.metadata["resumptions"] for run in study if "resumptions" in run.metadata
            }
        return told

    def print(self, console: Console) -> None:
        """The table for people, and where the report is."""
        print_summary(self.study or load(self.folder), console, report=self.report)


def make_fleet(scenario: Scenario, coordinators: Ahead | None = None) -> AnyFleet:
    """The fleet the scenario asks for, not started. ``coordinators``: what it forks them from; None: its own."""
    if scenario.fleet.kind == "inprocess":
        return InProcessFleet()
    spec, isolation = scenario.fleet, Isolation(scenario.fleet.isolation)
    if scenario.fleet.kind == "daemons":
        assert scenario.fleet.cluster is not None  # its validator
        return DaemonFleet(
            [node_name(k, scenario.node_count) for k in range(scenario.node_count)],
            scenario.fleet.cluster,
            host=scenario.coordinator.host,
            port=scenario.fleet.port,
            lost_after_s=scenario.coordinator.lease_s,
            appear_s=scenario.fleet.appear_s,
            coordinators=coordinators,
        )
    if not uses_ray(scenario):
        return VirtualFleet()
    count = scenario.node_count
    # Ray takes seconds to import, and fleets in one process do without.
    from experiments.fleet.ray_cluster import ClusterRay
    from experiments.fleet.ray_fleet import RayFleet
    from experiments.fleet.ray_learners import RayLearners  # likewise

    if spec.kind == "virtual":
        insecure = scenario.coordinator.insecure
        joined = None if spec.address is None else ClusterRay(spec.address, host=None, insecure=insecure)
        return VirtualFleet(RayLearners(count, spec.processes, isolation=isolation, cluster=joined))
    cluster = None
    if spec.address is not None:
        boards = [node_name(k, count) for k in range(count)] if spec.boards else []
        host = scenario.coordinator.host
        cluster = ClusterRay(spec.address, boards, host=host, insecure=scenario.coordinator.insecure)
    return RayFleet(count, spec.processes, isolation=isolation, cluster=cluster, coordinators=coordinators)


def run_single(
    scenario: Scenario,
    folder: Path,
    console: Console,
    quiet: bool = False,
    draw: bool = True,
    serve_s: float = 0.0,
    broken_off: BrokenOff | None = None,
    beside: Beside | None = None,
) -> Finished:
    """One policy, one seed. ``broken_off``: the run that goes on in ``folder``, whose lock the caller holds.
    ``beside``: processes that were started already; ended here.

    ``serve_s``: wall seconds for which the last slot of the application stage stays open, so that outside clients
    can ask; interrupting it ends that wait, not the run. Raises UsageError where no client could ask.
    """
    with watching(console, quiet=quiet) as watch:
        resolved = resolve_single(scenario, watch) if broken_off is None else resolve(scenario, watch)
    require_keys(resolved)
    outside = Outside(resolved, folder, serve_s)
    resumed = None if broken_off is None else going_on(broken_off, resolved)
    began = time.perf_counter()
    with (
        _progress(console, quiet, total=len(resolved.stages)) as progress,
        beside or Beside() as others,
        _started(scenario, progress, others) as fleet,
    ):
        if draw:
            others.second.start()
        outside.say = progress.print
        progress.warn(resolved.warnings)
        outside.status = progress.say
        _execute(resolved, folder, fleet, progress, outside, resumed=resumed)
        report, study = _report(folder, progress, others.second) if draw else (None, None)
    went_on = broken_off is not None
    return Finished(folder, report, time.perf_counter() - began, study=study, resumed=went_on)


def run_compare(
    scenario: Scenario,
    policies: tuple[str, ...],
    seeds: int,
    folder: Path,
    console: Console,
    quiet: bool = False,
    draw: bool = True,
    resumed: bool = False,
    about: About = UNCHOSEN,
    beside: Beside | None = None,
) -> Finished:
    """Every policy on every seed; all are resolved before the first starts, so that bad input starts nothing.

    ``resumed``: the comparison in ``folder``, whose lock the caller holds, was broken off; runs that are over stand,
    the one that was broken off goes on, and the others are run. ``beside``: as in ``run_single``.
    """
    began = time.perf_counter()
    refuse_live_comparison(scenario)
    numbers = range(scenario.seed, scenario.seed + seeds)
    if numbers[-1] > MAX_SEED:
        raise UsageError(
            f"seeds {numbers[0]} to {numbers[-1]}; allowed are up to {MAX_SEED}: lower the scenario's seed"
        )
    specs = [
        scenario.model_copy(
            update={"policy": policy, "seed": seed, "policy_options": _options_for(scenario, policy)}
        )
        for seed in numbers
        for policy in policies
    ]
    with (
        _progress(console, quiet, total=len(specs) * len(scenario.stages.slots())) as progress,
        beside or Beside() as others,
        ExitStack() as lock,
    ):
        second = others.second
        progress.say("resolving")
        resolved = _Resolutions(progress.resolving)
        warnings: dict[str, None] = {}
        for policy in policies:
            # Seeds differ in clouds and data order only: one of them shows whether the policy's run is possible.
            last = resolved(next(spec for spec in specs if spec.policy == policy))
            warnings |= dict.fromkeys(last.warnings)
        progress.warn(warnings)
        failed: dict[str, str] = {}
        stand = standings(folder, specs, resolved) if resumed else {}
        folder.mkdir(parents=True, exist_ok=True)
        if not resumed:
            lock.enter_context(new_run_lock(folder))
        ahead = DrawnAhead(second)
        with (
            Regrets(folder, beside=_leaves_time(last)) as regrets,
            _started(scenario, progress, others) as fleet,
        ):
            if draw:
                _import_report()
            if not resumed:
                write_comparing(scenario, policies, seeds, folder, about)
            mark_unfinished(folder)
            for left, spec in zip(reversed(range(len(specs))), specs, strict=True):
                name = run_name(spec.policy, spec.seed)
                if draw and left == 0:
                    second.start()
                if (
                    draw
                    and left == len(specs) - len(policies) - 1
                    and not (stand or failed)
                    and _leaves_time(last)
                ):
                    chosen = policies if about.focus is None else (about.focus,)
                    ahead.begin(folder, [run_name(policy, numbers[0]) for policy in policies], chosen)
                found = stand.get(name)
                if isinstance(found, str):
                    progress.skip(resolved(spec))
                    failed |= {name: found} if found else {}
                else:
                    try:
                        with _faults_named(folder, name):
                            _execute(resolved(spec), folder / name, fleet, progress, resumed=found)
                    except RunError as error:
                        failed[name] = str(error).removeprefix(f"{folder / name}: ")
                if name not in failed:
                    regrets.add(resolved(spec), name)
        if not any((folder / name / CHECKPOINT).exists() for name in failed):
            (folder / COMPARING).unlink(missing_ok=True)  # none of them can go on
        if len(failed) == len(specs):
            why = tuple(f"{name}: {why}" for name, why in failed.items())
            mark_failed(folder, "; ".join(why))
            raise FailedRunError(folder, why)
        progress.say("bounding the day")
        regret, runs = regrets.finish()
        index = {
            "name": scenario.name,
            "policies": {policy: [run_name(policy, seed) for seed in numbers] for policy in policies},
            "seeds": list(numbers),
            "run": folder.name,
            "failed": failed,
            **about.as_metadata(),
            "regret": regret,
        }
        (folder / COMPARE).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
        if failed:
            mark_failed(folder, "; ".join(f"{name}: {why}" for name, why in failed.items()))
        else:
            (folder / DONE).write_text("", encoding="utf-8")
        lock.close()  # it is marked DONE or FAILED: it cannot be resumed or shown as broken off
        report, study = _report(folder, progress, second, ahead, runs) if draw else (None, None)
    return Finished(folder, report, time.perf_counter() - began, failed, study, resumed)


def _leaves_time(resolved: Resolved) -> bool:
    """Whether this machine may do other work beside the runs: no meter reads what it does, and slots are not measured
    by the clock."""
    return set(resolved.meters) == {"modelled"} and resolved.scenario.time.clock == "virtual"


def _options_for(scenario: Scenario, policy: str) -> dict[str, Any]:
    """A scenario's policy options belong to its own policy; a comparison runs the others with their defaults."""
    own = policy.partition(SIGN)[0] == scenario.policy.partition(SIGN)[0]
    return dict(scenario.policy_options) if own else {}


class _Resolutions:
    """Scenarios of a comparison by policy and seed, each resolved once, as long as they are few: in a large
    comparison the oldest are resolved again when they are needed."""

    def __init__(self, watching: Callable[[Scenario], AbstractContextManager[Watch]], kept: int = 16) -> None:
        self._watching = watching
        self._kept = kept
        self._found: dict[tuple[str, int], Resolved] = {}

    def __call__(self, spec: Scenario) -> Resolved:
        key = spec.policy, spec.seed
        if key not in self._found:
            if len(self._found) >= self._kept:
                del self._found[next(iter(self._found))]
            with self._watching(spec) as watch:
                self._found[key] = resolve(spec, watch)
        return self._found[key]


def _execute(
    resolved: Resolved,
    folder: Path,
    fleet: AnyFleet,
    progress: SlotProgress,
    outside: Outside | None = None,
    resumed: Resumed | None = None,
) -> None:
    """``resumed``: where it goes on."""
    progress.begin(resolved)
    if resumed is not None:
        progress.resume(resumed.first_slot, len(resolved.stages))
    hooks = Hooks(progress.slot)
    if outside is not None:
        hooks = Hooks(progress.slot, outside.opened, outside.before_close)
    try:
        execute(resolved, folder, fleet, hooks, resumed)
    except Exception:
        progress.say("failed")  # without the figures of the slots it got through
        raise


@contextmanager
def _faults_named(folder: Path, name: str) -> Iterator[None]:
    """A fault of this program in run ``name`` marks the comparison in ``folder`` too, and is told with the run's name:
    its traceback alone does not say whose it is."""
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        kind = "" if isinstance(error, UsageError) else f"{type(error).__name__}: "
        mark_failed(folder, f"{name}: {kind}{error}")
        error.add_note(f"in run {name} of the comparison in {folder}, which is marked FAILED")
        raise


def _import_report() -> None:
    """Import what draws the report beside the first run, which mostly waits."""
    threading.Thread(target=importlib.import_module, args=("experiments.report.html",), daemon=True).start()


def _report(
    folder: Path,
    progress: SlotProgress,
    second: SecondProcess,
    ahead: DrawnAhead | None = None,
    runs: Mapping[str, Run] | None = None,
) -> tuple[Path, Study]:
    """The page, and what it was drawn from: the summary shows the same and computes nothing twice. ``runs``: those
    that were read already, by folder name."""
    # It brings matplotlib and jinja2: --no-report does without.
    from experiments.report.html import write_study

    progress.say("writing the report")
    study = load(folder, runs=runs)
    return write_study(study, second, None if ahead is None else ahead.take()), study


class SlotProgress:
    """One bar over all slots of all runs, with what is happening in words."""

    def __init__(self, bar: Progress, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("starting", total=total, detail="")
        self._label = ""
        self._emissions_pg = 0

    def say(self, what: str) -> None:
        self._bar.update(self._task, description=what, detail="")

    def print(self, what: str) -> None:
        """A line above the bar that stays."""
        self._bar.console.print(what, markup=False, highlight=False, soft_wrap=True)

    def warn(self, warnings: Iterable[str]) -> None:
        """Warnings about a valid scenario that may be a mistake."""
        for warning in warnings:
            self.print(f"warning: {warning}")

    def resolving(self, scenario: Scenario) -> AbstractContextManager[Watch]:
        """A line below the bar while ``scenario`` is resolved, where that has more than one word to say."""
        return watching_part(self._bar, f"{scenario.policy} seed {scenario.seed}")

    def begin(self, resolved: Resolved) -> None:
        self._label = f"{resolved.scenario.policy} seed {resolved.scenario.seed}"
        self._emissions_pg = 0
        self.say(self._label)

    def resume(self, slot: int, slots: int) -> None:
        """The run goes on at ``slot``."""
        self.print(f"{self._label}: goes on at slot {slot} of {slots}")
        self._take_as_done(slot)

    def skip(self, resolved: Resolved) -> None:
        """A run that is over already."""
        self._take_as_done(len(resolved.stages))

    def _take_as_done(self, slots: int) -> None:
        """Slots of an earlier call: the remaining time follows from the speed of this one."""
        done = next(task.completed for task in self._bar.tasks if task.id == self._task)
        self._bar.reset(self._task, completed=int(done) + slots)

    def slot(self, outcome: SlotOutcome) -> None:
        self._emissions_pg += outcome.summary.emissions_pg
        found = None if outcome.evaluation is None else outcome.evaluation.accuracy_fraction
        accuracy = "" if found is None else f", accuracy {found:.1%}"
        lost = f", [red]{len(outcome.plan.lost_nodes)} lost[/red]" if outcome.plan.lost_nodes else ""
        self._bar.update(
            self._task,
            advance=1,
            description=f"{self._label}: {outcome.stage.value}",
            detail=f"{grams(self._emissions_pg / 1e12)} CO2e{accuracy}{lost}",
        )


@contextmanager
def _progress(console: Console, quiet: bool, total: int) -> Iterator[SlotProgress]:
    with progress_bar(console, quiet=quiet) as bar:
        yield SlotProgress(bar, total)


@contextmanager
def _started(scenario: Scenario, progress: SlotProgress, others: Beside) -> Iterator[AnyFleet]:
    progress.say("starting the fleet")
    take_turns_quickly()
    fleet = make_fleet(scenario, others.coordinators)
    try:
        try:
            fleet.start()
        except IsolationError as error:
            raise UsageError(str(error)) from error
        except RuntimeError as error:
            raise RunError(f"the fleet does not start: {error}") from error
        yield fleet
    finally:
        fleet.stop()
