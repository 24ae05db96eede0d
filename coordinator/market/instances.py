"""Seeded fleets to test, measure and compare on: random ones that cover the corners, and a ten-node
reference day."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Fleet, Floats, Limits


def random_fleet(
    seed: int,
    nodes: int | None = None,
    horizon: int | None = None,
    *,
    deadline_slots: int = 0,
    may_sleep: bool = False,
    pairwise_losses: bool = False,
    **changes: Any,
) -> Fleet:
    """A fleet drawn from ``seed``; ``changes`` replace fields of the result.

    1..6 nodes and 1..4 slots unless given. Corners are drawn with positive probability: no battery, no
    harvest, no work, no offload cap or a full one, a stage that may not be offloaded, free transport. Work
    always fits the nodes' own time, so LOCAL is feasible."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7)) if nodes is None else nodes
    h = int(rng.integers(1, 5)) if horizon is None else horizon
    slot_s = float(rng.choice([30.0, 60.0, 3600.0]))
    limits = Limits(
        offload_cap_fraction=float(rng.choice([0.0, 0.5, 0.5, 1.0])),
        transfer_cap_fraction=float(rng.choice([0.0, 0.5, 0.5, 1.0])),
        deadline_slots=deadline_slots,
        may_sleep=may_sleep,
        net_j_per_byte=float(rng.choice([0.0, 2e-8, 1e-6])),
    )
    static_w = rng.uniform(1.0, 4.0, n)
    most = rng.integers(1, 30, n)
    seconds = slot_s / (most * rng.uniform(1.0, 3.0, n))
    share = np.maximum(most // (deadline_slots + 1), 1)
    work = rng.integers(0, share[:, None] + 1, (n, h)) * rng.integers(0, 2, (n, 1))
    backlog = np.zeros((n, deadline_slots + 1), dtype=np.int64)
    backlog[:, deadline_slots] = work[:, 0]
    if deadline_slots:
        backlog[:, 0] = rng.integers(0, share)
    joules = seconds * rng.uniform(1.0, 4.0, n)
    harvest = rng.uniform(0.0, 2.0, (n, h)) * slot_s * static_w[:, None] * rng.integers(0, 2, (n, 1))
    capacity = rng.uniform(0.0, 3.0, n) * slot_s * static_w * rng.integers(0, 2, n)
    intensity = rng.uniform(5.0, 900.0, (n, h))
    discharge = rng.uniform(0.8, 1.0, n)
    losses: Floats | None = None
    if pairwise_losses:
        losses = rng.uniform(0.0, 0.5, (n, n))
        np.fill_diagonal(losses, 0.0)
    fleet = Fleet(
        node_ids=tuple(f"edge-{index:02d}" for index in range(n)),
        slot=int(rng.integers(0, 100)),
        slot_s=slot_s,
        stage="development",
        limits=limits,
        intensity_g_per_kwh=intensity,
        harvest_j=harvest,
        backlog_batches=backlog,
        release_batches=work[:, 1:].astype(np.int64),
        seconds_per_batch=np.repeat(seconds[:, None], h, axis=1),
        joules_per_batch=np.repeat(joules[:, None], h, axis=1),
        bytes_per_batch=np.full(h, float(rng.choice([0.0, 4e4, 1e6]))),
        offloadable=rng.random(h) < 0.85,
        static_w=static_w,
        sleep_w=0.1 * static_w,
        wake_j=rng.uniform(0.0, 2.0, n) * static_w,
        wake_s=rng.uniform(0.0, 0.02, n) * slot_s,
        tx_j_per_byte=rng.choice([0.0, 1e-7, 1e-6], n),
        rx_j_per_byte=rng.choice([0.0, 1e-7, 5e-7], n),
        storage_bytes=rng.choice([0.0, 3e5, 1e9], n),
        export_efficiency=rng.uniform(0.8, 1.0, n),
        import_efficiency=rng.uniform(0.8, 1.0, n),
        battery_j=capacity * rng.uniform(0.0, 1.0, n),
        battery_capacity_j=capacity,
        charge_efficiency=rng.uniform(0.8, 1.0, n),
        discharge_efficiency=discharge,
        self_discharge_fraction=rng.choice([0.0, 0.001, 0.02], n),
        charge_limit_w=rng.uniform(1.0, 10.0, n),
        discharge_limit_w=rng.uniform(1.0, 10.0, n),
        stored_value_g_per_j=discharge * intensity.mean(axis=1) / JOULES_PER_KWH * rng.integers(0, 2),
        asleep=np.zeros(n, dtype=bool),
        loss_fraction=losses,
        participations=rng.integers(0, 9, n),
        num_examples=rng.integers(10, 1000, n),
        mean_loss=rng.uniform(0.1, 3.0, n),
    )
    return replace(fleet, **changes) if changes else fleet


REFERENCE_INTENSITY_G_PER_KWH = (24.0, 24.9, 37.2, 67.3, 285.0, 425.0, 458.0, 461.0, 479.0, 487.0)
"""Annual means of the ten zones of methods.md section 8, note 9."""


def reference_day(slots: int = 24, nodes: int = 10, **changes: Any) -> Fleet:
    """The ten-node reference day: intensities of methods.md section 8 note 9 with a daily swing of a
    quarter, boards like a Raspberry Pi 4B, sun on every node with its own peak hour, slots of a minute
    standing for an hour of trace.

    Deterministic, no data needed. ``nodes`` beyond ten repeat the zones with a small, fixed detune.
    """
    hours = np.arange(slots) % 24
    index = np.arange(nodes)
    base = np.resize(REFERENCE_INTENSITY_G_PER_KWH, nodes) * (1.0 + 0.003 * (index // 10))
    phase = 2.0 * np.pi * (hours[None, :] - 19.0 - index[:, None] % 5) / 24.0
    intensity = base[:, None] * (1.0 + 0.25 * np.cos(phase))
    slot_s, static_w, busy_w = 60.0, 2.7, 6.4
    seconds = 1.2 + 0.05 * (index % 4)
    released = 20 + 2 * (index % 3)
    sun = np.maximum(np.sin(np.pi * (hours[None, :] - 6.0 - 0.5 * (index[:, None] % 4)) / 12.0), 0.0)
    sun = np.where((hours >= 6) & (hours <= 20), sun, 0.0)
    peak_w = 3.0 + 1.0 * (index % 5)
    capacity = np.where(index % 3 == 2, 0.0, 600.0 + 120.0 * (index % 4))
    discharge = np.full(nodes, 0.95)
    fleet = Fleet(
        node_ids=tuple(f"edge-{k:02d}" for k in index),
        slot=0,
        slot_s=slot_s,
        stage="development",
        limits=Limits(net_j_per_byte=2e-8),
        intensity_g_per_kwh=intensity,
        harvest_j=np.asarray(peak_w[:, None] * sun * slot_s, dtype=np.float64),
        backlog_batches=released[:, None].astype(np.int64),
        release_batches=np.repeat(released[:, None], slots - 1, axis=1).astype(np.int64),
        seconds_per_batch=np.repeat(seconds[:, None], slots, axis=1),
        joules_per_batch=np.repeat((seconds * (busy_w - static_w))[:, None], slots, axis=1),
        bytes_per_batch=np.full(slots, 50_000.0),
        offloadable=np.ones(slots, dtype=bool),
        static_w=np.full(nodes, static_w),
        sleep_w=np.full(nodes, 0.3),
        wake_j=np.full(nodes, 5.0),
        wake_s=np.full(nodes, 2.0),
        tx_j_per_byte=np.full(nodes, 3e-7),
        rx_j_per_byte=np.full(nodes, 2e-7),
        storage_bytes=np.full(nodes, 5e6),
        export_efficiency=np.asarray(0.97 - 0.005 * (index % 3), dtype=np.float64),
        import_efficiency=np.asarray(0.96 - 0.005 * (index % 2), dtype=np.float64),
        battery_j=np.zeros(nodes),
        battery_capacity_j=capacity,
        charge_efficiency=np.full(nodes, 0.95),
        discharge_efficiency=discharge,
        self_discharge_fraction=np.full(nodes, 0.001),
        charge_limit_w=np.full(nodes, 8.0),
        discharge_limit_w=np.full(nodes, 8.0),
        stored_value_g_per_j=discharge * intensity.mean(axis=1) / JOULES_PER_KWH,
        asleep=np.zeros(nodes, dtype=bool),
        participations=np.zeros(nodes, dtype=np.int64),
        num_examples=np.full(nodes, 600, dtype=np.int64),
    )
    return replace(fleet, **changes) if changes else fleet
