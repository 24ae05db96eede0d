"""A day of the study as a whole booked run: the same grams as the horizon simulator's."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from coordinator.policies.registry import make_policy
from coordinator.simulator.simulate import World, simulate
from experiments.report.read import load_run
from experiments.resolve.foresight import whole_run
from experiments.resolve.resolve import resolve
from experiments.run_folder.verify import verify_run
from experiments.runs.compare import run_single
from experiments.runs.export import information
from experiments.runs.regret import comparable_g
from experiments.studies.fei.engine import content_key
from experiments.studies.forecasts.days import BY_NAME, DIRECT, scenario_of
from experiments.studies.import_closure import closure_digest

POLICIES = ("local", "deta")


@dataclass(frozen=True, slots=True)
class BookedCell:
    """LOCAL and DETA with issued forecasts, learning for real and booked in a ledger, and simulated."""

    start: datetime
    zones: tuple[str, ...]
    deadline_slots: int
    regime: str = "issued"

    @property
    def weight(self) -> float:
        return 10.0

    def key(self) -> str:
        return content_key("booked", asdict(self), closure_digest(__name__))

    def compute(self, scratch: Path) -> dict[str, Any]:
        """For each policy the booked and the simulated grams of (D0), and whether the books hold."""
        found = {}
        for policy in POLICIES:
            scenario = scenario_of(
                self.start,
                self.zones,
                DIRECT,
                BY_NAME[self.regime],
                deadline_slots=self.deadline_slots,
                policy=policy,
            )
            resolved = resolve(scenario)
            with tempfile.TemporaryDirectory() as folder:
                run = Path(folder) / "run"
                run_single(scenario, run, Console(quiet=True), quiet=True, draw=False)
                booked_g = comparable_g(load_run(run).tables, resolved.net_j_per_byte)
                books = verify_run(run)
            simulated = simulate(
                World(whole_run(resolved)), make_policy(policy), information(resolved), scenario.seed
            )
            found[policy] = {
                "booked_g": booked_g,
                "simulated_g": simulated.emissions_g,
                "difference_fraction": simulated.emissions_g / booked_g - 1.0,
                "ledger_ok": bool(books["ok"]),
                "transactions": int(books["transactions"]),
            }
        return {"policies": found}
