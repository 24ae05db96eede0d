"""What negotiators say to each other: public quantities only, really packed into bytes, counted.

Private stay battery, harvest, work and the node's own costs; public are prices and quantities on offer. A message is
packed before it leaves one party's object and unpacked before it enters another's, so nothing else can pass.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import numpy as np

from coordinator.market.fleet import Fleet, Floats

_HEAD = struct.Struct("<HIB")  # sender, round, kind of message
_QUOTE = struct.Struct("<Bdd")
_FILL = struct.Struct("<Bdd")
_COUNT = struct.Struct("<H")


class Good(IntEnum):
    """What is traded."""

    ENERGY = 0
    """Joules; prices in g per J in the hub."""
    WORK = 1
    """Batches to be run for their owner; prices in g per batch."""


class Side(IntEnum):
    ASK = 0
    """Offers to give: energy, or room to run a batch."""
    BID = 2
    """Offers to take: energy, or somebody to run a batch."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One step of a node's supply or demand curve."""

    node: int
    good: Good
    side: Side
    price: float
    quantity: float

    def pack(self) -> bytes:
        return _HEAD.pack(self.node, 0, 1) + _QUOTE.pack(self.good + self.side, self.price, self.quantity)

    @classmethod
    def unpack(cls, data: bytes) -> Quote:
        node, _, _ = _HEAD.unpack_from(data)
        kind, price, quantity = _QUOTE.unpack_from(data, _HEAD.size)
        return cls(node, Good(kind & 1), Side(kind & 2), price, quantity)


@dataclass(frozen=True, slots=True)
class Fill:
    """What became of a node's quotes of one side: how much of it trades, at which price."""

    node: int
    good: Good
    side: Side
    price: float
    quantity: float

    def pack(self) -> bytes:
        return _HEAD.pack(self.node, 0, 2) + _FILL.pack(self.good + self.side, self.price, self.quantity)

    @classmethod
    def unpack(cls, data: bytes) -> Fill:
        node, _, _ = _HEAD.unpack_from(data)
        kind, price, quantity = _FILL.unpack_from(data, _HEAD.size)
        return cls(node, Good(kind & 1), Side(kind & 2), price, quantity)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A number per good and slot: net trades of a node (up), or prices and mean trades (down)."""

    node: int
    round: int
    values: Floats
    """Flat."""

    def pack(self) -> bytes:
        body = np.asarray(self.values, dtype="<f8").tobytes()
        return _HEAD.pack(self.node, self.round, 3) + _COUNT.pack(len(self.values)) + body

    @classmethod
    def unpack(cls, data: bytes) -> Schedule:
        node, round_, _ = _HEAD.unpack_from(data)
        (count,) = _COUNT.unpack_from(data, _HEAD.size)
        values = np.frombuffer(data, dtype="<f8", count=count, offset=_HEAD.size + _COUNT.size)
        return cls(node, round_, values.astype(np.float64))


M = TypeVar("M", Quote, Fill, Schedule)


def _read(message: M, data: bytes) -> M:
    """What the receiver makes of the bytes; the sender's object stays with the sender."""
    return type(message).unpack(data)


@dataclass(slots=True)
class Wire:
    """Carries messages between nodes, or between a node and the market, and counts what that costs."""

    fleet: Fleet
    messages: int = 0
    total_bytes: int = 0
    energy_j: float = 0.0

    def carry(self, message: M, sender: int | None, receiver: int | None) -> M:
        """``message`` as the receiver reads it. None: the market, whose own radio is not counted."""
        data = message.pack()
        self.messages += 1
        self.total_bytes += len(data)
        fleet = self.fleet
        self.energy_j += len(data) * fleet.limits.net_j_per_byte
        for node, per_byte in ((sender, fleet.tx_j_per_byte), (receiver, fleet.rx_j_per_byte)):
            if node is not None:
                self.energy_j += len(data) * float(per_byte[node])
        return _read(message, data)

    def broadcast(self, message: M, sender: int) -> M:
        """``message`` as every other node reads it: sent once to each."""
        data = message.pack()
        others = self.fleet.size - 1
        self.messages += others
        self.total_bytes += others * len(data)
        received = self.fleet.rx_j_per_byte.sum() - self.fleet.rx_j_per_byte[sender]
        per_byte = others * (self.fleet.limits.net_j_per_byte + float(self.fleet.tx_j_per_byte[sender]))
        self.energy_j += len(data) * (per_byte + float(received))
        return _read(message, data)

    def notes(self) -> dict[str, float]:
        """For FleetDecision.notes."""
        return {
            "messages": float(self.messages),
            "bytes": float(self.total_bytes),
            "negotiation_j": self.energy_j,
        }
