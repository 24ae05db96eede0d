"""Performance: accuracy of the developed model, over nodes and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.report.measures import totals
from experiments.report.provenance import board_time
from experiments.report.qoais.evidence import Evidence
from experiments.report.qoais.formulas import jain, rank_correlation, reweighted_accuracy
from experiments.report.qoais.indicator import Dimension, Indicator, Row
from experiments.report.read import Run

TARGET_FRACTION = 0.95
"""Accuracy for the time to accuracy (choice)."""
MODEL_FILES = "model.safetensors, data"


def performance(evidence: Evidence, same_policy: Sequence[Run]) -> list[Indicator]:
    """Indicators of ``evidence``; the boundary of accuracy is over ``same_policy``: the policy's runs, all seeds."""
    return [
        *_boundary(evidence, same_policy),
        *_training_time(evidence),
        *_generalisation(evidence),
        *_reusability(evidence),
        *_robustness(evidence),
        Row(Dimension.PERFORMANCE, "interpretability").manual(
            "interpretability", "a person has to judge whether the model's answers can be explained"
        ),
        _consistency(evidence),
        *_fairness(evidence),
    ]


def _boundary(evidence: Evidence, same_policy: Sequence[Run]) -> list[Indicator]:
    row = Row(Dimension.PERFORMANCE, "boundary of performance metrics")
    reached = [accuracy for run in same_policy if (accuracy := totals(run).accuracy) is not None]
    formula = "of the last test_accuracy of development, over {} seed" + ("s" if len(reached) != 1 else "")
    why = "no round of the run was evaluated"
    found = [
        row.maybe(
            f"held-out accuracy, {name}",
            float(pick(reached)) if reached else None,
            "fraction",
            f"{name} {formula.format(len(reached))}",
            "rounds.parquet",
            why,
            "" if len(reached) > 1 else "one seed: no spread over seeds",
        )
        for name, pick in (("mean", np.mean), ("min", min), ("max", max))
    ]
    held_out = evidence.held_out
    if held_out is None or not held_out.by_example or evidence.dataset is None:
        why = (
            evidence.why["held_out"]
            if held_out is None
            else "answers are symbols of a text: there are no classes"
        )
        return [*found, row.lacking("recall of the worst class", why)]
    recall = held_out.recall(evidence.dataset.num_classes)
    note = f"{len(held_out.right)} held-out examples"
    worst = row.measured(
        "recall of the worst class", float(np.nanmin(recall)), "fraction", "min_k recall_k", MODEL_FILES, note
    )
    best = row.measured(
        "recall of the best class", float(np.nanmax(recall)), "fraction", "max_k recall_k", MODEL_FILES, note
    )
    return [*found, worst, best]


def _training_time(evidence: Evidence) -> list[Indicator]:
    row, run = Row(Dimension.PERFORMANCE, "training time"), evidence.run
    rounds = run.tables["rounds"].query("stage == 'development'")
    if rounds.empty:
        return [row.lacking("development time", "the run has no development rounds")]
    name = f"time to {TARGET_FRACTION:.0%} held-out accuracy"
    reached = rounds[rounds["test_accuracy"] >= TARGET_FRACTION]
    slots = run.tables["slots"].query("stage == 'development'")["slot"]
    before = None if reached.empty else slots[slots <= int(reached["slot"].iloc[0])]
    return [
        row.known(
            "development time",
            run.lasted_s(slots),
            "s",
            "slots of development, board time",
            "slots.parquet",
            board_time(run),
        ),
        row.maybe(
            name,
            None if before is None else run.lasted_s(before),
            "s",
            "slots of development until test_accuracy reaches it, board time",
            "rounds.parquet, slots.parquet",
            "the target was not reached in this run",
            known=board_time(run),
        ),
    ]


def _generalisation(evidence: Evidence) -> list[Indicator]:
    row = Row(Dimension.PERFORMANCE, "generalization")
    seen, unseen = evidence.trained_on, evidence.held_out
    gap = None if seen is None or unseen is None else seen.accuracy - unseen.accuracy
    result = [
        row.maybe(
            "generalisation gap",
            gap,
            "fraction",
            "accuracy on training examples - accuracy on held-out examples",
            MODEL_FILES,
            evidence.why.get("held_out", ""),
        )
    ]
    name = "accuracy on nodes held out"
    nodes = evidence.run.tables["nodes"].sort_values("node_id", ignore_index=True)
    idle = [k for k, count in enumerate(nodes.get("participations", [])) if count == 0]
    if not idle:
        return [*result, row.lacking(name, "every node took part in training: none was held out")]
    accuracies = _by_node(evidence)
    mine = None if accuracies is None else [a for k in idle if (a := accuracies[k]) is not None]
    return [
        *result,
        row.maybe(
            name,
            float(np.mean(mine)) if mine else None,
            "fraction",
            "mean over nodes without participation of sum_k p_node(k) recall_k",
            f"nodes.parquet, {MODEL_FILES}",
            evidence.why.get("by_node", "held-out data lack classes of those nodes"),
        ),
    ]


def _reusability(evidence: Evidence) -> list[Indicator]:
    row = Row(Dimension.PERFORMANCE, "reusability")
    rounds = evidence.run.tables["rounds"]
    after = rounds[(rounds["stage"] == "recycling") & rounds["test_accuracy"].notna()]
    why = "the run has no recycling rounds"
    if after.empty:
        return [row.lacking("accuracy on the second task", why)]
    reached = float(after["test_accuracy"].iloc[-1])
    before = dict(evidence.run.metadata.get("initial_accuracy") or {}).get("recycling")
    return [
        row.measured(
            "accuracy on the second task",
            reached,
            "fraction",
            f"test_accuracy after {len(after)} rounds of recycling",
            "rounds.parquet",
        ),
        row.maybe(
            "gained on the second task",
            None if before is None else reached - float(before),
            "fraction",
            "accuracy after recycling - accuracy of the developed model on the same data",
            "rounds.parquet, metadata.json",
            "the metadata has no accuracy before recycling",
        ),
    ]


def _robustness(evidence: Evidence) -> list[Indicator]:
    row = Row(Dimension.PERFORMANCE, "robustness")
    disturbed = evidence.under_noise
    if disturbed is None:
        return [row.lacking("accuracy under noise", evidence.why["under_noise"])]
    return [
        row.measured(
            f"accuracy under noise {noise:g}",
            found.accuracy,
            "fraction",
            "real inputs: Gaussian, std in units of the inputs' own; symbols: share replaced by random bytes",
            MODEL_FILES,
        )
        for noise, found in disturbed.items()
    ]


def _consistency(evidence: Evidence) -> Indicator:
    row = Row(Dimension.PERFORMANCE, "consistency between loss function and optimization objectives")
    rounds = evidence.run.tables["rounds"].query("stage == 'development'")
    known = rounds[rounds["test_loss"].notna() & rounds["test_accuracy"].notna()]
    return row.maybe(
        "loss and accuracy agree",
        rank_correlation(-known["test_loss"], known["test_accuracy"]),
        "",
        "Spearman's rank correlation of -test_loss and test_accuracy over development rounds; 1: in full",
        "rounds.parquet",
        "fewer than three evaluated rounds, or one of the two did not change",
    )


def _by_node(evidence: Evidence) -> list[float | None] | None:
    """Held-out accuracy with each node's own mix of classes, nodes in order of name."""
    held_out, data, shares = evidence.held_out, evidence.dataset, evidence.shares
    if held_out is None or data is None or shares is None:
        evidence.why["by_node"] = evidence.why.get("held_out") or evidence.why["shares"]
        return None
    if not held_out.by_example:
        evidence.why["by_node"] = "held-out texts belong to no node's group"
        return None
    recall = held_out.recall(data.num_classes)
    return [
        reweighted_accuracy(recall, np.bincount(data.groups[share], minlength=len(recall)))
        for share in shares
    ]


def _fairness(evidence: Evidence) -> list[Indicator]:
    row = Row(Dimension.PERFORMANCE, "fairness")
    by_node = _by_node(evidence)
    accuracies = (
        None if by_node is None or any(a is None for a in by_node) else np.array(by_node, dtype=float)
    )
    why = evidence.why.get("by_node", "held-out data lack classes of some nodes")
    formula = "accuracy of a node: sum_k p_node(k) recall_k, its own mix of classes on held-out data"
    source = f"{MODEL_FILES}, scenario.toml"
    nodes = evidence.run.tables["nodes"]
    share = jain(nodes["participations"]) if "participations" in nodes else None
    return [
        row.maybe(
            "accuracy of the worst node",
            None if accuracies is None else float(accuracies.min()),
            "fraction",
            f"min; {formula}",
            source,
            why,
        ),
        row.maybe(
            "Jain's index of node accuracies",
            None if accuracies is None else jain(accuracies),
            "",
            f"(sum a)^2 / (n sum a^2); {formula}",
            source,
            why,
        ),
        row.maybe(
            "Jain's index of participation",
            share,
            "",
            "(sum p)^2 / (n sum p^2) of participations per node",
            "nodes.parquet",
            "no node took part in a round",
        ),
    ]
