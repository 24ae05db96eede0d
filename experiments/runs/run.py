"""One run: a resolved scenario, a warm fleet, a coordinator of its own, and the folder that is left of it."""

from __future__ import annotations

import errno
import json
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from carbon_data.machine_faults import machine_fault
from edge_node.adapters.app_modules import AppLoadError, fresh_apps
from edge_node.adapters.npy import array_view
from experiments.run_folder.files import FLOWER_LOG, LEDGER, SCENARIO, TIMINGS

if sys.platform != "win32":
    import resource

import numpy as np
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
    evaluate_last,
    logging_to,
)
from coordinator.adapters.flower_strategy import StrategyError
from coordinator.adapters.parts_grid import PartsGrid
from coordinator.adapters.slot_grid import AppError
from coordinator.adapters.slot_time import SlotTime
from coordinator.ledger import LedgerError
from coordinator.policies.guard import PolicyFailedError
from coordinator.slots.protocol import RequestError, TryLaterError
from edge_node.columns.trainer import TrainingError
from experiments.errors import FailedRunError, RunError, describe_failure
from experiments.fleet.base import FleetStartError
from experiments.fleet.isolation import IsolationError
from experiments.fleet.learners import LearnerLostError
from experiments.fleet.raylet_watch import FleetLostError
from experiments.fleet.session import open_session
from experiments.fleet.supervisor import CoordinatorError
from experiments.fleet.virtual import VirtualFleet
from experiments.resolve.app import window_of
from experiments.resolve.resolved import Resolved
from experiments.resolve.sleep import longest_switching_s
from experiments.run_folder.checkpoint import discard
from experiments.run_folder.failed import mark_failed, mark_unfinished
from experiments.run_folder.files import MODEL
from experiments.run_folder.lock import new_run_lock
from experiments.runs.apps import run_app
from experiments.runs.columns import run_columns
from experiments.runs.described import export_run
from experiments.runs.failure import first_trouble
from experiments.runs.learning import learning_task
from experiments.runs.parts import division_of
from experiments.runs.recording import Recording
from experiments.runs.timings import Timings
from experiments.scenario.written import values_of
from protos.messages.terms import Overrun, Stage

if TYPE_CHECKING:
    from edge_node.config import NodeConfig
    from experiments.fleet.base import Fleet
    from experiments.runs.resumed import Resumed
    from experiments.scenario.model import Scenario

    AnyFleet = Fleet | VirtualFleet

KEPT_TYPES = frozenset(
    {*(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)), "bool"}
    | {"float16", "float32", "float64", "complex64"}
)
"""Of numpy, that safetensors has."""
CONTROL_WAIT_S = 10.0
"""Wall seconds the coordinator waits for the telemetry and usage of nodes that hold a lease."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a runner wants to hear of a run while it lasts."""

    on_slot: Callable[[SlotOutcome], None] = lambda _: None
    """After each slot."""
    on_open: Callable[[dict[str, str]], None] = lambda _: None
    """Called once with the addresses for outside clients by node id (empty: no outside ports)."""
    before_close: Callable[[int], None] = lambda _: None
    """With a slot of the application stage whose work is done, before it is closed."""


def execute(
    resolved: Resolved,
    folder: Path,
    fleet: AnyFleet,
    hooks: Hooks | None = None,
    resumed: Resumed | None = None,
) -> Path:
    """Run, export the tables, mark the folder DONE; returns the folder.

    ``folder`` is new or empty and made here and holds no DONE until everything in it is complete. A run that fails
    leaves what there is, and FAILED with the reason (experiments.runs.failure), also where a fault of this program
    ends it; an interrupted run leaves neither and can be resumed. ``resumed``: the folder has a run that
    was broken off, which goes on there; the caller holds its lock.

    Raises:
        FailedRunError: it came to its end and may not count as done.
        RunError: it could not come to its end.
    """
    record = RunRecord() if resumed is None else resumed.record
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with new_run_lock(folder) if resumed is None else nullcontext(), _marked(folder, record):
            mark_unfinished(folder)
            return _execute(resolved, folder, fleet, hooks or Hooks(), record, resumed)
    except OSError as error:  # of the folder or its lock: nothing ran
        raise RunError(f"{folder}: {describe_failure(error)}") from error


@contextmanager
def _marked(folder: Path, record: RunRecord) -> Iterator[None]:
    """Mark the run in ``folder`` FAILED where it fails. Inside its lock: without it, who looks before the mark is
    written would find a run that was broken off and could be resumed."""
    try:
        yield
    except FailedRunError as error:
        mark_failed(folder, "; ".join(error.reasons))
        discard(folder)
        raise
    except RunError as error:
        mark_failed(folder, str(error))
        discard(folder)
        raise
    except Exception as error:
        if not isinstance(error, failures()) and machine_fault(error) is None:
            mark_failed(folder, f"{type(error).__name__}: {error}")
            raise  # a fault of this program, which needs its traceback
        # Other people's code says its file and line, whatever it met there.
        said = str(error) if isinstance(error, ITS_OWN_FAULT) else describe_failure(error)
        if isinstance(error, RequestError | CallFailed) and (first := first_trouble(record.outcomes)):
            said = f"{first}; then: {said}"
        sentence = f"{folder}: {said}"
        mark_failed(folder, sentence)
        if isinstance(error, ITS_OWN_FAULT) and not isinstance(error, TryLaterError):
            discard(folder)
        raise RunError(sentence) from error


ITS_OWN_FAULT = (StrategyError, AppError, PolicyFailedError, RequestError)
"""Failures that would come again: such a run is not resumed. A full disk or a dead process may be mended."""


def failures() -> tuple[type[Exception], ...]:
    """What parts of a run raise when they cannot go on: other people's code, the coordinator, a process, the disk."""
    return (
        *(
            CoordinatorError,
            CallFailed,
            FleetStartError,
            FleetLostError,
            IsolationError,
            StrategyError,
            PolicyFailedError,
        ),
        *(AppError, AppLoadError),
        *(TrainingError, LearnerLostError),
        *(LedgerError, RequestError, OSError, sqlite3.Error),
    )


def run_id_of(scenario: Scenario) -> str:
    """Name of a run in its ledger."""
    return f"{scenario.name}-{scenario.policy.replace(':', '.').replace('+', '.')}-s{scenario.seed}"


def _execute(
    resolved: Resolved,
    folder: Path,
    fleet: AnyFleet,
    hooks: Hooks,
    record: RunRecord,
    resumed: Resumed | None,
) -> Path:
    started = time.perf_counter()
    run_id = run_id_of(resolved.scenario)
    if resumed is None:
        write_scenario(resolved, folder / SCENARIO)
    timings = Timings() if resumed is None else resumed.timings
    recording = Recording(folder) if resumed is None else resumed.recording
    before_s = sum(timings.slots_s)
    if isinstance(fleet, VirtualFleet):
        processes = _run_rows(resolved, run_id, folder, fleet, record, timings, hooks)
    elif resumed is not None and not resumed.slots_left:
        # It was broken off while its tables were written.
        evaluate_last(run_plan(resolved), record)
        processes = dict.fromkeys(("nodes", "coordinator"), os.getpid())
    else:
        processes = _run_slots(resolved, run_id, folder, fleet, record, timings, hooks, recording, resumed)
    reasons = export_run(
        resolved, run_id, folder, record, recording.restarts, processes, recording.resumptions
    )
    write_models(record, folder / MODEL)
    timings.peak_memory_bytes = peak_memory_bytes()
    timings.total_s = before_s + time.perf_counter() - started
    (folder / TIMINGS).write_text(json.dumps(timings.__dict__, indent=1) + "\n", encoding="utf-8")
    if reasons:
        raise FailedRunError(folder, reasons)
    recording.over()
    return folder


def _run_rows(
    resolved: Resolved,
    run_id: str,
    folder: Path,
    fleet: VirtualFleet,
    record: RunRecord,
    timings: Timings,
    hooks: Hooks,
) -> dict[str, int]:
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
    return {**processes, "coordinator": os.getpid()}


def _run_slots(
    resolved: Resolved,
    run_id: str,
    folder: Path,
    fleet: Fleet,
    record: RunRecord,
    timings: Timings,
    hooks: Hooks,
    recording: Recording,
    resumed: Resumed | None,
) -> dict[str, int]:
    begun = time.perf_counter()
    config = resolved.coordinator_config(run_id, folder / LEDGER)
    app = resolved.app
    if resumed is None and app is None:  # what an app keeps from round to round is its own matter
        recording.begin()

    def nodes_of(address: str) -> tuple[NodeConfig, ...]:
        configs = resolved.node_configs(run_id, address, with_harvest=resolved.with_harvest)
        return configs if resumed is None else resumed.as_they_were(configs)

    open_slot = None if resumed is None else resumed.open_slot
    with (
        logging_to(folder / FLOWER_LOG),
        nullcontext() if app is None else fresh_apps(),
        open_session(fleet, config, folder, nodes_of, open_slot) as session,
        recording,
    ):
        timings.start_s = time.perf_counter() - begun
        recording.memories = session.memories
        recording.restarts_now = lambda: [
            {"exit_code": item.exit_code, "down_s": item.down_s} for item in session.restarts
        ]
        plan = run_plan(resolved)
        if resumed is not None:
            resumed.take_up(session.control)
            evaluate_last(plan, record)
            resumed.evaluated()
            plan = replace(plan, first_slot=resumed.first_slot, recall=resumed.recall)
        hooks.on_open(session.infer_addresses)
        slot_began = time.perf_counter()

        def finished(outcome: SlotOutcome) -> None:
            nonlocal slot_began
            now = time.perf_counter()
            timings.slots_s.append(now - slot_began)
            timings.decide_s.append(outcome.plan.decide_s)
            slot_began = now
            if app is None:
                recording.finished(outcome, timings.slots_s[-1], timings.decide_s[-1])
            session.check()
            hooks.on_slot(outcome)

        slot_time = SlotTime(session.control) if resolved.overrun is Overrun.CUT else None
        link = Link(
            control=slot_time or session.control,
            numbers=session.numbers,
            wait_s=CONTROL_WAIT_S + longest_switching_s(resolved.scenario),
            timeout_s=resolved.round_deadline_s,
            books=session.books,
            **({} if slot_time is None else {"in_time": slot_time.grid}),
        )
        watch = Watch(
            on_slot=finished,
            on_booked=recording.booked,
            before_begin=recording.settled,
            before_close=hooks.before_close,
        )
        grid = session.grid
        if app is not None:
            window = window_of(resolved.scenario)
            slots, seed = len(resolved.stages), resolved.scenario.seed
            run_app(app, grid, link, slots, window, watch, record, seed, failures())
            return session.processes
        schedule = Schedule(plan, link, watch, record)
        context = Context(
            run_id=grid.run.run_id, node_id=1, node_config={}, state=RecordDict(), run_config={}
        )
        division = division_of(resolved)
        build_server_app(schedule)(
            grid if division is None else PartsGrid(grid, division, grid.names), context
        )
    return session.processes


def run_plan(resolved: Resolved) -> RunPlan:
    """Stages and learning tasks of a run."""
    second = resolved.recycling
    return RunPlan(
        stages=resolved.stages,
        development=learning_task(resolved, resolved.task, Stage.DEVELOPMENT) if resolved.learns else None,
        recycling=None if second is None else learning_task(resolved, second, Stage.RECYCLING),
    )


def write_models(record: RunRecord, path: Path) -> None:
    """The last model of every learning stage in one safetensors file; none when nothing was learned.

    Arrays of types that safetensors lacks (of users' apps, e.g. complex128) are their bytes, along a last axis; the
    file's metadata names the type of each."""
    tensors, types = {}, {}
    for stage, arrays in record.models.items():
        for name, array in arrays.items():
            key, values = f"{stage.value}/{name}", np.asarray(array_view(array.data), order="C")
            if values.dtype.name not in KEPT_TYPES:
                types[key] = values.dtype.str
                values = values.reshape(*array.shape, 1).view(np.uint8)
            tensors[key] = values
    if tensors:
        try:
            save_file(tensors, path, metadata=types or None)
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
    values = values_of(resolved.scenario)
    values["task"]["data"] = resolved.data_used
    if resolved.language is not None:
        values["task"]["llm"]["sha256"] = resolved.language.sha256
    for told, service in zip(
        values["inference"]["services"],
        resolved.inference[0].services,
        strict=Stage.APPLICATION in resolved.stages,
    ):
        told["data"] = service.task.data
    path.write_text(tomli_w.dumps(values), encoding="utf-8")
