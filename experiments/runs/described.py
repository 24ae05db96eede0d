"""What a run leaves beside its ledger: rounds, metadata, and whether it may count as done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from carbon_data.units import from_pico
from coordinator.adapters.flower_server import RunRecord
from coordinator.ledger import head_of
from coordinator.policies.registry import docstring
from coordinator.tables.export import export_tables
from experiments.resolve.chosen_policy import policy_settings, short_look_ahead
from experiments.resolve.conversing import coordinator_turns
from experiments.resolve.listen import transport_security
from experiments.resolve.made import BOARDS_KEY
from experiments.resolve.network_factor import METADATA_KEY
from experiments.resolve.privacy import Spent
from experiments.resolve.resolved import Resolved
from experiments.run_folder.files import LEDGER, METADATA, SCENARIO, table_file
from experiments.run_folder.same_scenario import digest_of, scenario_digest, scenario_facts
from experiments.run_folder.versions import versions
from experiments.runs.failure import reasons_to_fail, troubles
from experiments.runs.signals import value_of, write_signals
from experiments.runs.unanswered import answered_turns, unanswered_turns
from experiments.scenario.privacy import PrivacySpec
from protos.messages.terms import Stage

ROWS = 100_000
"""Rows of a table in memory at a time."""
ROUND_COLUMNS = (
    "round",
    "slot",
    "stage",
    "participants",
    "num_examples",
    "train_loss",
    "test_loss",
    "test_accuracy",
    "cumulative_g",
    "personal_accuracy",
    "epsilon",
)


def export_run(
    resolved: Resolved,
    run_id: str,
    folder: Path,
    record: RunRecord,
    restarts: list[dict[str, Any]],
    processes: dict[str, int],
    resumptions: list[dict[str, Any]] | None = None,
) -> tuple[str, ...]:
    """Write tables and metadata; returns why the run may not count as done, if there is a reason."""
    scenario = resolved.scenario
    tables = export_tables(
        folder / LEDGER, folder, start=scenario.time.start, trace_step_s=scenario.time.trace_step_s
    )
    signals = write_signals(resolved, folder)
    spent = Spent(scenario.task.privacy)
    rows = round_rows(record, spent)
    pd.DataFrame(rows, columns=ROUND_COLUMNS).to_parquet(folder / table_file("rounds"), index=False)
    turns = coordinator_turns(resolved)
    unanswered = unanswered_turns(turns, record.outcomes, answered_turns(tables.get("requests")))
    reasons = reasons_to_fail(resolved, record.outcomes, work_of(tables["slots"]), unanswered)
    entries, head = head_of(folder / LEDGER)
    metadata = {
        "run_id": run_id,
        "ledger": {"entries": entries, "head": head},
        **_asked(resolved),
        "fleet": {
            "kind": scenario.fleet.kind,
            "processes": _process_count(scenario.fleet.kind, processes),
        },
        **_resolved_to(resolved),
        **({"turns": len(turns), "unanswered_turns": [asdict(each) for each in unanswered]} if turns else {}),
        "coordinator_restarts": restarts,
        **({"resumptions": resumptions} if resumptions else {}),
        "intensity_digest": _intensity_digest(resolved, signals),
        "failures": [
            {"slot": slot, "node_id": node_id, "reason": reason}
            for slot, node_id, reason in troubles(record.outcomes)
        ],
        "failed": list(reasons),
        **_accuracies(record, rows),
        **_personal(record),
        **({"privacy": spent.told()} if scenario.task.privacy.is_on else {}),
        "origins": resolved.origins,
        "assumptions": list(resolved.assumptions),
        "warnings": list(resolved.warnings),
        "transport_security": transport_security(scenario),
        "boards": list(resolved.made[BOARDS_KEY]),
        **resolved.made,
        "versions": versions(),
    }
    facts = scenario_facts((folder / SCENARIO).read_text(encoding="utf-8"), metadata)
    metadata["scenario_digest"] = scenario_digest(facts)
    (folder / METADATA).write_text(json.dumps(metadata, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return reasons


def _process_count(kind: str, processes: Mapping[str, int]) -> int:
    """Processes that host nodes; numbers of processes on different boards may be equal."""
    pids = [pid for name, pid in processes.items() if name != "coordinator"]
    return len(pids) if kind == "daemons" else len(set(pids))


def work_of(slots: Path) -> pd.DataFrame:
    """Released and unserved batches by slot and node from the table ``slots``, read part by part: rows without unserved
    batches are one a part."""
    parts = []
    with pq.ParquetFile(slots.absolute()) as file:
        for batch in file.iter_batches(
            ROWS, columns=["slot", "node_id", "released_batches", "unserved_batches"]
        ):
            part = batch.to_pandas().dropna()
            done = part[part["unserved_batches"] == 0]
            if len(done):
                served = done.iloc[[0]].assign(released_batches=done["released_batches"].sum())
                part = pd.concat([part[part["unserved_batches"] > 0], served])
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def round_rows(record: RunRecord, spent: Spent | None = None) -> list[dict[str, Any]]:
    """A row for each federated round, with the grams of the run up to its slot; rounds are counted in ``spent``."""
    rows, cumulative_pg = [], 0
    spent = spent or Spent(PrivacySpec())
    for outcome in record.outcomes:
        cumulative_pg += outcome.summary.emissions_pg
        if outcome.server_round is None:
            continue
        evaluation = outcome.evaluation
        spent.round(outcome.replies.sent, outcome.replies.aggregated)
        rows.append(
            {
                "round": outcome.server_round,
                "slot": outcome.slot,
                "stage": outcome.stage.value,
                "participants": len(outcome.replies.answered),
                "num_examples": int(outcome.replies.metrics.get("num-examples", 0)),
                "train_loss": outcome.replies.metrics.get("loss"),
                "test_loss": None if evaluation is None else evaluation.loss,
                "test_accuracy": None if evaluation is None else evaluation.accuracy_fraction,
                "personal_accuracy": mean_of(outcome.replies.personal),
                "cumulative_g": from_pico(cumulative_pg),
                "epsilon": spent.epsilon,
            }
        )
    return rows


def mean_of(values: Mapping[str, float]) -> float | None:
    """None without any."""
    return sum(values.values()) / len(values) if values else None


def _personal(record: RunRecord) -> dict[str, Any]:
    """Accuracy of each node's own model at its last measurement, where nodes measure it."""
    last: dict[str, float] = {}
    for outcome in record.outcomes:
        if outcome.stage is Stage.DEVELOPMENT:
            last |= outcome.replies.personal
    return {"personal_accuracy": last} if last else {}


def _asked(resolved: Resolved) -> dict[str, Any]:
    """What the scenario says of policy, time and task."""
    scenario = resolved.scenario
    return {
        "name": scenario.name,
        "policy": scenario.policy,
        "policy_options": policy_settings(scenario),
        **({"policy_says": docstring(scenario.policy)} if ":" in scenario.policy else {}),
        "seed": scenario.seed,
        "slot_s": resolved.slot_s,
        "trace_step_s": scenario.time.trace_step_s,
        "start": scenario.time.start.isoformat(),
        "stages": [stage.value for stage in resolved.stages],
        "task": resolved.task.name,
        "data_used": resolved.data_used,
        "data_origin": resolved.data_origin,
        "recycling_data": None if resolved.recycling is None else resolved.recycling.data,
        "target_accuracy_fraction": scenario.task.target_accuracy_fraction,
        "short_look_ahead": short_look_ahead(scenario) or None,
        "partition": scenario.task.partition,
        "strategy": scenario.task.strategy,
        "meter": ", ".join(dict.fromkeys(resolved.meters)),
    }


def _resolved_to(resolved: Resolved) -> dict[str, Any]:
    """Tokens, requests, services, the coordinator's place and the factor of the network."""
    scenario = resolved.scenario
    return {
        "tree_alpha_bits_per_token": scenario.tree.alpha_bits_per_token,
        "arrivals": scenario.inference.arrivals,
        "latency_target_s": scenario.inference.latency_target_s,
        "services": [
            {
                "name": service.name,
                "task": service.task.name,
                "data": service.task.data,
                "model": "untrained, drawn from the seed",
                "latency_target_s": service.latency_target_s,
            }
            for service in resolved.inference[0].services
        ],
        "coordinator_zone": resolved.body.zone,
        METADATA_KEY: resolved.network.as_metadata(),
    }


def _intensity_digest(resolved: Resolved, signals: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By zone, of the run's own slots: how far beyond them a series reaches depends on the policy. ``signals``: live
    intensities of every slot."""
    if resolved.scenario.intensity.is_live:
        frozen = {zone.zone: [value_of(signal, zone.zone) for signal in signals] for zone in resolved.zones}
        return {zone: digest_of(values) for zone, values in frozen.items()}
    slots = len(resolved.stages)
    return {zone.zone: digest_of(zone.intensity_g_per_kwh[:slots]) for zone in resolved.zones}


def _accuracies(record: RunRecord, rows: list[dict[str, Any]]) -> dict[str, Any]:
    development = [row["test_accuracy"] for row in rows if row["stage"] == Stage.DEVELOPMENT.value]
    return {
        "initial_accuracy": {
            stage.value: found.accuracy_fraction for stage, found in record.initial_evaluations.items()
        },
        "final_accuracy": development[-1] if development else None,
    }
