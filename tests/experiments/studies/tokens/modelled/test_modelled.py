"""The day in ten zones on a small trace: requests, homes, queues, and policies that do the same work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from carbon_data.files.datasets import DatasetState, dataset, status_of
from coordinator.market.pairs import Pairs
from experiments.studies.tokens.modelled import one_node, routing, trace
from experiments.studies.tokens.modelled.one_node import BatchingCell, WakingCell
from experiments.studies.tokens.modelled.queueing import latencies
from experiments.studies.tokens.modelled.routing import HANDED, POLICIES, REFINED, RoutingCell, executors
from experiments.studies.tokens.modelled.trace import TRACES, Trace, day_of
from experiments.studies.tokens.modelled.waking import Habits
from experiments.studies.tokens.modelled.world import NODES, Links, Readers, requests_of
from tests.experiments.studies.tokens.made_up import COSTS


def small(count: int = 400) -> Trace:
    draw = np.random.default_rng(5)
    return Trace(
        np.sort(draw.uniform(0, 86_400, count)),
        draw.integers(20, 1500, count),
        draw.integers(1, 400, count),
        draw.integers(0, NODES, count),
        0.1,
    )


def test_a_day_of_the_file_keeps_order_and_tokens() -> None:
    if status_of(dataset(TRACES["code"])).state is not DatasetState.PRESENT:
        pytest.skip("the trace is not in the data folder")
    found = day_of("code", NODES, 0)
    assert (np.diff(found.at_s) >= 0).all()
    assert 0 <= found.at_s[0] < found.at_s[-1] < trace.DAY_S
    assert (found.tokens_in + found.tokens_out).max() <= trace.LONGEST_TOKENS
    assert found.count == round(8819 * (1 - found.left_out_fraction))
    assert set(found.home) == set(range(NODES))
    assert found.tokens == found.tokens_in.sum() + found.tokens_out.sum()


def test_as_many_requests_move_as_were_decided() -> None:
    home = np.array([0, 0, 0, 1, 1, 2])
    moves = Pairs.of(np.array([0, 0, 1]), np.array([1, 2, 0]), np.array([1, 1, 2]))
    places = executors(home, moves, 0, 0)
    assert sorted(places[home == 0]) == [0, 1, 2]
    assert list(places[home == 1]) == [0, 0]
    assert list(places[home == 2]) == [2]


def test_requests_wait_for_those_before_them() -> None:
    some = replace(small(3), home=np.zeros(3, dtype=np.int64))
    asked = requests_of(some, COSTS, Readers(), 1.0, 1.0)
    none = np.zeros((NODES, NODES))
    zero = np.zeros(3, dtype=np.int64)
    first, last = latencies(np.zeros(3), asked, zero, zero, none, none)
    took = asked.read_s[:, 0] + asked.write_s[:, 0]
    assert last == pytest.approx(np.cumsum(took))
    assert first == pytest.approx(np.cumsum(took) - asked.write_s[:, 0])
    # Written elsewhere: the reader is free at once, and the cache takes its way.
    _, apart = latencies(np.zeros(3), asked, zero, zero + 1, none, none + 1e-7 * (1 - np.eye(NODES)))
    ship_s = 1e-7 * asked.cache_bytes[0]
    assert apart[0] == pytest.approx(asked.read_s[0, 0] + ship_s + asked.write_s[0, 1])


def test_policies_do_the_same_work_and_a_hand_over_never_adds_grams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "day_of", lambda name, nodes, seed: small())
    cell = RoutingCell("conversation", 0, COSTS, Links(0.0, radio=False, bit_per_s=1e9), Readers(0.25))
    found = cell.compute(tmp_path / "x")
    rows = {row["policy"]: row for row in found["rows"]}
    assert tuple(rows) == POLICIES
    assert rows["deta"]["g_per_1000_tokens"] < rows["local"]["g_per_1000_tokens"]
    assert rows[REFINED]["g_per_1000_tokens"] <= rows["deta"]["g_per_1000_tokens"] * (1 + 1e-12)
    assert rows[HANDED]["g_per_1000_tokens"] <= rows[REFINED]["g_per_1000_tokens"] * (1 + 1e-12)
    assert rows["local"]["moved_fraction"] == rows[REFINED]["handed_over_fraction"] == 0
    asked = requests_of(small(), COSTS, Readers(0.25), 0.0, 0.0)
    own = np.arange(asked.count), asked.home
    assert rows["local"]["serving_j"] == pytest.approx((asked.read_j + asked.write_j)[own].sum())


def test_one_node_under_every_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_node, "day_of", lambda name, nodes, seed: small())
    batched = BatchingCell("conversation", 0, COSTS, 50, 0.5, 2e6, 8, 2.0).compute(tmp_path / "x")["rows"]
    joules = {row["rule"]: row["j_per_token"] for row in batched}
    assert joules["link-aware batches"] <= joules["no batching"]
    slept = WakingCell("conversation", 0, COSTS, 1, Habits()).compute(tmp_path / "x")["rows"]
    grams = {row["rule"]: row["g_per_1000_tokens"] for row in slept}
    assert grams["reactive wake-up"] < grams["awake"]
