"""A node as a whole: whole slots, numbers, determinism."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from edge_node.meters.base import MeterError
from edge_node.slots.errors import NotReady
from edge_node.workload import Parameters
from protos import codec
from protos.messages.slot import CloseSlot, Executed
from protos.messages.terms import Component, Stage
from tests.edge_node.slots.steps import MakeNode, decide, energies, finish, welcome


def test_a_slot_from_telemetry_to_settlement(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    told = node.telemetry()
    assert (told.slot, told.battery_uj, told.backlog_batches, told.mean_loss) == (0, 50_000_000, (6,), None)
    assert node.on_decision(decide("n0", 0, own=6)) == []
    result = node.execute(model)
    assert result.batches == 6
    usage, settlement = finish(node, 0)
    assert usage.executed == (Executed("n0", 6),)
    lines = energies(usage)
    assert lines[Component.COMPUTE] == 6 * 400_000  # 0.1 s at 4 W a batch
    assert lines[Component.STATIC] == 20_000_000
    assert usage.model_bytes == 2 * 16
    assert settlement.demand_uj == sum(lines.values())
    assert settlement.battery_after_uj == node.battery_uj
    assert node.telemetry().slot == 1
    assert node.telemetry().mean_loss == usage.mean_loss is not None


def test_serving_counts_requests_tokens_and_bits(make_node: MakeNode, model: Parameters) -> None:
    node = make_node(stages=(Stage.PREPARATION, Stage.APPLICATION))
    welcome(node)
    node.on_decision(decide("n0", 0, own=6, stage=Stage.PREPARATION))
    assert node.execute({}).num_examples == 30
    prepared, _ = finish(node, 0)
    assert {line.stage for line in prepared.lines} == {Stage.PREPARATION, Stage.UNALLOCATED}
    node.on_decision(decide("n0", 1, own=2, stage=Stage.APPLICATION))
    node.execute(model)
    usage, _ = finish(node, 1)
    (served,) = usage.served
    assert (served.requests, served.tokens_in, served.tokens_out, served.bits) == (10, 0, 0, 640)
    assert usage.model_bytes == 16
    assert node.slot == 2
    with pytest.raises(NotReady):
        node.telemetry()


def test_sequence_numbers_rise_and_never_repeat(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    numbers = []
    for slot in range(6):
        told = node.telemetry()
        assert node.telemetry() is told
        usage, settlement = finish(node, slot)
        numbers += [told.seq, usage.seq, settlement.seq]
    assert numbers == list(range(1, 19))
    assert node.heartbeat(5).seq == 18


def run_once(make_node: MakeNode, model: Parameters) -> list[bytes]:
    node, said = make_node(0), []
    said.append(codec.encode_up(node.register("boot")))
    welcome(node)
    for slot in range(4):
        said.append(codec.encode_up(node.telemetry()))
        node.on_decision(decide("n0", slot, own=6))
        node.execute(model)
        said += [codec.encode_up(message) for message in finish(node, slot)]
    return said


def test_two_runs_of_the_same_node_say_the_same(make_node: MakeNode, model: Parameters) -> None:
    assert run_once(make_node, model) == run_once(make_node, model)


def test_a_node_that_ends_lets_go_of_its_sensor(make_node: MakeNode, tmp_path: Path) -> None:
    """It may allow one reader only, and this process may host the next run's node."""
    (tmp_path / "steady.csv").write_text("at_s,power_w\n0,3\n3600,0\n")
    others = set(psutil.Process().children())
    node = make_node(meter=f"recording:{tmp_path}/steady.csv")
    welcome(node)
    (sampler,) = set(psutil.Process().children()) - others
    node.leave()
    assert not sampler.is_running()
    node.on_decision(decide("n0", 0))
    with pytest.raises(MeterError, match="let go of"):
        node.close(CloseSlot(1, 0))
