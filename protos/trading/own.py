"""Private quantities of a trader's own node. Symbols are those of methods.md section 1. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Own:
    """Private state of one node before a slot, and its body. H slots of look-ahead, Q+1 deadline classes."""

    slot_s: float
    harvest_j: Floats
    """(H,) h(t)."""
    battery_j: float
    """B before the slot."""
    backlog_batches: tuple[int, ...]
    """(Q+1,) own batches not yet done, by slots left to their deadline."""
    room_batches: tuple[int, ...]
    """(Q+1,) of these, batches that (D5) still lets run elsewhere."""
    release_batches: tuple[int, ...]
    """(H-1,) batches to be released in the following slots."""
    static_w: float
    seconds_per_batch: Floats
    """(H,) tau."""
    joules_per_batch: Floats
    """(H,) e, above static power."""
    tx_j_per_byte: float
    rx_j_per_byte: float
    storage_bytes: float
    export_efficiency: float
    import_efficiency: float
    battery_capacity_j: float
    charge_efficiency: float
    discharge_efficiency: float
    self_discharge_fraction: float
    charge_limit_w: float
    discharge_limit_w: float
    model_j: Floats | None = None
    """(H,) radio energy of the model's parameters in a slot in which the node runs anything. None: none."""
    request_j: Floats | None = None
    """(H,) part of e for receiving a batch's requests from users: the owner's, also where another node runs it. None:
    none."""
    wake_s: float = 0.0
    """Seconds of this slot until the node is awake."""
    release_last_slots: tuple[int, ...] = ()
    """(H-1,) last slot, counted from this one, in which each later release may run: work of one stage runs in no
    other. Empty: Q slots after its release."""

    def owner_j(self, bytes_per_batch: Sequence[float]) -> Floats:
        """(H,) for a batch run elsewhere: received from users, sent on."""
        sent_j = np.asarray(bytes_per_batch) * self.tx_j_per_byte
        return np.asarray(sent_j if self.request_j is None else sent_j + self.request_j[: len(sent_j)])

    def guest_j(self, bytes_per_batch: Sequence[float]) -> Floats:
        """(H,) for an offloaded batch of another node, added to e: received from its owner, and not from users."""
        received_j = np.asarray(bytes_per_batch) * self.rx_j_per_byte
        if self.request_j is None:
            return np.asarray(received_j)
        return np.asarray(received_j - self.request_j[: len(received_j)])

    @property
    def available(self) -> int:
        """Own batches that may run now."""
        return sum(self.backlog_batches)


@dataclass(frozen=True, slots=True)
class Managed:
    """A trader's plan for its own node after the market has closed."""

    own_batches: int
    """Own batches to run at home."""
    charge_j: float
    """Harvest to store before serving the load."""
    discharge_j: float
    """Most to draw from the battery."""


@dataclass(frozen=True, slots=True)
class Work:
    """Whole-number limits on a node's work in the slot."""

    available: int
    may_leave: int
    capacity: int
    """Most batches it can run: (D7) time."""
    guest_room: int
    """Most batches of others it can hold: (D7) storage."""

    @classmethod
    def of(cls, own: Own, bytes_per_batch: float, offloadable: bool) -> Work:
        """Limits of the slot being traded, awake."""
        tau = float(own.seconds_per_batch[0])
        leave = sum(
            min(room, count) for room, count in zip(own.room_batches, own.backlog_batches, strict=True)
        )
        return cls(
            available=own.available,
            may_leave=leave if offloadable else 0,
            capacity=_whole(max(own.slot_s - own.wake_s, 0.0) / tau)
            if tau > 0
            else PLENTY * (own.wake_s < own.slot_s),
            guest_room=_whole(own.storage_bytes / bytes_per_batch) if bytes_per_batch > 0 else PLENTY,
        )


PLENTY = 2**30
"""Stands for no limit on a count of batches."""


def _whole(value: float) -> int:
    return int(min(np.floor(value + 1e-9), PLENTY))


@dataclass(slots=True)
class Filled:
    """Results of the market for a trader so far."""

    sent_batches: int = 0
    guest_batches: int = 0
    sold_j: float = 0.0
    """In the hub."""
    bought_j: float = 0.0
    paid_g: float = 0.0
    """Grams paid minus grams received, at the market's prices."""
    rounds: list[int] = field(default_factory=list)
