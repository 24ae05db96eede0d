"""Oort, Lowcarb and FedZero decide as their published originals did (figures with repository and commit beside)."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.policies.fedzero import FedZero
from coordinator.policies.fedzero_energy import attribute_energy
from coordinator.policies.lowcarb import Lowcarb, lowcarb_scores
from coordinator.policies.oort import Oort
from coordinator.policies.selection import round_rng, smallest

HERE = Path(__file__).parent
RECORDS = {name: json.loads((HERE / f"{name}.json").read_text()) for name in ("oort", "lowcarb", "fedzero")}


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


MADE = _load("regenerate")
WORLDS = MADE.WORLDS


@pytest.mark.parametrize("name", RECORDS)
def test_figures_say_where_they_come_from(name: str) -> None:
    assert len(RECORDS[name]["original"]["commit"]) == 40
    assert RECORDS[name]["original"]["licence"] in ("MIT", "Apache-2.0")


# --- Oort ------------------------------------------------------------------------------------------------------


def oort_fleet(world: Any) -> Fleet:
    nodes = len(world.size)
    return replace(
        reference_day(1, nodes=nodes),
        num_examples=world.size.copy(),
        seconds_per_batch=world.duration_s[:, None].copy(),
        backlog_batches=np.ones((nodes, 1), dtype=np.int64),
    )


def oort_run(size: dict[str, Any], seed: int, *, legacy: bool, **options: Any) -> list[list[int]]:
    """Selections of a run. ``legacy``: with the random numbers that the original drew."""
    world = WORLDS.OortWorld.of(size["nodes"])
    fleet, policy = oort_fleet(world), Oort(clients=size["per_round"], **options)
    state, trained, picks = policy.init(seed), np.zeros(size["nodes"], dtype=np.int64), []
    numbers = np.random.RandomState(seed)
    for slot in range(RECORDS["oort"]["rounds"]):
        loss = np.where(trained > 0, world.loss(trained), np.nan)
        now = replace(fleet, slot=slot, participations=trained.copy(), mean_loss=loss)
        chosen, state = policy.pick(now, state, numbers if legacy else round_rng(seed, now))
        picks.append([int(i) for i in chosen])
        trained[chosen] += 1
    return picks


def test_oort_has_the_originals_options() -> None:
    policy, theirs = Oort(), RECORDS["oort"]["options"]
    ours = (
        policy.epsilon,
        policy.epsilon_decay,
        policy.epsilon_least,
        policy.preferred_percentile,
        policy.penalty,
    )
    assert ours == tuple(
        theirs[key]
        for key in (
            "exploration_factor",
            "exploration_decay",
            "exploration_min",
            "round_threshold",
            "round_penalty",
        )
    )
    ours = (policy.clip, policy.cut_off, policy.pacer_delta, policy.pacer_step, policy.sample_window)
    assert ours == tuple(
        theirs[key] for key in ("clip_bound", "cut_off_util", "pacer_delta", "pacer_step", "sample_window")
    )


@pytest.mark.parametrize("size", RECORDS["oort"]["sizes"], ids=lambda size: str(size["nodes"]))
def test_oort_selects_what_the_original_selected_with_the_same_random_numbers(size: dict[str, Any]) -> None:
    for seed, digest in enumerate(size["digests"]):
        assert MADE.digest(oort_run(size, seed, legacy=True)) == digest


@pytest.mark.parametrize("size", RECORDS["oort"]["sizes"], ids=lambda size: str(size["nodes"]))
def test_oort_selects_as_often_as_the_original(size: dict[str, Any]) -> None:
    """50 seeds of 200 rounds with random numbers of our own: total variation of the shares of selections."""
    counts = np.zeros(size["nodes"])
    for seed in range(50):
        for picked in oort_run(size, seed, legacy=False):
            counts[picked] += 1
    theirs = np.array(size["frequency"])
    assert 0.5 * np.abs(counts / counts.sum() - theirs / theirs.sum()).sum() < 0.05
    assert counts.sum() / (50 * RECORDS["oort"]["rounds"]) == pytest.approx(theirs.sum(), rel=0.02)


# --- Lowcarb ---------------------------------------------------------------------------------------------------


def test_lowcarb_decides_as_the_original() -> None:
    assert len(RECORDS["lowcarb"]["decisions"]) == 1000
    for seed, theirs in enumerate(RECORDS["lowcarb"]["decisions"]):
        given = WORLDS.LowcarbInput.of(seed)
        scores = lowcarb_scores(given.intensity, given.participations, given.longest)
        assert smallest(-scores, given.count).tolist() == theirs, seed


def test_lowcarb_decides_as_the_original_in_a_fleet() -> None:
    for seed, theirs in enumerate(RECORDS["lowcarb"]["decisions"][:100]):
        given = WORLDS.LowcarbInput.of(seed)
        nodes, horizon = given.intensity.shape
        fleet = replace(
            reference_day(horizon, nodes=nodes),
            intensity_g_per_kwh=given.intensity,
            participations=given.participations,
        )
        decision, _ = Lowcarb(clients=given.count, forecast_slots=given.longest).decide(fleet, {})
        assert decision.selected is not None
        assert np.flatnonzero(decision.selected).tolist() == sorted(theirs), seed


# --- FedZero ---------------------------------------------------------------------------------------------------


def fedzero_fleet(
    epoch: Any, joules: Any, capacity: Any, harvest_j: Any, slot_s: float = 3600.0, **changes: Any
) -> Fleet:
    """Nodes that may do five epochs a round, without battery or static load; a slot is time for ``capacity``."""
    nodes, horizon = harvest_j.shape
    day = reference_day(horizon, nodes=nodes)
    whole = np.ones((1, horizon))
    return replace(
        day,
        slot_s=slot_s,
        harvest_j=harvest_j.astype(float),
        joules_per_batch=joules[:, None] * whole,
        seconds_per_batch=slot_s / capacity[:, None] * whole,
        backlog_batches=5 * epoch[:, None],
        release_batches=np.repeat(5 * epoch[:, None], horizon - 1, axis=1),
        static_w=np.zeros(nodes),
        battery_capacity_j=np.zeros(nodes),
        battery_j=np.zeros(nodes),
        **changes,
    )


def test_fedzero_selects_as_the_original() -> None:
    assert len(RECORDS["fedzero"]["selections"]) == 1000
    wrong = []
    for seed, theirs in enumerate(RECORDS["fedzero"]["selections"]):
        given = WORLDS.FedZeroInput.of(seed)
        nodes, horizon = len(given.domain), given.energy_j.shape[1]
        first = [np.flatnonzero(given.domain == k)[:1] for k in range(len(given.energy_j))]
        harvest = np.zeros((nodes, horizon))
        for k, member in enumerate(first):
            harvest[member] = given.energy_j[k]
        fleet = fedzero_fleet(
            given.epoch_batches,
            given.joules_per_batch,
            given.capacity,
            harvest,
            intensity_g_per_kwh=np.repeat(100.0 + given.domain[:, None], horizon, axis=1),
            mean_loss=given.utility / given.examples,
            num_examples=given.examples,
        )
        policy = FedZero(clients=given.count, domains="zone")
        state = policy.init(0) | {"blocked": [fleet.node_ids[i] for i in given.blocked]}
        decision, _ = policy.decide(fleet, state)
        assert decision.selected is not None
        if np.flatnonzero(decision.selected).tolist() != ([] if theirs is None else theirs[1:]):
            wrong.append(seed)
    assert wrong == []


def test_fedzero_divides_a_domains_energy_as_the_original() -> None:
    """Where the original spends more than is available, compared with its decision on the remaining energy."""
    overspent = 0
    for seed, theirs in enumerate(RECORDS["fedzero"]["steps"]):
        given = WORLDS.FedZeroStep.of(seed)
        ours = attribute_energy(
            given.energy_j,
            given.joules_per_batch,
            given.done,
            given.epoch_batches.astype(float),
            5.0 * given.epoch_batches,
            given.capacity.astype(float),
        )
        np.testing.assert_allclose(ours, theirs[-1], atol=2e-3, err_msg=str(seed))
        assert float(ours @ given.joules_per_batch) <= given.energy_j * (1 + 1e-12)
        if len(theirs) > 1:
            overspent += float(np.array(theirs[0]) @ given.joules_per_batch) > given.energy_j * (1 + 1e-6)
    assert overspent > 0


@pytest.mark.parametrize("seed", range(len(RECORDS["fedzero"]["runs"])))
def test_fedzero_runs_whole_rounds_as_the_original(seed: int) -> None:
    """Selection, blocklist with its daily cycle, division, length of a round and participation, round after round."""
    given, theirs = WORLDS.FedZeroRun.of(seed), RECORDS["fedzero"]["runs"][seed]
    nodes, horizon = len(given.epoch_batches), given.horizon
    policy = FedZero(clients=given.count, release=given.alpha, exclusion_share=given.exclusion)
    state, loss, number = policy.init(0), np.full(nodes, np.nan), 1
    rounds: list[list[Any]] = []
    begun, worked = 0, np.zeros(nodes, dtype=np.int64)
    for slot in range(theirs[-1][0] + theirs[-1][1]):
        fleet = fedzero_fleet(
            given.epoch_batches,
            given.joules_per_batch,
            given.capacity,
            given.energy_batches[:, slot : slot + horizon] * given.joules_per_batch[:, None],
            slot_s=given.slot_s,
            slot=slot,
            mean_loss=loss.copy(),
            num_examples=given.examples,
        )
        decision, following = policy.decide(fleet, state)
        assert decision.selected is not None
        if not state["members"]:
            begun, worked = slot, np.zeros(nodes, dtype=np.int64)
        worked = worked + decision.home_batches
        members = np.flatnonzero(decision.selected)
        if len(members) and not following["members"]:
            rounds.append([begun, slot + 1 - begun, *([int(i), int(worked[i])] for i in members)])
            for i in members:
                if worked[i] >= given.epoch_batches[i]:
                    loss[i] = given.utility[i, number] / given.examples[i]
            number += 1
        state = json.loads(json.dumps(following))
    assert rounds == theirs
