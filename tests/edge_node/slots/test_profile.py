"""A node's profile for registration, whole, by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_node.config import BatteryConfig, InferenceConfig, NodeConfig, SleepConfig
from edge_node.meters.registry import build_meter, reads_sensor
from edge_node.slots.profile import node_profile, released_batches, sleep_of
from protos.messages.stream import NodeProfile
from protos.messages.terms import Sleep, Stage
from protos.messages.work import WorkProfile
from tests.edge_node.boards import BOARD
from tests.edge_node.slots.steps import MakeNode

BATTERY = BatteryConfig(
    capacity_j=100.5,
    charge_efficiency_fraction=0.9,
    discharge_efficiency_fraction=0.8,
    self_discharge_fraction=0.01,
    charge_limit_w=5.0,
    discharge_limit_w=4.0,
)


def test_a_profile_whole(make_node: MakeNode) -> None:
    """A batch of 1e5 operations: 0.5 s, 2 J above rest. A batch of five requests asks with 30 B and is answered with
    10 B; one of preparation brings 100 B. Work is given in the order of stages; an
    unallocated slot has none."""
    stages = (Stage.APPLICATION, Stage.UNALLOCATED, Stage.DEVELOPMENT, Stage.PREPARATION)
    node = make_node(
        0, stages=stages, board=BOARD, battery=BATTERY, export_loss_fraction=0.03, import_loss_fraction=0.02
    )
    config, workload = node.config, node.workload
    meter = build_meter(config.meter, config.board, config.slot_s)
    workloads = dict.fromkeys((*stages, Stage.RECYCLING), workload)
    del workloads[Stage.UNALLOCATED]
    profile = node_profile(config, workloads, meter)
    size = 5 * (4 * 4 + 4 + 8)
    assert profile == NodeProfile(
        zone="NO",
        static_w=2.5,
        sleep_w=0.25,
        wake_j=3.0,
        wake_s=0.75,
        tx_j_per_byte=0.5,
        rx_j_per_byte=0.25,
        storage_bytes=4_321,
        battery_capacity_uj=100_500_000,
        charge_efficiency_fraction=0.9,
        discharge_efficiency_fraction=0.8,
        self_discharge_fraction=0.01,
        charge_limit_w=5.0,
        discharge_limit_w=4.0,
        export_loss_fraction=0.03,
        import_loss_fraction=0.02,
        work=(
            WorkProfile(Stage.PREPARATION, 0.5, 2.0 + 25.0, size, 0.0, 25.0),
            WorkProfile(Stage.DEVELOPMENT, 0.5, 2.0, size, 0.0, 0.0),
            WorkProfile(Stage.APPLICATION, 0.5, 2.0 + 7.5 + 5.0, size, 0.0, 7.5),
        ),
        meter=meter.name,
        provenance=str(meter.provenance),
        num_examples=50,
        data_digest="0" * 64,
    )


def test_a_board_that_is_read_cannot_sleep_and_others_do_by_the_model(
    make_config: Callable[..., NodeConfig], tmp_path: Path
) -> None:
    sensor = tmp_path / "power1_input"
    sensor.write_text("2000000\n")
    plain = make_config(0)
    for spec, expected in (
        ("modelled", Sleep.MODELLED),
        ("cpu-time", Sleep.MODELLED),
        (f"hwmon:{tmp_path}", Sleep.NONE),
        (f"record:{tmp_path}/log.jsonl=hwmon:{tmp_path}", Sleep.NONE),
    ):
        config = plain.model_copy(update={"meter": spec})
        assert reads_sensor(spec) is (expected is Sleep.NONE)
        meter = build_meter(spec, config.board, 1.0)
        assert sleep_of(config, meter) is expected
        told = config.model_copy(update={"sleep": SleepConfig(kind=Sleep.NONE)})
        assert sleep_of(told, meter) is Sleep.NONE
        if expected is Sleep.NONE:
            with pytest.raises(
                ValueError, match=r"n0: sleep.kind = \"modelled\" with meter .*which reads the board"
            ):
                sleep_of(config.model_copy(update={"sleep": SleepConfig(kind=Sleep.MODELLED)}), meter)


def test_a_node_without_battery_and_work(make_node: MakeNode) -> None:
    node = make_node(0, stages=(Stage.UNALLOCATED,), battery=None)
    profile = node_profile(node.config, {}, build_meter(node.config.meter, node.config.board, 1.0))
    battery = (
        profile.battery_capacity_uj,
        profile.charge_efficiency_fraction,
        profile.discharge_efficiency_fraction,
        profile.self_discharge_fraction,
        profile.charge_limit_w,
        profile.discharge_limit_w,
    )
    assert battery == (0, 1.0, 1.0, 0.0, 0.0, 0.0)
    assert (profile.work, profile.num_examples) == ((), 0)
    assert profile.data_digest == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("stage", "batches"),
    [
        (Stage.UNALLOCATED, 0),
        (Stage.PREPARATION, 6),
        (Stage.DEVELOPMENT, 6),
        (Stage.APPLICATION, 2),
        (Stage.RECYCLING, 9),
    ],
)
def test_batches_that_a_stage_releases(
    make_config: Callable[..., NodeConfig], stage: Stage, batches: int
) -> None:
    plain = make_config(0, inference=InferenceConfig(batches_per_slot=2))
    recycling = plain.task.model_copy(update={"batches_per_slot": 9})
    assert released_batches(plain.model_copy(update={"recycling_task": recycling}), stage) == batches
    assert released_batches(plain, Stage.RECYCLING) == 6
