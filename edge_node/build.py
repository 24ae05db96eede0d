"""A node from its configuration: workloads, meter and spool put together."""

from __future__ import annotations

from edge_node.config import NodeConfig
from edge_node.meters.registry import build_meter
from edge_node.node import EdgeNode
from edge_node.spool import Spool


def build_node(config: NodeConfig, spool: Spool | None = None) -> EdgeNode:
    """A node with its task's workloads and its meter.

    Raises:
        ValueError: the task, its sizes or its data do not fit.
        DataError: data files lack.
        MeterError: the meter is unknown or cannot run here.
    """
    from edge_node.tasks.workload import stage_workloads  # imports torch: only where work is done

    meter = build_meter(config.meter, config.board, config.slot_s)
    return EdgeNode(config, stage_workloads(config), meter, spool)
