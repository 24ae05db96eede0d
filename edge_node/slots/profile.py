"""A node's profile for registration, and how much work its configuration releases."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edge_node.config import NodeConfig
from edge_node.energy.battery import battery_of
from edge_node.energy.power_model import PowerModel
from edge_node.meters.base import Meter, reads_board
from edge_node.workload import WorkCost, Workload
from protos.messages.stream import NodeProfile
from protos.messages.terms import Sleep, Stage
from protos.messages.work import HandOver, PointCost, WorkProfile


def released_batches(config: NodeConfig, stage: Stage) -> int:
    """d_i: own batches released in a slot of ``stage``."""
    if stage is Stage.UNALLOCATED:
        return 0
    if stage is Stage.APPLICATION:
        return config.inference.batches_per_slot
    if stage is Stage.RECYCLING:
        return (config.recycling_task or config.task).batches_per_slot
    return config.task.batches_per_slot


def sleep_of(config: NodeConfig, meter: Meter) -> Sleep:
    """What the node's sleep is: as configured, else none where its meter reads the board or nobody knows what the board
    draws asleep, and by the model elsewhere.

    Raises ValueError for sleep by the model on a board that is read: its joules at rest would be called asleep.
    """
    reads = reads_board(meter)
    if config.sleep is None:
        return Sleep.NONE if reads or not config.board.knows_sleep else Sleep.MODELLED
    if reads and config.sleep.kind is Sleep.MODELLED:
        raise ValueError(f"{config.node_id}: {by_model_on_a_board(config.meter)}")
    return config.sleep.kind


def by_model_on_a_board(meter: str) -> str:
    return (
        f'sleep.kind = "{Sleep.MODELLED}" with meter {meter}, which reads the board: it would draw its idle power, and '
        f'that would be called asleep. Give sleep.kind = "{Sleep.NONE}"'
    )


def _work(config: NodeConfig, model: PowerModel, stage: Stage, cost: WorkCost) -> WorkProfile:
    """What a batch costs, and what of it another node may do."""
    profile, split = model.work_profile(stage, cost), cost.split
    if split is None:
        return profile
    reading = model.computing(split.read_flop, split.measured)
    told = HandOver(
        read_seconds=reading.seconds,
        read_joules=reading.joules,
        cache_bytes=math.ceil(split.cache_bytes),
        kin=split.kin,
        link_bytes_per_s=config.inference.link_bytes_per_s,
        latency_target_s=config.inference.latency_target_s,
    )
    return replace(profile, hand_over=told)


def node_profile(config: NodeConfig, workloads: Mapping[Stage, Workload], meter: Meter) -> NodeProfile:
    """Constants of a node. Without a battery its efficiencies are 1 and its limits 0."""
    board, battery, model = config.board, config.battery, PowerModel(config.board)
    stages = [stage for stage in Stage if stage in workloads and stage in config.stages]
    first = workloads[stages[0]] if stages else None
    work = tuple(_work(config, model, stage, workloads[stage].cost(stage.value)) for stage in stages)
    return NodeProfile(
        zone=config.zone,
        static_w=board.static_w,
        sleep_w=board.sleep_w,
        wake_j=board.wake_j,
        wake_s=board.wake_s,
        tx_j_per_byte=board.tx_j_per_byte,
        rx_j_per_byte=board.rx_j_per_byte,
        storage_bytes=board.storage_bytes,
        battery_capacity_uj=battery_of(battery, config.slot_s).capacity_uj,
        charge_efficiency_fraction=1.0 if battery is None else battery.charge_efficiency_fraction,
        discharge_efficiency_fraction=1.0 if battery is None else battery.discharge_efficiency_fraction,
        self_discharge_fraction=0.0 if battery is None else battery.self_discharge_fraction,
        charge_limit_w=0.0 if battery is None else battery.charge_limit_w,
        discharge_limit_w=0.0 if battery is None else battery.discharge_limit_w,
        export_loss_fraction=config.export_loss_fraction,
        import_loss_fraction=config.import_loss_fraction,
        work=work,
        meter=meter.name,
        provenance=str(meter.provenance),
        num_examples=0 if first is None else first.num_examples,
        data_digest=hashlib.sha256(b"").hexdigest() if first is None else first.digest,
        sleep=sleep_of(config, meter),
        points=_points(config, model, work),
    )


def _points(config: NodeConfig, model: PowerModel, work: Sequence[WorkProfile]) -> tuple[PointCost, ...]:
    """Operating points that a decision may choose: not those at which one batch of requests alone would miss its
    latency target."""
    target_s = config.inference.latency_target_s
    slowest = 0.0
    for each in work:
        if each.stage is Stage.APPLICATION and target_s is not None:
            slowest = min(1.0, each.seconds_per_batch / target_s)
    points = model.points()
    return tuple(point for k, point in enumerate(points) if not k or point.speed_fraction >= slowest)
