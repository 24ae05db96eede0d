"""The fleet that is simulated: four nodes that trade joules and batches, without learning."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from coordinator.config import CoordinatorBody, CoordinatorConfig, LimitsConfig, ZoneIntensity
from edge_node.config import (
    BatteryConfig,
    BoardConfig,
    DemandConfig,
    HarvestConfig,
    NodeConfig,
    TaskConfig,
)
from protos.messages.terms import Stage
from tests.coordinator.slots.trader import Trader

SLOTS = 30
SLOT_S = 60.0
RUN = "simulated"
BOARD = BoardConfig(
    name="test",
    static_w=2.0,
    busy_w=6.0,
    sleep_w=0.5,
    wake_j=3.0,
    wake_s=0.25,
    effective_flop_per_s=1e6,
    tx_j_per_byte=1e-5,
    rx_j_per_byte=2e-5,
    storage_bytes=10_000,
)


@lru_cache
def coordinator_config(node_ids: tuple[str, ...]) -> CoordinatorConfig:
    return CoordinatorConfig(
        run_id=RUN,
        ledger_path=Path("ledger.sqlite"),
        policy="trader",
        slot_s=SLOT_S,
        stages=(Stage.DEVELOPMENT,) * SLOTS,
        node_ids=node_ids,
        zones=tuple(
            ZoneIntensity(
                zone=zone,
                intensity_g_per_kwh=tuple(base + 10.1 * (t % 24) for t in range(SLOTS + 24)),
                origin={"source": "test"},
            )
            for zone, base in (("Z0", 20.0), ("Z1", 500.0))
        ),
        limits=LimitsConfig(net_j_per_byte=2e-6),
        body=CoordinatorBody(
            zone="Z0",
            static_w=3.0,
            joules_per_aggregated_parameter=1e-9,
            joules_per_evaluated_example=1e-4,
            router_w=4.0,
        ),
        tree_alpha_bits_per_token=10.0,
        heartbeat_s=2.0,
        lease_s=6.0,
    )


@lru_cache
def node_config(node_ids: tuple[str, ...], index: int) -> NodeConfig:
    return NodeConfig(
        run_id=RUN,
        node_id=node_ids[index],
        index=index,
        zone=f"Z{index % 2}",
        seed=index,
        slot_s=SLOT_S,
        stages=(Stage.DEVELOPMENT,) * SLOTS,
        board=BOARD,
        battery=BatteryConfig(
            capacity_j=500.0, initial_fraction=0.4, charge_limit_w=5.0, discharge_limit_w=5.0
        ),
        export_loss_fraction=0.03,
        import_loss_fraction=0.02,
        harvest=HarvestConfig(power_w=tuple(0.3 + 0.5 * ((t + index) % 3) for t in range(SLOTS + 8))),
        task=TaskConfig(
            name="none",
            batch_size=1,
            batches_per_slot=6,
            learning_rate=0.1,
            partitions=4,
            partition_index=index,
        ),
        demand=DemandConfig(flop_per_batch=1e5 + index, bytes_per_batch=40, batches=(6,) * SLOTS),
    )


def policy() -> Trader:
    return Trader()
