"""Energy of a training on the paper's boards: the testbed's board model, one speed calibrated per model.

A round is synchronous: every server computes, sends its model and waits for the average. With F counted
operations per server and round, s the effective speed, L the bytes of the model, v the rate of the link:

    round time  T = F/s + 2 L/v + a/s               a: averaging on the coordinator, 2 operations per parameter
    server      E = P_st T + (P_busy - P_st) F/s + L (eps_tx + eps_rx)
    coordinator E = P_st T + (P_busy - P_st) a/s + k L (eps_tx + eps_rx)         k servers

One server alone neither sends nor waits. Powers and radio figures are those of the sourced board profile
(edge_node/energy/boards/raspberry_pi_4b.toml) and stay as they are; s alone is calibrated, on one row of each model,
reading of E and B, and size of training (experiments.studies.fei.table1.calibrated says which). Every other row is
then a prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carbon_data.units import kwh_to_joules
from edge_node.config import BoardConfig
from edge_node.energy.boards import load_board
from edge_node.energy.transport import load_transport
from experiments.resolve.boards import AGGREGATE_FLOP_PER_PARAMETER

LINK_BYTES_PER_S = 6.25e6
"""Wi-Fi between board and router, 50 Mbit/s: the testbed's default ([C])."""


@dataclass(frozen=True, slots=True)
class Training:
    """Counted work of a whole training."""

    edges: int
    rounds: int
    flop_per_round: float
    """One server, one round."""
    model_bytes: int
    parameters: int


@dataclass(frozen=True)
class Energy:
    """Joules by board, and how long it takes."""

    servers_j: NDArray[np.float64]
    """(k,) edge servers."""
    coordinator_j: float
    """The coordinator's board, whether or not a reading counts it."""
    network_j: float
    """Router: a separate line; the paper does not meter it."""
    duration_s: float
    static_fraction: float
    """Share of static power in the servers' energy."""


TRANSPORT = "wifi-low"
"""Of this study: the low end of Wi-Fi equipment. The paper's kWh name no network; a run's default is the middle."""


@lru_cache(maxsize=1)
def board() -> BoardConfig:
    """The paper's board, from its sourced profile."""
    return load_board("raspberry-pi-4b").config()


@lru_cache(maxsize=1)
def network_j_per_byte() -> float:
    return load_transport(TRANSPORT).value


def flop_per_s_for(training: Training, kwh: float, *, with_coordinator: bool) -> float | None:
    """Speed at which a training costs ``kwh``; None when radio and waiting for it alone cost more.

    Energy is a/s + b in the speed s, so two values of it give a and b.
    """

    def total_j(flop_per_s: float) -> float:
        used = training_energy(training, flop_per_s)
        return float(used.servers_j.sum()) + (used.coordinator_j if with_coordinator else 0.0)

    slow, quick = 1e9, 2e9
    a = (total_j(slow) - total_j(quick)) / (1.0 / slow - 1.0 / quick)
    b = total_j(slow) - a / slow
    left_j = kwh_to_joules(kwh) - b
    return a / left_j if left_j > 0 else None


def training_energy(training: Training, flop_per_s: float) -> Energy:
    """Energy of a training at speed ``flop_per_s``."""
    b, k = board(), training.edges
    compute_s = training.flop_per_round / flop_per_s
    alone = k == 1
    moved = 0.0 if alone else float(training.model_bytes)
    average_s = 0.0 if alone else AGGREGATE_FLOP_PER_PARAMETER * training.parameters * k / flop_per_s
    round_s = compute_s + 2.0 * moved / LINK_BYTES_PER_S + average_s
    radio_j = moved * (b.tx_j_per_byte + b.rx_j_per_byte)
    dynamic_w = b.busy_w - b.static_w
    server_j = training.rounds * (b.static_w * round_s + dynamic_w * compute_s + radio_j)
    coordinator_j = training.rounds * (b.static_w * round_s + dynamic_w * average_s + k * radio_j)
    return Energy(
        servers_j=np.full(k, server_j),
        coordinator_j=0.0 if alone else coordinator_j,
        network_j=training.rounds * 2.0 * k * moved * network_j_per_byte(),
        duration_s=training.rounds * round_s,
        static_fraction=training.rounds * b.static_w * round_s / server_j,
    )


@dataclass(frozen=True, slots=True)
class Stages:
    """Joules of one edge server by life-cycle stage, in the order of the paper."""

    preparation: float
    development: float
    application: float
    recycling: float | None
    """None: the second task's target was not reached, or not trained for."""

    def as_dict(self) -> dict[str, float | None]:
        return {
            "preparation": self.preparation,
            "development": self.development,
            "application": self.application,
            "recycling": self.recycling,
        }


REQUESTS_PER_SERVER = 10_000
"""Inferences each edge server answers in the application stage ([C]: the paper reports no load)."""


def stage_energy(
    result: dict[str, Any],
    development: Training,
    recycling_rounds: int | None,
    examples_per_server: float,
    flop_per_s: float,
) -> Stages:
    """Energy of one server in every stage. ``result`` is a training's (experiments.studies.fei.training.train).

    Preparation: the server's share is received and preprocessed (counted operations of the task's own
    preparation). Application: the model is received and ``REQUESTS_PER_SERVER`` requests answered. Recycling: the
    same rounds of work as counted in the measured transfer.
    """
    b = board()

    def receive_j(size: float) -> float:
        return size * b.rx_j_per_byte + b.static_w * size / LINK_BYTES_PER_S

    def compute_j(flop: float) -> float:
        return b.busy_w * flop / flop_per_s

    training_j = float(training_energy(development, flop_per_s).servers_j[0])
    return Stages(
        preparation=receive_j(examples_per_server * result["bytes_per_example"])
        + compute_j(examples_per_server * result["prepare_flop_per_example"]),
        development=training_j,
        application=receive_j(float(result["model_bytes"]))
        + compute_j(REQUESTS_PER_SERVER * result["serve_flop_per_request"]),
        recycling=None if recycling_rounds is None else training_j * recycling_rounds / development.rounds,
    )
