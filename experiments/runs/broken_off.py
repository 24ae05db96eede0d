"""``detabed resume``: whether the run in a folder can go on, found out before anything is changed."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from carbon_data.own_code import look_beside
from coordinator.ledger import LedgerEmptyError
from coordinator.ledger.store import open_read_only
from experiments.errors import UsageError
from experiments.run_folder.about import UNCHOSEN, About
from experiments.run_folder.checkpoint import WAITING_BY_REPORTS, read_state
from experiments.run_folder.digest import scenario_sha256
from experiments.run_folder.failed import failure_of
from experiments.run_folder.files import COMPARE, COMPARING, DONE, LEDGER, SCENARIO
from experiments.run_folder.present import require_folder
from experiments.scenario.model import Scenario, load_scenario, parse_scenario

AGAIN = "run its scenario.toml again"
COORDINATOR_GONE_S = 15.0
"""Longest wait for the coordinator of a killed run: it ends with its runner."""


@dataclass(frozen=True)
class BrokenOff:
    """A run that can go on."""

    folder: Path
    scenario: Scenario
    state: dict[str, Any]
    """Of its checkpoint."""


@dataclass(frozen=True)
class BrokenOffComparison:
    """A comparison that can go on."""

    folder: Path
    scenario: Scenario
    policies: tuple[str, ...]
    seeds: int
    about: About = UNCHOSEN


def find(folder: Path) -> BrokenOff | BrokenOffComparison:
    """What can go on in ``folder``. Raises UsageError, with what to do instead, where nothing can."""
    require_folder(folder)
    if (folder / DONE).exists():
        raise UsageError(
            f"{folder} is DONE: nothing is left to resume; `detabed report {folder}` draws its report again"
        )
    if (folder / COMPARING).exists():
        return _comparison(folder)
    if (folder / COMPARE).exists():
        raise UsageError(
            f"{folder}: the comparison came to its end, and {failure_of(folder) or 'is over'}; compare again"
        )
    if not (folder / SCENARIO).is_file() and (why := failure_of(folder)):
        raise UsageError(
            f"{folder}: all runs of the comparison failed, and none can go on: {why}; compare again"
        )
    return broken_off(folder)


def broken_off(folder: Path) -> BrokenOff:
    """The run in ``folder``, which is not DONE. Raises UsageError."""
    if not (folder / SCENARIO).is_file():
        raise UsageError(
            f"{folder} has no {SCENARIO}: it is no run folder, or its run never began; "
            "give the folder that `detabed run` or `compare` printed"
        )
    scenario = load_scenario(folder / SCENARIO)
    if scenario.fleet.kind == "virtual":
        raise UsageError(
            f"{folder}: runs on a virtual fleet are not resumed (they keep no checkpoints): {AGAIN}"
        )
    if scenario.task.is_app:
        raise UsageError(
            f"{folder}: runs of a Flower app are not resumed, for what the app keeps cannot be stored from outside: "
            f"{AGAIN}"
        )
    state = read_state(folder)
    if state is None:
        if why := failure_of(folder):
            raise UsageError(f"{folder}: the run failed by itself, and would again: {why}")
        raise UsageError(
            f"{folder} has no checkpoint: the run was broken off before it began, or its version keeps none; {AGAIN}"
        )
    if not (folder / LEDGER).is_file() or (folder / LEDGER).stat().st_size == 0:
        raise UsageError(
            f"{folder} has no ledger: the run was broken off before anything was booked; {AGAIN}"
        )
    try:
        open_read_only(folder / LEDGER)[0].close()
    except LedgerEmptyError as error:
        raise UsageError(
            f"{folder}: the run was broken off before anything was booked ({error}); {AGAIN}"
        ) from error
    if state["version"] != version("detabed"):
        raise UsageError(
            f"{folder} was begun by detabed {state['version']}, this is {version('detabed')}: resume it with that "
            f"version, or {AGAIN}"
        )
    if state["format"] == WAITING_BY_REPORTS and scenario.limits.deadline_slots > 0:
        raise UsageError(
            f"{folder} was begun by an earlier detabed {state['version']} (checkpoint format "
            f"{WAITING_BY_REPORTS}), which counted work that waits (limits.deadline_slots) otherwise; this one cannot "
            f"resume it: resume it with the one that began it, or {AGAIN}"
        )
    if state["scenario_sha256"] != scenario_sha256(folder):
        raise UsageError(
            f"{folder / SCENARIO} was changed since the run began; take the change back, or run it in another folder"
        )
    if state["not_kept"]:
        raise UsageError(
            f"{folder}: the state of strategy {state['not_kept']} cannot be kept, so that its stage cannot go on; "
            f"{AGAIN}"
        )
    look_beside(None if state["own_code"] is None else Path(state["own_code"]))
    return BrokenOff(folder, scenario, state)


def _comparison(folder: Path) -> BrokenOffComparison:
    path = folder / COMPARING
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        given = told["version"], told["scenario"], tuple(told["policies"]), int(told["seeds"])
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is damaged ({error}); compare again in another folder") from None
    begun_by, text, policies, seeds = given
    if begun_by != version("detabed"):
        raise UsageError(
            f"{folder} was begun by detabed {begun_by}, this is {version('detabed')}: resume it with that version, or "
            "compare again"
        )
    look_beside(None if told["own_code"] is None else Path(told["own_code"]))
    scenario = parse_scenario(text, str(path), folder)
    return BrokenOffComparison(folder, scenario, policies, seeds, About.from_metadata(told))


def await_coordinator(
    folder: Path, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Wait until no coordinator holds the ledger of ``folder``: that of a killed run ends a moment after it. Raises
    UsageError when it does not."""
    until = clock() + COORDINATOR_GONE_S
    descriptor = os.open(folder / f"{LEDGER}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if clock() >= until:
                    raise UsageError(
                        f"{folder}: a coordinator still holds its ledger; end that process first"
                    ) from None
                sleep(0.1)
    finally:
        os.close(descriptor)
