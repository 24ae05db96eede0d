"""A node from its configuration: workloads, meter and spool put together."""

from __future__ import annotations

from edge_node.config import NodeConfig
from edge_node.errors import InvalidDecision
from edge_node.meters.registry import build_meter
from edge_node.node import EdgeNode
from edge_node.spool import Spool
from edge_node.workload import Workload
from protos.messages import Stage


def build_workloads(config: NodeConfig) -> dict[Stage, Workload]:
    """The workload of every stage of the run: one task for all, another where the model is recycled.

    Raises:
        ValueError: the task, its sizes or its data do not fit.
        DataError: data files lack.
        InvalidDecision: the run has recycling slots and the node no recycling task.
    """
    from edge_node.tasks.workload import build_workload  # imports torch: only where work is done

    first = build_workload(config.task, config.inference)
    workloads: dict[Stage, Workload] = {}
    for stage in dict.fromkeys(config.stages):
        if stage is Stage.RECYCLING:
            if config.recycling_task is None:
                raise InvalidDecision(f"{config.node_id}: recycling slots need a recycling_task; give one")
            workloads[stage] = build_workload(config.recycling_task, config.inference)
        elif stage is not Stage.UNALLOCATED:
            workloads[stage] = first
    return workloads


def build_node(config: NodeConfig, spool: Spool | None = None) -> EdgeNode:
    """A node with its task's workloads and its meter. Raises as ``build_workloads``, and MeterError."""
    meter = build_meter(config.meter, config.board, config.slot_s)
    return EdgeNode(config, build_workloads(config), meter, spool)
