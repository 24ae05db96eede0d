"""One run of the study: a kind, a seed."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.report.read import load_run
from experiments.run_folder.verify import verify_run
from experiments.runs.compare import run_single
from experiments.studies.fei.engine import content_key
from experiments.studies.import_closure import closure_digest
from experiments.studies.kinds.kinds import scenario_of


@dataclass(frozen=True, slots=True)
class KindCell:
    """A kind with a seed, over so many rounds."""

    kind: str
    seed: int
    rounds: int

    @property
    def weight(self) -> float:
        return float(self.rounds)

    def key(self) -> str:
        return content_key("kinds", asdict(self), closure_digest(__name__))

    def compute(self, scratch: Path) -> dict[str, Any]:
        """Accuracy of the global model (None: there is none), of the nodes' own, joules, grams, bytes and privacy;
        length of a slot (s), and joules and grams of the nodes' static power."""
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "run"
            scenario = scenario_of(self.kind, self.seed, self.rounds)
            run_single(scenario, made, Console(quiet=True), quiet=True, draw=False)
            run, books = load_run(made), verify_run(made)
        rounds = run.tables["rounds"].sort_values("round")
        last, lines = rounds.iloc[-1], run.tables["lines"]
        static = lines[lines["component"] == "static"]
        personal = run.metadata.get("personal_accuracy", {})
        privacy = run.metadata.get("privacy", {})
        return {
            "accuracy": _value(last["test_accuracy"]),
            "personal_accuracy": sum(personal.values()) / len(personal) if personal else None,
            "energy_j": float(lines["energy_j"].sum()),
            "emissions_g": float(last["cumulative_g"]),
            "slot_s": float(run.metadata["slot_s"]),
            "static_j": float(static["energy_j"].sum()),
            "static_g": float(static["operational_g"].sum()),
            "sent_bytes": int(run.tables["slots"]["model_bytes"].sum()),
            "epsilon": privacy.get("epsilon"),
            "delta": privacy.get("delta"),
            "ledger_ok": bool(books["ok"]),
        }


def _value(value: Any) -> float | None:
    return None if value is None or value != value else float(value)
