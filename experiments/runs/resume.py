"""Runs of a folder that go on: what stands, what goes on, and what a comparison needs to be resumed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from carbon_data.files.whole import write_durably
from carbon_data.own_code import VARIABLE
from experiments.resolve.resolved import Resolved
from experiments.run_folder.about import UNCHOSEN, About
from experiments.run_folder.checkpoint import read_state
from experiments.run_folder.failed import failure_of
from experiments.run_folder.files import COMPARING, DONE, LEDGER
from experiments.runs.broken_off import BrokenOff, await_coordinator, broken_off
from experiments.runs.resumed import Resumed, resumed
from experiments.runs.run import run_id_of, run_plan
from experiments.scenario.model import Scenario
from experiments.scenario.written import text_of


def run_name(policy: str, seed: int) -> str:
    """Folder of a run in a comparison's."""
    return f"{policy.replace(':', '.').replace('+', '.')}-s{seed}"


def going_on(found: BrokenOff, resolved: Resolved) -> Resumed:
    """How far a run got. Raises UsageError, with nothing changed, where it cannot go on."""
    await_coordinator(found.folder)
    config = resolved.coordinator_config(run_id_of(resolved.scenario), found.folder / LEDGER)
    return resumed(found.folder, found.state, config, run_plan(resolved))


def standings(
    folder: Path, specs: Sequence[Scenario], resolved: Callable[[Scenario], Resolved]
) -> dict[str, Resumed | str]:
    """How the runs of a comparison stand, by name: where one goes on, or, of one that is over, why it failed ("": it is
    DONE).

    Those still to be run are left out; what there is of their folders is removed: it has no book, or its book has an
    open slot and the run can be repeated exactly. Policies are compared without gaps where that costs no reading.

    Raises UsageError, with nothing changed, where one cannot go on."""
    found: dict[str, Resumed | str] = {}
    anew = []
    for spec in specs:
        name = run_name(spec.policy, spec.seed)
        stands = _standing(folder / name)
        if isinstance(stands, BrokenOff):
            goes_on = going_on(stands, resolved(spec))
            if goes_on.lost is not None and _repeats_exactly(resolved(spec)):
                anew.append(folder / name)
            else:
                found[name] = goes_on
        elif stands is not None:
            found[name] = stands
        elif (folder / name).is_dir():
            anew.append(folder / name)
    for path in anew:
        shutil.rmtree(path)
    return found


def _repeats_exactly(resolved: Resolved) -> bool:
    """Whether the run can be repeated: no sensor is read, no real time is measured, no noise comes from the operating
    system, and no board or cluster still has a part in the one that was broken off. What was released under noise that
    cannot be drawn again stays released, and counts."""
    spec = resolved.scenario
    own = spec.fleet.kind != "daemons" and spec.fleet.address is None
    privacy = spec.task.privacy
    follows_seed = privacy.seeded or privacy.kind == "none"
    return own and follows_seed and spec.time.clock != "wall" and set(resolved.meters) == {"modelled"}


def _standing(folder: Path) -> BrokenOff | str | None:
    if (folder / DONE).exists():
        return ""
    state = read_state(folder) if folder.is_dir() else None
    if state is None and (why := failure_of(folder)):
        return why.removeprefix(f"{folder}: ")
    booked = (folder / LEDGER).is_file() and (folder / LEDGER).stat().st_size > 0
    return broken_off(folder) if state is not None and booked else None


def write_comparing(
    scenario: Scenario, policies: tuple[str, ...], seeds: int, folder: Path, about: About = UNCHOSEN
) -> None:
    """What a comparison is resumed from."""
    told = {
        "version": version("detabed"),
        "own_code": os.environ.get(VARIABLE),
        "scenario": text_of(scenario),
        "policies": list(policies),
        "seeds": seeds,
        **about.as_metadata(),
    }
    write_durably(folder / COMPARING, (json.dumps(told, indent=1) + "\n").encode())
