"""A run on a virtual fleet: slot after slot by column, with the same books."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from coordinator.adapters.flower_server import RunRecord, SlotOutcome
from coordinator.adapters.flower_strategy import Replies
from coordinator.columns.coordinator import ColumnCoordinator
from coordinator.policies.registry import make_policy
from edge_node.columns.nodes import VirtualNodes
from experiments.resolve.resolved import Resolved
from experiments.run_folder.files import LEDGER

NO_REPLIES = Replies(sent=(), answered=(), failed={}, raised=(), missing=(), unreachable=())
"""Rows get no messages and lose none."""


def run_columns(
    resolved: Resolved,
    run_id: str,
    folder: Path,
    record: RunRecord,
    opened: Callable[[], None],
    finished: Callable[[SlotOutcome], None],
) -> None:
    """Run all slots. ``opened``: called when the first may begin; ``finished``: after each."""
    config = resolved.coordinator_config(run_id, folder / LEDGER)
    configs = resolved.node_configs(run_id, "", with_harvest=resolved.with_harvest)
    nodes = VirtualNodes(configs)
    policy = make_policy(config.policy, **config.policy_options)
    profiles = VirtualNodes.profiles(configs)
    coordinator = ColumnCoordinator(config, policy, profiles, nodes.battery_uj, time.perf_counter)
    try:
        opened()
        for slot, stage in enumerate(config.stages):
            telemetry = nodes.telemetry(slot)
            usage = nodes.run(coordinator.decide(telemetry, nodes.released_batches))
            summary = coordinator.close(nodes.settle(coordinator.trade(usage)))
            outcome = SlotOutcome(slot, stage, None, coordinator.plan, NO_REPLIES, summary)
            record.outcomes.append(outcome)
            finished(outcome)
        coordinator.finish()
    finally:
        coordinator.close_ledger()
