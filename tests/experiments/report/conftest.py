"""Sample run folders for the report's tests: a small honest simulator that keeps (D1)-(D4) and writes the
schema.

Test fixture only: its policies are greedy rules of thumb, its learning curve is a formula. What it shares
with a real
run is the schema and that the books balance.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.report.html import write_report
from experiments.report.read import Study, load
from tests.once import once

ZONES = (
    "US-NW-SCL",
    "US-NW-CHPD",
    "US-NW-GCPD",
    "US-NW-TPWR",
    "US-NE-ISNE",
    "US-MIDA-PJM",
    "US-SW-AZPS",
    "US-SE-SOCO",
    "US-NW-NEVP",
    "US-NW-GRID",
)
LEVELS = (24.0, 25.0, 37.0, 67.0, 285.0, 425.0, 458.0, 461.0, 479.0, 487.0)
PANELS_W = (0, 0, 0, 6, 0, 6, 9, 0, 9, 6)
STAGES = ("preparation",) * 1 + ("development",) * 15 + ("application",) * 6 + ("recycling",) * 2
SLOT_S, STEP_S, STATIC_W, NET_J_PER_BYTE, ALPHA = 20.0, 3600.0, 2.7, 2e-7, 70_423.0
CAPACITY_J, ETA, LOSS = 400.0, 0.95, 0.05
BATCH_J, BATCH_BYTES = 1.1, 6400


@dataclass
class Sample:
    """Rows of one simulated run."""

    slots: list[dict] = field(default_factory=list)
    lines: list[dict] = field(default_factory=list)
    batch_flows: list[dict] = field(default_factory=list)
    energy_flows: list[dict] = field(default_factory=list)
    rounds: list[dict] = field(default_factory=list)
    decisions: list[dict] = field(default_factory=list)


def simulate(
    policy: str, seed: int, nodes: int = 10, lost: dict[str, int] | None = None
) -> dict[str, pd.DataFrame]:
    """Tables of a run. ``lost``: node id -> slot from which it is dead (its slots are null, not zero)."""
    rng = np.random.default_rng(seed)
    zone = [ZONES[i % 10] for i in range(nodes)]
    hours = np.arange(len(STAGES))
    intensity = np.array(
        [
            [LEVELS[i % 10] * (1 + 0.18 * np.sin((h - 4 - i) / 24 * 2 * np.pi)) for i in range(nodes)]
            for h in hours
        ]
    )
    sun = np.clip(np.sin((hours - 6) / 14 * np.pi), 0, None) * (hours >= 6)
    clear = rng.uniform(0.55, 1.0, size=(len(hours), nodes))
    harvest = sun[:, None] * clear * np.array([PANELS_W[i % 10] for i in range(nodes)]) * SLOT_S
    if policy == "grid":
        harvest = harvest * 0
    ids = [f"node-{i:02d}" for i in range(nodes)]
    battery, out, total_g = np.zeros(nodes), Sample(), 0.0
    dead_from = {ids.index(node): slot for node, slot in (lost or {}).items()}
    for t, stage in enumerate(STAGES):
        c = intensity[t]
        dead = np.array([t >= dead_from.get(i, 10**9) for i in range(nodes)])
        own = np.where(dead, 0, 18 if stage == "development" else 8)
        moved = np.zeros((nodes, nodes), dtype=int)
        if policy in ("dat", "deta") and stage in ("development", "application"):
            clean = [i for i in np.argsort(c) if not dead[i]][: max(1, nodes // 5)]
            for i in range(nodes):
                if not dead[i] and c[i] > 1.5 * c[clean[0]]:
                    moved[i, clean[i % len(clean)]] = own[i] // 2
        run_here = own - moved.sum(axis=1) + moved.sum(axis=0)
        compute, static = run_here * BATCH_J, np.where(dead, 0.0, STATIC_W * SLOT_S)
        demand = compute + static
        after_own = np.maximum(0, harvest[t] - demand) * ~dead
        export = after_own * (0.5 if policy in ("det", "deta") else 0.0)
        sent = np.zeros((nodes, nodes))
        takers = [i for i in np.argsort(-c) if not dead[i] and harvest[t][i] < 0.4 * demand[i]][
            : max(1, nodes // 3)
        ]
        for i in range(nodes):
            for j in takers if export[i] > 0 else []:
                sent[i, j] = export[i] / len(takers)
        export, imported = sent.sum(axis=1), sent.sum(axis=0) * (1 - LOSS)
        bus = harvest[t] * ~dead + imported
        green = np.minimum(demand, bus - export)
        charge = (
            np.minimum(bus - export - green, (CAPACITY_J - battery) / ETA) * (panels_w(nodes) > 0) * ~dead
        )
        curtailed = bus - export - green - charge
        discharge = np.minimum(demand - green, battery * ETA) * ~dead
        green = green + discharge
        before, battery = battery, battery + ETA * charge - discharge / ETA
        grid = demand - green
        grams = grid / 3.6e6 * c
        for i in range(nodes):
            row = {
                "slot": t,
                "time": pd.Timestamp("2022-06-21T06:00Z") + pd.Timedelta(hours=t),
                "stage": stage,
                "node_id": ids[i],
                "zone": zone[i],
                "intensity_g_per_kwh": c[i],
                "alive": not dead[i],
                "awake": not dead[i],
                "metered": not dead[i],
            }
            values = {
                "demand_j": demand[i],
                "grid_j": grid[i],
                "green_j": green[i],
                "harvest_j": harvest[t][i],
                "charge_j": charge[i],
                "charge_loss_j": (1 - ETA) * charge[i],
                "discharge_j": discharge[i],
                "discharge_loss_j": discharge[i] * (1 / ETA - 1),
                "self_discharge_j": 0.0,
                "export_j": export[i],
                "import_j": imported[i],
                "curtailed_j": curtailed[i],
                "battery_before_j": before[i],
                "battery_after_j": battery[i],
                "released_batches": int(own[i]),
                "executed_batches": int(run_here[i]),
                "guest_batches": int(moved[:, i].sum()),
                "offloaded_batches": int(moved[i].sum()),
                "unserved_batches": 0,
                "tokens_in": int(run_here[i] * 24 * (stage == "application")),
                "tokens_out": int(run_here[i] * 40 * (stage == "application")),
                "bits": int(run_here[i] * 64 * 6272 * (stage == "application")),
                "requests": int(run_here[i] * 64 * (stage == "application")),
                "model_bytes": 1_272_080 if stage in ("development", "recycling") else 0,
                "operational_g": grams[i],
            }
            out.slots.append(row | (dict.fromkeys(values) if dead[i] else values))
            if dead[i]:
                continue
            for component, joules in (("compute", compute[i]), ("static", static[i])):
                share = joules / demand[i]
                busy = 0.6 if component == "static" else 1.0
                for owner_stage, part in ((stage, busy), ("unallocated", 1 - busy)):
                    if part > 0:
                        out.lines.append(
                            {
                                "slot": t,
                                "node_id": ids[i],
                                "zone": zone[i],
                                "stage": owner_stage,
                                "component": component,
                                "energy_j": joules * part,
                                "grid_j": grid[i] * share * part,
                                "operational_g": grams[i] * share * part,
                                "provenance": "modelled",
                            }
                        )
        model_g = 0.0
        payload = int(moved.sum()) * BATCH_BYTES + (
            2_544_160 * nodes if stage in ("development", "recycling") else 0
        )
        for name, joules, at in (
            ("network", payload * NET_J_PER_BYTE, float(c.mean())),
            ("coordinator", 0.7 * SLOT_S, float(c[0])),
            ("router", 0.4 * SLOT_S, float(c[0])),
        ):
            gram = joules / 3.6e6 * at
            model_g += gram
            out.lines.append(
                {
                    "slot": t,
                    "node_id": name,
                    "zone": zone[0],
                    "stage": stage if name == "network" else "unallocated",
                    "component": name,
                    "energy_j": joules,
                    "grid_j": joules,
                    "operational_g": gram,
                    "provenance": "modelled",
                }
            )
        total_g += float(grams[~dead].sum()) + model_g
        out.batch_flows += [
            {
                "slot": t,
                "owner": ids[i],
                "executor": ids[j],
                "batches": int(moved[i, j]),
                "payload_bytes": int(moved[i, j]) * BATCH_BYTES,
            }
            for i, j in zip(*np.nonzero(moved), strict=True)
        ]
        out.energy_flows += [
            {
                "slot": t,
                "donor": ids[i],
                "recipient": ids[j],
                "sent_j": sent[i, j],
                "received_j": sent[i, j] * (1 - LOSS),
                "status": "posted",
            }
            for i, j in zip(*np.nonzero(sent), strict=True)
        ]
        if stage in ("development", "recycling"):
            k = len(out.rounds) + 1
            learned = 1 - 0.55 * np.exp(-k / 2.6) - 0.03 if stage == "development" else 0.6 + 0.15 * (k - 15)
            out.rounds.append(
                {
                    "round": k,
                    "slot": t,
                    "stage": stage,
                    "participants": int((~dead).sum()),
                    "num_examples": 1437,
                    "train_loss": float(1.9 * np.exp(-k / 3)),
                    "test_loss": float(2 * np.exp(-k / 3)),
                    "test_accuracy": float(np.clip(learned + rng.normal(0, 0.004), 0, 1)),
                    "cumulative_g": total_g,
                }
            )
        status = "rule" if policy in ("grid", "local") else "optimal"
        if policy == "dat" and t == 9:
            status = "fallback: local, solver ran out of time"
        out.decisions.append(
            {
                "slot": t,
                "status": status,
                "gap_fraction": 0.0 if status == "optimal" else None,
                "objective_g": float(grams.sum()),
            }
        )
    tables = {
        name: pd.DataFrame(rows, columns=None if rows else COLUMNS[name]) for name, rows in vars(out).items()
    }
    sums = (
        tables["slots"]
        .groupby(["node_id", "zone"])[
            ["demand_j", "grid_j", "operational_g", "tokens_in", "tokens_out", "bits", "executed_batches"]
        ]
        .sum()
        .reset_index()
    )
    tokens = sums["tokens_in"] + sums["tokens_out"]
    sums["tree_node_bit_per_j"] = (sums["bits"] + ALPHA * tokens) / sums["demand_j"]
    sums["tree_generated_node_bit_per_j"] = (sums["bits"] + ALPHA * sums["tokens_out"]) / sums["demand_j"]
    sums["ee_node_bit_per_j"] = sums["bits"] / sums["demand_j"]
    return tables | {"nodes": sums.assign(static_w=STATIC_W)}


def panels_w(nodes: int) -> np.ndarray:
    return np.array([PANELS_W[i % 10] for i in range(nodes)])


COLUMNS = {
    "batch_flows": ["slot", "owner", "executor", "batches", "payload_bytes"],
    "energy_flows": ["slot", "donor", "recipient", "sent_j", "received_j", "status"],
}


def write_sample(folder: Path, policy: str, seed: int, **options: object) -> Path:
    """A finished run folder."""
    folder.mkdir(parents=True)
    for name, frame in simulate(policy, seed, **options).items():  # type: ignore[arg-type]
        frame.to_parquet(folder / f"{name}.parquet")
    metadata = {
        "run_id": folder.name,
        "name": "sample",
        "policy": policy,
        "seed": seed,
        "slot_s": SLOT_S,
        "trace_step_s": STEP_S,
        "start": "2022-06-21T06:00:00+00:00",
        "task": "mnist-mlp",
        "data_used": "digits (1,797 images, ships with scikit-learn)",
        "versions": {"detabed": "0.1.0", "python": "3.11.9"},
        "tree_alpha_bits_per_token": ALPHA,
        "assumptions": [
            "Transfers of energy are accounted, not physical: sites share a grid.",
            "alpha of TREE follows prices.",
        ],
        "origins": {
            zone: {
                "source": "simulated for a test",
                "licence": "CC0",
                "signal": "average",
                "scope": "life-cycle",
                "provenance": "modelled",
                "sha256": "ab" * 32,
            }
            for zone in ZONES
        },
        "coordinator_restarts": [],
        "command": f"detabed run scenario.toml --policy {policy} --seed {seed}",
    }
    (folder / "metadata.json").write_text(json.dumps(metadata))
    (folder / "scenario.toml").write_text('name = "sample"\n')
    (folder / "timings.json").write_text(json.dumps({"total_s": 12.5, "decide_s": [0.01, 0.02]}))
    (folder / "DONE").write_text("")
    return folder


@pytest.fixture(scope="session")
def write_sample_run() -> Callable[..., Path]:
    """``write_sample_run(folder, policy, seed, **options)`` -> finished run folder."""
    return write_sample


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """``make_run(policy, seed, **options)`` -> finished run folder."""
    return lambda policy="deta", seed=0, **options: write_sample(
        tmp_path / f"sample-{policy}-s{seed}", policy, seed, **options
    )


@pytest.fixture
def make_compare(tmp_path: Path) -> Callable[..., Path]:
    """``make_compare(policies, seeds)`` -> compare folder."""

    def make(
        policies: tuple[str, ...] = ("grid", "local", "det", "dat", "deta"),
        seeds: tuple[int, ...] = (0, 1, 2),
        **options: object,
    ) -> Path:
        folder = tmp_path / "sample-compare"
        for policy in policies:
            for seed in seeds:
                write_sample(folder / f"{policy}-s{seed}", policy, seed, **options)
        return folder

    return make


@pytest.fixture
def study(make_run: Callable[..., Path]) -> Study:
    """Recycling reaches 0.99 before and after; development goes 0.3, 0.6, 0.8, 0.7. Target: 0.75."""
    folder = make_run("deta", 0)
    path = folder / "rounds.parquet"
    made = pd.read_parquet(path).iloc[:6].copy()
    made["slot"] = made["round"] = [5, 1, 4, 2, 3, 6]
    made["stage"] = ["development", "recycling", "development", "development", "development", "recycling"]
    made["test_accuracy"] = [0.7, 0.99, 0.8, 0.3, 0.6, 0.99]
    made["cumulative_g"] = [50.0, 10.0, 41.0, 20.0, 30.0, 60.0]
    made.to_parquet(path)
    metadata = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps(metadata | {"target_accuracy_fraction": 0.75}))
    return load(folder)


@pytest.fixture(scope="session")
def compared() -> Path:
    """A comparison with its report; a node of one run is lost. Not to be written to."""
    return once("sample-comparison", compare_samples) / "compare"


def compare_samples(root: Path) -> None:
    folder = root / "compare"
    for policy in ("grid", "local", "dat", "deta"):
        for seed in (0, 1):
            lost = {"node-05": 14} if (policy, seed) == ("dat", 1) else None
            write_sample(folder / f"{policy}-s{seed}", policy, seed, lost=lost)
    write_report(folder)


@pytest.fixture(scope="module")
def folder(small_comparison: Path) -> Path:
    return small_comparison / "deta-s0"
