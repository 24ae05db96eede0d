"""Nodes' parts of a model and the rest, driven as the runner drives them, without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge_node.config import PartsConfig
from edge_node.tasks.build import build_workload
from edge_node.tasks.parts.columns import ColumnWorkload
from edge_node.tasks.parts.split import SplitWorkload
from edge_node.tasks.workload import TaskWorkload
from edge_node.workload import Arrays, Parameters, TrainResult
from tests.edge_node.tasks.image_workloads import config

SERVER = "n0"


def split_at(cut: str, head: str = "", index: int = 0, **changes) -> SplitWorkload:
    parts = PartsConfig(kind="split", server=SERVER, server_index=0, cut=cut, head=head, served_batches=15)
    found = build_workload(config(parts=parts, partition_index=index, **changes))
    assert isinstance(found, SplitWorkload)
    return found


def columns_at(index: int, nodes: int, **changes) -> ColumnWorkload:
    parts = PartsConfig(kind="vertical", server=SERVER, server_index=0)
    found = build_workload(config(parts=parts, partition_index=index, partitions=nodes, **changes))
    assert isinstance(found, ColumnWorkload)
    return found


def converse(
    nodes: Mapping[str, TaskWorkload],
    lower: Mapping[str, Parameters],
    upper: Parameters,
    batches: Mapping[str, Sequence[Arrays]],
    options: Mapping[str, float] | None = None,
) -> tuple[dict[str, TrainResult], dict[str, Parameters], list[dict[str, Arrays]]]:
    """(results of the nodes, rests of their models, everything that nodes sent in each step)."""
    options = options or {}
    server = nodes[SERVER].upper(upper, tuple(nodes), options)
    talks = {name: node.lower(lower[name], batches[name], options) for name, node in nodes.items()}
    sent = {name: next(talk).arrays for name, talk in talks.items()}
    results: dict[str, TrainResult] = {}
    everything = []
    while sent:
        everything.append(sent)
        answers, _ = server.answer(sent)
        sent = {}
        for name, answer in answers.items():
            try:
                sent[name] = talks[name].send(answer).arrays
            except StopIteration as end:
                results[name] = end.value
    return results, server.parameters(), everything


def without_labels(arrays: Arrays, labels: np.ndarray) -> bool:
    """Whether no array is the labels, under any name."""
    return not any(
        array.size == labels.size and np.array_equal(array.ravel(), labels) for array in arrays.values()
    )
