"""``kill -9`` of runner or raylet at random moments, and ``detabed resume``: books are sound, and what was metered is
what an undisturbed run meters."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import psutil
import pytest

from experiments.run_folder.files import DONE, LEDGER
from tests.scenarios import SMALL

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]
NOTHING_BOOKED = 2
"""Exit code of a resume of a run that was killed before anything was booked."""
ENDS_S = 900.0
"""Longest that a run may take on a busy machine; one whose raylet was killed ends by itself."""


class Command:
    """``detabed`` with these arguments, in a process."""

    def __init__(self, *arguments: str) -> None:
        self._process = psutil.Popen(
            [sys.executable, "-P", "-m", "experiments.cli", *arguments, "--no-report"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill_in(self, seconds: float, victim: str, booked: Path | None) -> bool:
        """Kill it, or its child called ``victim``, after so long; with ``booked`` after so long since that file is
        there. False: it had ended, or had no such child."""
        while booked is not None and not booked.exists() and self._process.poll() is None:
            time.sleep(0.02)
        time.sleep(seconds)
        with contextlib.suppress(psutil.NoSuchProcess):
            own = self._process.children(recursive=True)
            found = [self._process] if victim == "runner" else [p for p in own if p.name() == victim]
            if self._process.poll() is None and found:
                found[0].kill()
                return True
        return False

    def end(self, timeout_s: float = ENDS_S) -> tuple[int, str]:
        """Exit code, and what it said."""
        try:
            _, said = self._process.communicate(timeout=timeout_s)
        finally:
            if self._process.poll() is None:
                self._process.kill()
        return int(self._process.returncode), said


RAY = 'kind = "ray"\nprocesses = 2'


@pytest.mark.parametrize(
    ("fleet", "kills", "victims"),
    [
        pytest.param('kind = "inprocess"', 2, ("runner",), id="some"),
        pytest.param(RAY, 1, ("raylet",), id="raylet"),
        pytest.param('kind = "inprocess"', 100, ("runner",), id="runner", marks=pytest.mark.long),
        pytest.param(RAY, 50, ("runner", "raylet"), id="ray", marks=pytest.mark.long),
    ],
)
def test_a_killed_run_is_resumed_until_it_is_done(
    tmp_path: Path, fleet: str, kills: int, victims: tuple[str, ...]
) -> None:
    found = kill_runs(tmp_path, fleet, victims, kills, seed=kills)
    print(f"{found}, 0 lost, 0 doubled")


def kill_runs(folder: Path, fleet: str, victims: Sequence[str], kills: int, seed: int) -> dict[str, int]:
    """Kill ``victims`` of runs, and resume these until they are done, so many times. Returns figures."""
    chance, killed, gaps, runs = random.Random(seed), Counter[str](), 0, 0
    # Gaps leave work undone, which is no fault here.
    nothing = (
        '[harvest]\nkind = "none"\n[battery]\ncapacity_wh = 0\n[tolerance]\nunserved_fraction = 1\n[fleet]'
    )
    scenario = folder / "small.toml"
    scenario.write_text(SMALL.replace('kind = "inprocess"', fleet).replace("[fleet]", nothing))
    begun = time.monotonic()
    code, said = Command("run", str(scenario), "-o", str(folder / "whole")).end()
    whole_s = time.monotonic() - begun
    assert code == 0, said
    whole = pd.read_parquet(folder / "whole" / "slots.parquet")
    while killed.total() < kills:
        runs += 1
        run = folder / f"run{runs}"
        command = Command("run", str(scenario), "-o", str(run))
        while not (run / DONE).exists():
            victim = ""
            if killed.total() < kills:
                victim = chance.choice(victims)
                # Start-up takes most of a short run's time: half of the kills come in what follows it.
                booked = run / LEDGER if chance.random() < 0.5 else None
                if not command.kill_in(chance.uniform(0.0, whole_s / (4 if booked else 1)), victim, booked):
                    victim = ""
                if victim:
                    killed[victim] += 1
            code, said = command.end()
            if victim == "raylet" and code:
                assert "Traceback" not in said, said
                assert "failed: " in said, (code, said)
            if code == NOTHING_BOOKED or not run.exists():
                assert "before anything was booked" in said or not run.exists(), said
                break
            assert code in (0, 1, -9), said
            command = Command("resume", str(run)) if code else command
        else:
            gaps += same_as_undisturbed(run, whole)
    return {**killed, "runs": runs, "gaps": gaps, "node slots": runs * len(whole)}


def same_as_undisturbed(folder: Path, whole: pd.DataFrame) -> int:
    """Asserts that books are sound and each node's slot is a gap or as undisturbed. Returns the gaps."""
    verified = subprocess.run(
        [sys.executable, "-P", "-m", "experiments.cli", "ledger", "verify", str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=ENDS_S,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
    ours = pd.read_parquet(folder / "slots.parquet")
    assert len(ours) == len(whole)
    metered = ours["metered"].to_numpy(bool)
    for column in ("demand_j", "executed_batches"):
        assert ours[column][metered].equals(whole[column][metered]), column
    return int((~metered).sum())
