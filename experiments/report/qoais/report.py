"""The QoAIS report of a finished run or comparison: six dimensions of the survey's Table 3, and carbon.

QoAIS: quality of AI service, after section 5.2 and Table 3 of the survey of AI and communication for 6G networks; the
formulas are those of methods.md section 7. Measured: counted, timed or evaluated in the run, or from joules that were
all metered. Figures from energies and board times have the provenance of their readings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.report.lifecycle import lifecycle_of_study
from experiments.report.provenance import known_of
from experiments.report.qoais.carbon import carbon
from experiments.report.qoais.computation import computation
from experiments.report.qoais.connection import connection
from experiments.report.qoais.data import data
from experiments.report.qoais.evidence import Evidence
from experiments.report.qoais.indicator import Indicator, Status
from experiments.report.qoais.orchestration import orchestration
from experiments.report.qoais.performance import performance
from experiments.report.qoais.security import security
from experiments.report.read import Run, Study, load


def indicators(study: Study, run: Run) -> list[Indicator]:
    """All indicators of ``run``; boundaries over seeds and reductions use the other runs of ``study``."""
    evidence = Evidence(run)
    return [
        *performance(evidence, list(study.runs[run.policy].values())),
        *connection(evidence),
        *data(evidence),
        *computation(evidence),
        *security(evidence),
        *orchestration(evidence),
        *carbon(evidence, study),
    ]


def readings(run: Run) -> dict[str, float]:
    """Share of the booked energy by provenance: measured, modelled, replayed."""
    return dict(known_of(run).shares)


def qoais_of(folder: Path) -> dict[str, Any]:
    """QoAIS and life cycle of a run folder, or per policy (its first seed) of a compare folder.

    Raises carbon_data.types.DataError on an unfinished or damaged folder.
    """
    study = load(Path(folder))
    policies = {}
    for policy in study.policies:
        run = study.first(policy)
        found = indicators(study, run)
        policies[policy] = {
            "run_id": run.metadata["run_id"],
            "seed": run.seed,
            "energy_readings": readings(run),
            "counts": {status.value: sum(one.status is status for one in found) for status in Status},
            "indicators": [one.as_dict() for one in found],
        }
    return {"run": Path(folder).name, "qoais": policies, "lifecycle": lifecycle_of_study(study)}
