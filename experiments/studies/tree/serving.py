"""How the edge server serves: what a batch costs, how many requests it has at most, and how many users there are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from experiments.studies.tree.fitted import FittedCost, load_fits
from experiments.studies.tree.parameters import Parameters

LINKS_BIT_PER_S_PER_HZ = (7.4063, 7.1602, 6.9141, 6.5703, 6.2266, 5.8906, 5.5547, 5.3320)
"""Spectral efficiency of each user's link, the best first: the eight rates with 256QAM of 3GPP TS 38.214, Table
5.1.3.1-2 (MCS 27 down to 20). Choice: the paper has no users apart."""


class Cost(StrEnum):
    """What the durations of prefill and decode follow from."""

    ROOFLINE = "roofline"
    """Operations and bytes of the model over the card's peaks (parameters.py)."""
    FITTED = "fitted"
    """Measured durations of a small model, at the roofline's speed (fitted.py)."""


class BatchCost(Protocol):
    """Seconds of a batch whose requests are all alike."""

    def prefill_s(self, input_tokens: float, requests: int) -> float: ...

    def decode_s(self, input_tokens: float, output_tokens: float, requests: int) -> float: ...


def cost_of(parameters: Parameters, cost: Cost) -> BatchCost:
    """The model of that name."""
    return parameters if cost is Cost.ROOFLINE else FittedCost(parameters, load_fits())


@dataclass(frozen=True, slots=True)
class Serving:
    """One way to serve."""

    cost: Cost = Cost.ROOFLINE
    batch: int = 1
    """Requests of a batch at most."""
    users: int = 1
    """1 to 8, each as often as another, on links of their own."""

    @property
    def label(self) -> str:
        users = "one user" if self.users == 1 else f"{self.users} users"
        return f"{self.cost}, batches of {self.batch}, {users}"

    def links(self, parameters: Parameters) -> tuple[float, ...]:
        """Spectral efficiency of each user's link, in bit/s/Hz; one user has that of ``parameters``."""
        if not 1 <= self.users <= len(LINKS_BIT_PER_S_PER_HZ):
            raise ValueError(f"users is {self.users}; allowed are 1 to {len(LINKS_BIT_PER_S_PER_HZ)}")
        return (parameters.bit_per_s_per_hz, *LINKS_BIT_PER_S_PER_HZ[1 : self.users])


ALONE = Serving()
"""As in the paper: the roofline, one request at a time, one link."""
VARIANTS = (
    Serving(batch=8),
    Serving(batch=8, users=8),
    Serving(Cost.FITTED),
    Serving(Cost.FITTED, batch=8),
    Serving(Cost.FITTED, batch=8, users=8),
)
"""Under which the claims are judged besides."""
