"""A slot's messages of many nodes at once, as columns: nodes are rows, in the order of the run's nodes.

What each column means is said in protos.messages.slot, where it is a field of one node's message.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protos.messages.terms import Component, Stage

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
LineName = tuple[Stage, Component]


@dataclass(frozen=True, slots=True)
class TelemetryColumns:
    """State of N nodes before a slot."""

    slot: int
    battery_uj: Ints
    """(N,)"""
    harvest_forecast_uj: Ints
    """(N, H)"""
    backlog_batches: Ints
    """(N, Q+1)"""
    release_forecast_batches: Ints
    """(N, H-1)"""


@dataclass(frozen=True, slots=True)
class MoveColumns:
    """Batches that leave their owner, by pair, in ascending order of owner and executor."""

    owner: Ints
    """(M,) rows."""
    executor: Ints
    batches: Ints


@dataclass(frozen=True, slots=True)
class DecisionColumns:
    """The slot's decision for N nodes."""

    slot: int
    stage: Stage
    awake: Bools
    """(N,)"""
    own_batches: Ints
    moves: MoveColumns
    charge_uj: Ints
    discharge_uj: Ints
    point: Ints | None = None
    """None: no board has operating points."""


@dataclass(frozen=True, slots=True)
class UsageColumns:
    """What N nodes metered in a slot."""

    slot: int
    lines: tuple[LineName, ...]
    """Names of the lines, in the order in which a node's reading has them."""
    lines_uj: Ints
    """(N, L)"""
    harvest_uj: Ints
    executed_batches: Ints
    """(N,) own and guests'."""
    payload_bytes: Ints
    """(M,) of each move."""
    model_bytes: Ints | None = None
    """(N,) of parameters received and sent; None where nothing is learned."""


@dataclass(frozen=True, slots=True)
class GrantColumns:
    """Result of the slot's trade for N nodes."""

    export_uj: Ints
    import_uj: Ints


@dataclass(frozen=True, slots=True)
class LearnedColumns:
    """What N nodes learned in a slot, and what the coordinator did with it."""

    mean_loss: NDArray[np.float64]
    """(N,) NaN for a node that did not train, or whose loss is no finite number."""
    aggregated_parameters: int
    evaluated_examples: int
