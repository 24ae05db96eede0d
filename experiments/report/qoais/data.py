"""Data: the nodes' shares, their differences, and the time of preparation."""

from __future__ import annotations

import numpy as np

from edge_node.tasks.data.dataset import Dataset
from experiments.report.provenance import joules_by_provenance, known_from, missing_fraction
from experiments.report.qoais.evidence import COLUMNS, Evidence
from experiments.report.qoais.formulas import balance, effective_dimension, entropy_bits, jensen_shannon_bits
from experiments.report.qoais.indicator import Dimension, Indicator, Row
from experiments.report.read import Run

FEATURE_EXAMPLES = 500
HISTOGRAM_BINS = 256


def data(evidence: Evidence) -> list[Indicator]:
    """Indicators of Table 3's data line."""
    return [
        _redundancy(evidence),
        *_completeness(evidence),
        Row(Dimension.DATA, "data accuracy").manual(
            "share of right labels",
            "there is no second labelling of the data: a person has to sample and judge",
        ),
        _preparation(evidence.run),
        *_balance(evidence),
        *_dynamics(evidence),
    ]


def _redundancy(evidence: Evidence) -> Indicator:
    row, found = Row(Dimension.DATA, "feature redundancy"), evidence.dataset
    if found is None or evidence.task is None:
        return row.lacking("feature redundancy", evidence.why["dataset"])
    chosen = np.linspace(0, found.num_train - 1, min(FEATURE_EXAMPLES, found.num_train)).round().astype(int)
    x, _ = evidence.task.inputs({name: array[chosen] for name, array in found.train.items()})
    if not x.is_floating_point():
        counts = np.bincount(x.numpy().ravel())
        value = 1.0 - entropy_bits(counts) / float(np.log2(max(2, len(counts))))
        formula = "1 - H(symbol) / log2(symbols)"
    else:
        features = x.reshape(len(x), -1).numpy().astype(np.float64)
        value = 1.0 - effective_dimension(features) / min(features.shape)
        formula = "1 - exp(entropy of the principal components' variance) / dimensions"
    return row.measured(
        "feature redundancy", value, "fraction", formula, "data", f"{len(chosen)} training examples"
    )


def _completeness(evidence: Evidence) -> list[Indicator]:
    row, run, found = Row(Dimension.DATA, "completeness"), evidence.run, evidence.dataset
    nodes = run.tables["nodes"]
    counted = "num_examples" in nodes and not evidence.by_columns
    held = float(nodes["num_examples"].sum()) if counted else None
    slots = run.tables["slots"]
    return [
        row.maybe(
            "training examples held",
            None if found is None or held is None else held / found.num_train,
            "fraction",
            "examples of all nodes / examples of the training set",
            "nodes.parquet, data",
            evidence.why.get(
                "dataset", COLUMNS if evidence.by_columns else "nodes.parquet has no num_examples"
            ),
        ),
        row.measured(
            "readings present",
            float(slots["demand_j"].notna().mean()),
            "fraction",
            "node-slots with demand_j / all node-slots",
            "slots.parquet",
        ),
    ]


def _preparation(run: Run) -> Indicator:
    """Busy time by (L2): static energy attributed to the stage over static power."""
    row = Row(Dimension.DATA, "time-consuming data preparation")
    lines, nodes = run.tables["lines"], run.tables["nodes"]
    static = lines[(lines["stage"] == "preparation") & (lines["component"] == "static")]
    if static.empty or "static_w" not in nodes or not (nodes["static_w"] > 0).all():
        return row.lacking(
            "preparation time", "the run has no preparation stage, or boards without static power"
        )
    busy_s = static.groupby("node_id")["energy_j"].sum() / nodes.set_index("node_id")["static_w"]
    return row.known(
        "preparation time",
        float(busy_s.mean()),
        "s",
        "mean over nodes of static energy of preparation / static power, board time",
        "lines.parquet, nodes.parquet",
        known_from(joules_by_provenance(static), missing_fraction=missing_fraction(run)),
    )


def _balance(evidence: Evidence) -> list[Indicator]:
    row = Row(Dimension.DATA, "sample space balance")
    found, shares = evidence.dataset, evidence.shares
    if found is None or shares is None:
        return [row.lacking("class entropy", evidence.why.get("dataset") or evidence.why["shares"])]
    counts = _counts(found, shares)
    what = "classes (of texts: speakers or passages)"
    own = [value for one in counts if (value := balance(one)) is not None]
    why = f"the data have one of these {what} only"
    source = "data, scenario.toml"
    return [
        row.maybe(
            "class entropy", balance(counts.sum(axis=0)), "fraction", f"H / log2 K over {what}", source, why
        ),
        row.maybe(
            "class entropy of the least balanced node",
            min(own) if own else None,
            "fraction",
            f"min over nodes of H / log2 K over {what}",
            source,
            why,
        ),
    ]


def _dynamics(evidence: Evidence) -> list[Indicator]:
    row = Row(Dimension.DATA, "sample distribution dynamics")
    found, shares, second = evidence.dataset, evidence.shares, evidence.recycling_dataset
    if found is None or shares is None:
        return [row.lacking("drift", evidence.why.get("dataset") or evidence.why["shares"])]
    counts = _counts(found, shares)
    whole = counts.sum(axis=0)
    by_node = [jensen_shannon_bits(one, whole) for one in counts]
    formula = "Jensen-Shannon divergence of {}"
    source = "data, scenario.toml"
    result = [
        row.measured(
            f"difference between nodes, {name}",
            float(value),
            "bit",
            f"{name} over nodes; {formula.format('a node’s classes from all nodes’')}",
            source,
        )
        for name, value in (("mean", np.mean(by_node)), ("max", max(by_node)))
    ]
    drift = None if second is None else jensen_shannon_bits(_histogram(found), _histogram(second))
    return [
        *result,
        row.maybe(
            "drift from the first to the second task",
            drift,
            "bit",
            formula.format("raw values, development data from recycling data"),
            "data",
            evidence.why.get("recycling_dataset", ""),
        ),
    ]


def _counts(found: Dataset, shares: list[np.ndarray]) -> np.ndarray:
    """(nodes, K) examples by group."""
    size = int(found.groups.max()) + 1
    return np.array([np.bincount(found.groups[share], minlength=size) for share in shares])


def _histogram(found: Dataset) -> np.ndarray:
    """(256,) counts of raw bytes of the inputs; labels are no inputs."""
    arrays = [array for name, array in found.train.items() if name != "labels"]
    return sum(
        (np.bincount(array.view(np.uint8).ravel(), minlength=HISTOGRAM_BINS) for array in arrays),
        np.zeros(HISTOGRAM_BINS, dtype=np.int64),
    )
