"""Nodes as rows against nodes one by one: meter, harvest, backlog, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_data.types import MissingDataError
from edge_node.columns.backlog import BacklogColumns
from edge_node.columns.harvest import HarvestColumns
from edge_node.columns.meter import BoardColumns, line_names, metered_uj
from edge_node.columns.nodes import VirtualNodes
from edge_node.config import BoardConfig, HarvestConfig, NodeConfig
from edge_node.energy.harvest import Harvest
from edge_node.energy.power_model import PowerModel
from edge_node.meters.base import MeterContext, Slot, Work, lines_from
from edge_node.meters.modelled import ModelledMeter
from edge_node.slots.backlog import Backlog
from edge_node.tasks.workload import TaskWorkload
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from protos.messages.terms import Stage

DEV = Stage.DEVELOPMENT
POWER = st.floats(0.0, 60.0)


@st.composite
def metered(draw: st.DrawFn) -> tuple[BoardConfig, bool, bool, float, int, int]:
    static = draw(POWER)
    board = BoardConfig(
        name="drawn",
        static_w=static,
        busy_w=static + draw(POWER),
        sleep_w=static * draw(st.floats(0.0, 1.0)),
        wake_j=draw(POWER),
        wake_s=0.0,
        effective_flop_per_s=draw(st.floats(1e6, 1e12)),
        tx_j_per_byte=draw(st.floats(0.0, 1e-5)),
        rx_j_per_byte=draw(st.floats(0.0, 1e-5)),
        storage_bytes=0,
    )
    awake = draw(st.booleans())
    woke = awake and draw(st.booleans())
    flop = draw(st.one_of(st.just(0.0), st.floats(1.0, 1e13))) if awake else 0.0
    return board, awake, woke, flop, draw(st.integers(0, 10**9)), draw(st.integers(0, 10**9))


@given(st.lists(metered(), min_size=1, max_size=8), st.floats(0.1, 100_000.0))
def test_every_line_is_that_of_the_nodes_own_meter(
    rows: list[tuple[BoardConfig, bool, bool, float, int, int]], slot_s: float
) -> None:
    boards, awake, woke, flop, sent, heard = zip(*rows, strict=True)
    found = metered_uj(
        BoardColumns.of(boards),
        awake=np.array(awake),
        woke=np.array(woke),
        flop=np.array(flop),
        tx_bytes=np.array(sent),
        rx_bytes=np.array(heard),
        slot_s=slot_s,
    )
    for row, (board, up, waking, work, tx, rx) in enumerate(rows):
        meter = ModelledMeter(MeterContext(board, slot_s))
        meter.open(0)
        if work:
            meter.add(Work(DEV, work))
        meter.moved(DEV, tx_bytes=tx, rx_bytes=rx)
        lines = meter.close(Slot(0, DEV, up, waking))
        booked = {(line.stage, line.component): line.energy_uj for line in lines}
        named = dict(zip(line_names(DEV), found[row].tolist(), strict=True))
        assert {name: energy for name, energy in named.items() if energy} == booked
        assert [name for name in line_names(DEV) if named[name]] == list(booked)


def test_line_names_are_in_the_order_of_a_reading() -> None:
    lines = lines_from(dict.fromkeys(reversed(line_names(DEV)), 1), ModelledMeter.provenance)
    assert tuple((line.stage, line.component) for line in lines) == line_names(DEV)


SERIES = st.lists(st.floats(0.0, 50.0), min_size=6, max_size=6)


@given(st.lists(st.tuples(SERIES, SERIES, st.integers(0, 2)), min_size=1, max_size=4))
def test_harvest_and_its_forecast_are_those_of_each_node(
    rows: list[tuple[list[float], list[float], int]],
) -> None:
    kinds = ({}, "forecast_w", "clear_sky_w")
    configs = [
        HarvestConfig(power_w=tuple(power), **({kinds[kind]: tuple(other)} if kind else {}))  # type: ignore[arg-type,misc]
        for power, other, kind in rows
    ]
    columns = HarvestColumns(configs, 311.7)
    for slot in range(4):
        told, truth = columns.forecast_uj(slot, 3), columns.energy_uj(slot)
        for row, config in enumerate(configs):
            alone = Harvest(config, 311.7)
            assert tuple(told[row].tolist()) == alone.forecast_uj(slot, 3)
            assert truth[row] == alone.energy_uj(slot)


def test_a_slot_beyond_the_harvest_is_no_zero() -> None:
    columns = HarvestColumns([HarvestConfig(power_w=(1.0, 2.0))], 10.0)
    with pytest.raises(MissingDataError, match="give a longer series"):
        columns.forecast_uj(1, 2)
    with pytest.raises(MissingDataError, match="allowed is 0 or more"):
        HarvestColumns([HarvestConfig(power_w=(-1.0,))], 10.0)
    with pytest.raises(MissingDataError, match="the same number"):
        HarvestColumns([HarvestConfig(power_w=(1.0,)), HarvestConfig(power_w=(1.0, 2.0))], 10.0)


@given(
    st.lists(st.integers(0, 5), min_size=5, max_size=5),
    st.integers(0, 3),
    st.lists(st.integers(0, 9), min_size=5, max_size=5),
)
def test_the_backlog_is_that_of_a_node(demand: list[int], patience: int, wanted: list[int]) -> None:
    stages = (DEV,) * 5
    alone = Backlog(stages, patience, lambda _: 0, demand=demand)
    columns = BacklogColumns(stages, patience, np.array([demand]))
    for slot in range(5):
        alone.release(slot)
        assert columns.release(slot).tolist() == [demand[slot]]
        assert tuple(columns.counts()[0].tolist()) == alone.counts(slot)
        assert tuple(columns.forecast(slot, 3)[0].tolist()) == alone.forecast(slot, 3)
        taken = alone.take(DEV, wanted[slot])
        first = int(columns.first[0])
        assert [batch.batch_id for batch in taken] == list(range(first, first + len(taken)))
        expired = alone.expire(slot)
        assert columns.run(np.array([len(taken)])).tolist() == [len(expired)]


def test_more_work_than_there_is_is_a_defect() -> None:
    columns = BacklogColumns((DEV,), 0, np.array([[2]]))
    columns.release(0)
    with pytest.raises(ValueError, match="more batches are decided than there are"):
        columns.run(np.array([3]))
    with pytest.raises(ValueError, match="allowed is one"):
        BacklogColumns((DEV, Stage.APPLICATION), 0, np.array([[1, 1]]))


def configs_of(task: str) -> tuple[NodeConfig, ...]:
    """Three nodes with three slots of development."""
    stages = "development = 3\npreparation = 0\napplication = 0\nrecycling = 0"
    fleet = '[fleet]\nkind = "inprocess"\n[[nodes]]\nzone = "DE"\ncount = 3'
    text = f"[task]\n{task}\n[stages]\n{stages}\n{fleet}"
    return resolve(parse_scenario(text)).node_configs("run", "", with_harvest=True)


def test_the_load_of_a_task_is_that_of_its_nodes() -> None:
    configs = configs_of('data = "digits"\nbatch_size = 7\nlocal_epochs = 2\nbatches_per_slot = 5')
    nodes = VirtualNodes(configs)
    node = TaskWorkload(configs[1].task)
    cost = node.cost(DEV)
    assert nodes.load.demand.tolist() == [[5] * 3] * 3
    assert (nodes.load.bytes_per_batch, nodes.load.model_bytes) == (cost.bytes_per_batch, cost.model_bytes)
    trained = node.train(node.task.initial_parameters(0), [node.batch(k, DEV) for k in range(4)], {})
    assert nodes.load.flop(np.array([0, 4, 1]), None).tolist() == [0.0, trained.flop, trained.flop / 4]
    assert nodes.load.flop(np.array([0, 4, 0]), np.array([1, 1, 1])).tolist() == [0.0, trained.flop / 2, 0.0]
    profiles = VirtualNodes.profiles(configs)
    assert [each.num_examples for each in profiles] == [TaskWorkload(c.task).num_examples for c in configs]
    assert len({each.data_digest for each in profiles}) == 3


def test_nodes_all_learn_or_none_does() -> None:
    one, other = configs_of('data = "digits"'), configs_of('name = "none"')
    with pytest.raises(ValueError, match="1 of 2 nodes have a demand"):
        VirtualNodes([one[0], other[1]])


def test_speeds_of_boards_are_those_of_the_model() -> None:
    board = BoardConfig(
        name="b",
        static_w=2.0,
        busy_w=5.5,
        sleep_w=1.0,
        wake_j=0.0,
        wake_s=0.0,
        effective_flop_per_s=4.0,
        tx_j_per_byte=0.0,
        rx_j_per_byte=0.0,
        storage_bytes=0,
    )
    assert BoardColumns.of([board]).dynamic_w.tolist() == [PowerModel(board).dynamic_w] == [3.5]
