"""One run: a resolved scenario, a warm fleet, a coordinator of its own, and the folder that is left of it."""

from __future__ import annotations

import errno
import json
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.run_folder.files import FLOWER_LOG, LEDGER, SCENARIO, TIMINGS

if sys.platform != "win32":
    import resource

import tomli_w
from flwr.app import Context, RecordDict
from safetensors import SafetensorError
from safetensors.numpy import save_file

from coordinator.adapters.control_client import CoordinatorError as CallFailed
from coordinator.adapters.flower_server import (
    Link,
    RunPlan,
    RunRecord,
    Schedule,
    SlotOutcome,
    Watch,
    build_server_app,
    logging_to,
)
from coordinator.adapters.flower_strategy import StrategyError
from coordinator.ledger import LedgerError
from coordinator.policies.guard import PolicyFailedError
from coordinator.slots.protocol import RequestError
from edge_node.columns.trainer import TrainingError
from experiments.errors import FailedRunError, RunError, describe_failure
from experiments.fleet.base import FleetStartError
from experiments.fleet.isolation import IsolationError
from experiments.fleet.learners import LearnerLostError
from experiments.fleet.session import open_session
from experiments.fleet.supervisor import CoordinatorError
from experiments.fleet.virtual import VirtualFleet
from experiments.resolve.resolved import Resolved
from experiments.run_folder.failed import mark_failed
from experiments.run_folder.files import DONE, MODEL
from experiments.runs.columns import run_columns
from experiments.runs.described import export_run
from experiments.runs.learning import learning_task
from protos.messages.terms import Stage

if TYPE_CHECKING:
    from edge_node.config import NodeConfig
    from experiments.fleet.base import Fleet

    AnyFleet = Fleet | VirtualFleet

CONTROL_WAIT_S = 10.0
"""Wall seconds the coordinator waits for the telemetry and usage of nodes that hold a lease."""


@dataclass
class Timings:
    """Wall-clock figures: kept apart from the tables, which repeat byte for byte."""

    start_s: float = 0.0
    slots_s: list[float] = field(default_factory=list)
    decide_s: list[float] = field(default_factory=list)
    total_s: float = 0.0
    peak_memory_bytes: int | None = None
    """Largest resident set of the runner's process so far; None where the system does not tell."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a runner wants to hear of a run while it lasts."""

    on_slot: Callable[[SlotOutcome], None] = lambda _: None
    """After each slot."""
    on_open: Callable[[dict[str, str]], None] = lambda _: None
    """Called once with the addresses for outside clients by node id (empty: no outside ports)."""
    before_close: Callable[[int], None] = lambda _: None
    """With a slot of the application stage whose work is done, before it is closed."""


def execute(resolved: Resolved, folder: Path, fleet: AnyFleet, hooks: Hooks | None = None) -> Path:
    """Run, export the tables, mark the folder DONE; returns the folder.

    ``folder`` is new or empty and made here and holds no DONE until everything in it is complete. A run that fails
    leaves what there is, and FAILED with the reason (experiments.runs.failure).

    Raises:
        FailedRunError: it came to its end and may not count as done.
        RunError: it could not come to its end.
    """
    try:
        return _execute(resolved, folder, fleet, hooks or Hooks())
    except FailedRunError as error:
        mark_failed(folder, "; ".join(error.reasons))
        raise
    except RunError as error:
        mark_failed(folder, str(error))
        raise
    except failures() as error:
        sentence = f"{folder}: {describe_failure(error)}"
        mark_failed(folder, sentence)
        raise RunError(sentence) from error


def failures() -> tuple[type[Exception], ...]:
    """What parts of a run raise when they cannot go on: other people's code, the coordinator, a process, the disk."""
    return (
        *(CoordinatorError, CallFailed, FleetStartError, IsolationError, StrategyError, PolicyFailedError),
        *(TrainingError, LearnerLostError),
        *(LedgerError, RequestError, OSError, sqlite3.Error),
    )


def _execute(resolved: Resolved, folder: Path, fleet: AnyFleet, hooks: Hooks) -> Path:
    started = time.perf_counter()
    scenario = resolved.scenario
    run_id = f"{scenario.name}-{scenario.policy.replace(':', '.')}-s{scenario.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    write_scenario(resolved, folder / SCENARIO)
    record, timings = RunRecord(), Timings()
    if isinstance(fleet, VirtualFleet):
        restarts, processes = _run_rows(resolved, run_id, folder, fleet, record, timings, hooks)
    else:
        restarts, processes = _run_slots(resolved, run_id, folder, fleet, record, timings, hooks)
    reasons = export_run(resolved, run_id, folder, record, restarts, processes)
    write_models(record, folder / MODEL)
    timings.peak_memory_bytes = peak_memory_bytes()
    timings.total_s = time.perf_counter() - started
    (folder / TIMINGS).write_text(json.dumps(timings.__dict__, indent=1) + "\n", encoding="utf-8")
    if reasons:
        raise FailedRunError(folder, reasons)
    (folder / DONE).write_text("", encoding="utf-8")
    return folder


def _run_rows(
    resolved: Resolved,
    run_id: str,
    folder: Path,
    fleet: VirtualFleet,
    record: RunRecord,
    timings: Timings,
    hooks: Hooks,
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    begun = time.perf_counter()

    def opened() -> None:
        nonlocal begun
        timings.start_s, begun = time.perf_counter() - begun, time.perf_counter()
        hooks.on_open({})

    def finished(outcome: SlotOutcome) -> None:
        nonlocal begun
        now = time.perf_counter()
        timings.slots_s.append(now - begun)
        timings.decide_s.append(outcome.plan.decide_s)
        begun = now
        hooks.on_slot(outcome)

    with nullcontext() if resolved.learns_nothing else logging_to(folder / FLOWER_LOG):
        run_columns(resolved, run_id, folder, record, opened, finished, fleet.learners)
    processes = {f"learner {place}": pid for place, pid in enumerate(fleet.learners.pids)}
    return [], {**processes, "coordinator": os.getpid()}


def _run_slots(
    resolved: Resolved,
    run_id: str,
    folder: Path,
    fleet: Fleet,
    record: RunRecord,
    timings: Timings,
    hooks: Hooks,
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    begun = time.perf_counter()
    config = resolved.coordinator_config(run_id, folder / LEDGER)

    def nodes_of(address: str) -> tuple[NodeConfig, ...]:
        return resolved.node_configs(run_id, address, with_harvest=resolved.with_harvest)

    with logging_to(folder / FLOWER_LOG), open_session(fleet, config, folder, nodes_of) as session:
        timings.start_s = time.perf_counter() - begun
        hooks.on_open(session.infer_addresses)
        slot_began = time.perf_counter()

        def finished(outcome: SlotOutcome) -> None:
            nonlocal slot_began
            now = time.perf_counter()
            timings.slots_s.append(now - slot_began)
            timings.decide_s.append(outcome.plan.decide_s)
            slot_began = now
            session.check()
            hooks.on_slot(outcome)

        second = resolved.recycling
        plan = RunPlan(
            stages=resolved.stages,
            development=None
            if resolved.learns_nothing
            else learning_task(resolved, resolved.task, Stage.DEVELOPMENT),
            recycling=None if second is None else learning_task(resolved, second, Stage.RECYCLING),
        )
        link = Link(
            control=session.control,
            numbers=session.numbers,
            wait_s=CONTROL_WAIT_S,
            timeout_s=resolved.scenario.task.round_deadline_s,
            books=session.books,
        )
        watch = Watch(on_slot=finished, before_close=hooks.before_close)
        schedule = Schedule(plan, link, watch, record)
        grid = session.grid
        context = Context(
            run_id=grid.run.run_id, node_id=1, node_config={}, state=RecordDict(), run_config={}
        )
        build_server_app(schedule)(grid, context)
        restarts = [{"exit_code": item.exit_code, "down_s": item.down_s} for item in session.restarts]
    return restarts, session.processes


def write_models(record: RunRecord, path: Path) -> None:
    """The last model of every learning stage in one safetensors file; none when nothing was learned."""
    tensors = {
        f"{stage.value}/{name}": array.numpy()
        for stage, arrays in record.models.items()
        for name, array in arrays.items()
    }
    if tensors:
        try:
            save_file(tensors, path)
        except SafetensorError as error:  # its text has the number of the operating system's error
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else errno.EIO, str(error), str(path)) from error


def peak_memory_bytes() -> int | None:
    """Largest resident set this process has had, in bytes; None on a system without getrusage."""
    if sys.platform == "win32":
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kibibytes everywhere else


def write_scenario(resolved: Resolved, path: Path) -> None:
    """The scenario with every default written out, so that a run can be repeated from its folder alone."""
    values = resolved.scenario.model_dump(mode="json", exclude_none=True)
    values["task"]["data"] = resolved.data_used
    for told, service in zip(
        values["inference"]["services"],
        resolved.inference[0].services,
        strict=Stage.APPLICATION in resolved.stages,
    ):
        told["data"] = service.task.data
    values["time"]["start"] = resolved.scenario.time.start
    path.write_text(tomli_w.dumps(values), encoding="utf-8")
