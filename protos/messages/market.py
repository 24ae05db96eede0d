"""Markets: trading without complete information (methods.md section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Good(StrEnum):
    """Goods of a market."""

    ENERGY = "energy"
    """Joules in the hub; prices in g CO2e per J."""
    WORK = "work"
    """Whole batches that another node runs for their owner; prices in g CO2e per batch."""


class Side(StrEnum):
    ASK = "ask"
    """Offers to give: energy, or to run a batch."""
    BID = "bid"
    """Offers to take: energy, or the execution of a batch."""


class MarketKind(StrEnum):
    """Kind of a node's answer to a market's call."""

    QUOTES = "quotes"
    """Steps of its supply and demand curves (double auction, belief and auction)."""
    EXCHANGE = "exchange"
    """Net trades of every slot of the look-ahead (exchange ADMM)."""


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """Public quantities before a slot's market: intensities, limits and the protocol's parameters."""

    kind: MarketKind
    intensity_g_per_kwh: tuple[float, ...]
    """(H,) of the node's own zone: the slot itself, then what is expected."""
    later_g_per_kwh: float
    """Mean intensity expected after the look-ahead, for the value of a stored joule."""
    scarcity: tuple[float, ...]
    """(H,) expected value of a later joule, as a share of the own intensity; empty: 1."""
    offload_cap_fraction: float
    transfer_cap_fraction: float
    net_j_per_byte: float
    bytes_per_batch: tuple[float, ...]
    """(H,)."""
    offloadable: tuple[bool, ...]
    """(H,)."""
    unit_j: float = 1.0
    """Exchange only: size of one unit of energy, work and price, so that all figures are near 1."""
    unit_batches: float = 1.0
    unit_g_per_j: float = 1.0
    unserved_g: float = 0.0
    """Exchange only: cost of a batch that is not run by its deadline."""
    rho: float = 1.0
    work_weight: float = 1.0
    """Exchange only: ratio of rho of work to rho of energy."""
    relaxation: float = 1.6


@dataclass(frozen=True, slots=True)
class MarketCall:
    """Opens the market of a slot (attempt 0), or opens it again without the nodes that did not answer."""

    node_id: str
    epoch: int
    slot: int
    attempt: int
    terms: MarketTerms


@dataclass(frozen=True, slots=True)
class Fill:
    """Result of a node's quotes of one good and side."""

    good: Good
    side: Side
    price_g: float
    quantity: float


@dataclass(frozen=True, slots=True)
class MarketNews:
    """Result of a round for one node; to be answered with Offers of the same round."""

    node_id: str
    epoch: int
    slot: int
    attempt: int
    round: int
    fills: tuple[Fill, ...] = ()
    mean_trades: tuple[float, ...] = ()
    """Exchange only: (2 H,) mean net trade of all, energy then work, in the terms' units."""
    rho_factor: float = 1.0
    """Exchange only: by how much rho has changed."""
    firm: bool = False
    """Exchange only: the last round; the answer has the quantities that the node can certainly give and take in this
    slot."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One step of a supply or demand curve. Quantities of work are whole batches."""

    good: Good
    side: Side
    price_g: float
    quantity: float


@dataclass(frozen=True, slots=True)
class Offers:
    """A node's answer in a market: public quantities only."""

    node_id: str
    epoch: int
    slot: int
    attempt: int
    round: int
    """0: answer to the call; k: answer to the news of round k."""
    quotes: tuple[Quote, ...] = ()
    trades: tuple[float, ...] = ()
    """Exchange only: (2 H,) net trades, energy then work: given minus taken by the node."""
