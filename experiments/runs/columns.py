"""A run on a virtual fleet: slot after slot by column, with the same books."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from coordinator.adapters.flower_server import RunRecord, SlotOutcome
from coordinator.columns.coordinator import ColumnCoordinator
from coordinator.config import CoordinatorConfig
from coordinator.policies.registry import make_policy
from edge_node.columns.nodes import VirtualNodes
from experiments.fleet.learners import Learners, OwnLearner
from experiments.resolve.resolved import Resolved
from experiments.run_folder.files import LEDGER
from experiments.runs.learning import learning_task
from experiments.runs.rounds import NO_REPLIES, ColumnLearning
from protos.messages.terms import Stage

Slot = Callable[[int, Stage], SlotOutcome]


def run_columns(
    resolved: Resolved,
    run_id: str,
    folder: Path,
    record: RunRecord,
    opened: Callable[[], None],
    finished: Callable[[SlotOutcome], None],
    learners: Learners | None = None,
) -> None:
    """Run all slots. ``opened``: called when the first slot may begin; ``finished``: after each. ``learners``: who
    trains, where something is learned; None: this process."""
    config = resolved.coordinator_config(run_id, folder / LEDGER)
    configs = resolved.node_configs(run_id, "", with_harvest=resolved.with_harvest)
    nodes = VirtualNodes(configs)
    policy = make_policy(config.policy, **config.policy_options)
    profiles = VirtualNodes.profiles(configs)
    coordinator = ColumnCoordinator(config, policy, profiles, nodes.battery_uj, time.perf_counter)
    try:
        if resolved.learns_nothing:
            run_slot = _counting(coordinator, nodes)
        else:
            learning = _learning(resolved, config, nodes, learners or OwnLearner())
            if learning.initial_evaluation is not None:
                record.initial_evaluations[Stage.DEVELOPMENT] = learning.initial_evaluation
            run_slot = _training(coordinator, nodes, learning, record)
        opened()
        for slot, stage in enumerate(config.stages):
            outcome = run_slot(slot, stage)
            record.outcomes.append(outcome)
            finished(outcome)
        coordinator.finish()
    finally:
        coordinator.close_ledger()


def _learning(
    resolved: Resolved, config: CoordinatorConfig, nodes: VirtualNodes, learners: Learners
) -> ColumnLearning:
    learners.prepare(resolved.task.model_copy(update={"device": resolved.devices[0]}), config.node_ids)
    task = learning_task(resolved, resolved.task, Stage.DEVELOPMENT)
    return ColumnLearning(config.run_id, task, learners, nodes, config.node_ids, len(config.stages))


def _counting(coordinator: ColumnCoordinator, nodes: VirtualNodes) -> Slot:
    """A slot in which nothing is learned."""

    def run(slot: int, stage: Stage) -> SlotOutcome:
        usage = nodes.run(coordinator.decide(nodes.telemetry(slot), nodes.released_batches))
        summary = coordinator.close(nodes.settle(coordinator.trade(usage)))
        return SlotOutcome(slot, stage, None, coordinator.plan, NO_REPLIES, summary)

    return run


def _training(
    coordinator: ColumnCoordinator, nodes: VirtualNodes, learning: ColumnLearning, record: RunRecord
) -> Slot:
    """A slot that is a federated round: while processes train, meters are read and buses balanced."""

    def run(slot: int, stage: Stage) -> SlotOutcome:
        number = slot + 1
        decision = coordinator.decide(nodes.telemetry(slot), nodes.released_batches)
        epochs = learning.begin(number, decision)
        usage = nodes.run(decision, epochs)
        balance = nodes.settle(coordinator.trade(usage))
        learned, replies = learning.trained(number, usage)
        summary = coordinator.close(balance, learned)
        replies, evaluation = learning.aggregated(number, replies)
        record.models[stage] = learning.model
        return SlotOutcome(slot, stage, number, coordinator.plan, replies, summary, evaluation)

    return run
