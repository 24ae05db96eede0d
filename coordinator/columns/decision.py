"""A choice for the fleet as columns, in whole units: coordinator.slots.decision_entry by column. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carbon_data.exact import Floats, Ints, to_micro
from coordinator.policies.guard import Choice
from protos.messages.columns import Bools, DecisionColumns, MoveColumns
from protos.messages.terms import Stage

UNLIMITED_J = 4e9
"""Charge or discharge without limit; the battery's own limits are below."""


@dataclass(frozen=True, slots=True)
class TransferColumns:
    """Energy that a decision lets donors send, by pair, in ascending order of donor and recipient."""

    donor: Ints
    """(P,) rows."""
    recipient: Ints
    decided_uj: Ints


@dataclass(frozen=True, slots=True)
class Decided:
    """A slot's decision: what nodes are told, and what is the coordinator's alone."""

    told: DecisionColumns
    transfers: TransferColumns
    selected: Bools | None


def decided(slot: int, stage: Stage, choice: Choice) -> Decided:
    """The decision of ``slot``. Transfers below half a microjoule are none."""
    chosen = choice.decision
    moves, transfers = chosen.moves, chosen.transfers
    energy_uj = to_micro(transfers.amount)
    real = energy_uj > 0
    return Decided(
        told=DecisionColumns(
            slot=slot,
            stage=stage,
            awake=chosen.awake.copy(),
            own_batches=chosen.home_batches.astype(np.int64),
            moves=MoveColumns(moves.source, moves.target, moves.amount.astype(np.int64)),
            charge_uj=_limited_uj(chosen.charge_j),
            discharge_uj=_limited_uj(chosen.discharge_j),
            point=None if chosen.points is None else chosen.points.copy(),
        ),
        transfers=TransferColumns(transfers.source[real], transfers.target[real], energy_uj[real]),
        selected=None if chosen.selected is None else chosen.selected.copy(),
    )


def _limited_uj(amount_j: Floats) -> Ints:
    return to_micro(np.minimum(amount_j, UNLIMITED_J))
