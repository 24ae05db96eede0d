"""Cost of learning and participation: grams and rounds to an accuracy, and Jain's index of participation.

The common measures of carbon-aware federated learning (methods.md section 3)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from experiments.report import style, units
from experiments.report.qoais.formulas import jain
from experiments.report.read import Run, Study
from experiments.report.tables import Column, Table
from protos.messages.terms import Stage


@dataclass(frozen=True, slots=True)
class Target:
    """The accuracy that runs are measured at."""

    accuracy_fraction: float | None
    """None: some run measured no accuracy at all."""
    is_what: str


@dataclass(frozen=True, slots=True)
class Learning:
    """One run on its way to the target."""

    rounds_to_accuracy: int | None
    """Development rounds up to the first that reaches the target; None: not reached."""
    grams_to_accuracy_g: float | None
    """Emitted by the whole testbed up to then, coordinator included."""
    jain_index: float | None
    """Of training slots per node, 1/N (one node ran all) .. 1; None: no node trained, or not recorded."""


def target_of(study: Study) -> Target:
    """The scenario's target, otherwise the highest accuracy that every run of the study reached."""
    given = {run.metadata.get("target_accuracy_fraction") for run in study}
    wanted = given.pop() if len(given) == 1 else None
    if wanted is not None:
        return Target(float(wanted), "the scenario's target")
    best = [_development(run)["test_accuracy"].max() for run in study]
    if any(pd.isna(value) for value in best):
        return Target(None, "no run-by-run accuracy to compare at")
    return Target(
        float(min(best)), "the highest accuracy that every run reached; task.target_accuracy_fraction sets it"
    )


def learning_of(run: Run, target: Target) -> Learning:
    """Rounds and grams to ``target``, and fairness."""
    nodes = run.tables["nodes"]
    shares = nodes["participations"].astype(float) if "participations" in nodes else None
    fairness = None if shares is None or shares.isna().any() else jain(shares)
    rounds = _development(run).sort_values("slot")
    if target.accuracy_fraction is not None:
        reached = (rounds["test_accuracy"] >= target.accuracy_fraction).to_numpy()
        if reached.any():
            first = int(reached.argmax())
            return Learning(first + 1, float(rounds["cumulative_g"].iloc[first]), fairness)
    return Learning(None, None, fairness)


def _development(run: Run) -> pd.DataFrame:
    rounds = run.tables["rounds"]
    return rounds[rounds["stage"] == Stage.DEVELOPMENT.value]


def as_json(study: Study, policy: str) -> dict[str, list[Any]]:
    """Fields of Learning by name, one value per seed."""
    target = target_of(study)
    found = [asdict(learning_of(run, target)) for run in study.runs[policy].values()]
    return {name: [one[name] for one in found] for name in found[0]}


def table(study: Study) -> Table:
    """One row per run."""
    target = target_of(study)
    rows = [
        {
            "policy": run.policy,
            "seed": run.seed,
            "target_accuracy_fraction": target.accuracy_fraction,
            **asdict(learning_of(run, target)),
            "participants_mean": float(_development(run)["participants"].mean()),
        }
        for run in study
    ]
    return Table(
        "learning",
        "Grams and rounds to an accuracy, and fairness",
        pd.DataFrame(rows),
        (
            Column("policy", "policy", style.policy_label, is_number=False),
            Column("seed", "seed"),
            Column("target_accuracy_fraction", "accuracy to reach", units.percent),
            Column("rounds_to_accuracy", "rounds to it", units.count),
            Column("grams_to_accuracy_g", "emissions to it", units.grams),
            Column("jain_index", "Jain’s index of participation", lambda value: units.number(value, 3)),
            Column("participants_mean", "nodes a round", lambda value: units.trimmed(value, 3)),
        ),
        note=f"Accuracy to reach: {target.is_what}. Runs continue after it; a dash: not reached.",
    )
