"""Outcome of a slot's trade: decided transfers against what donors have and which nodes reported. Pure, integers.

Energies are microjoules. Losses are exact: of ``sent`` the recipient gets floor(sent * out_i * in_j), the
rest is lost, so that every joule arrives or is a named loss (x_ij and l_ij of (D2))."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from carbon_data.storage import faded_fraction
from coordinator.accounting.spread import spread
from coordinator.slots.balances import ROUNDING_PARTS
from protos.messages.stream import NodeProfile

ROUNDING_SLACK_UJ = 4
"""Held back from what a battery could give, beside one part in ROUNDING_PARTS, so that a node's own integer rounding
can always meet the grant."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Energy that a decision lets ``donor`` send to ``recipient``, as it leaves the donor's green bus."""

    donor: str
    recipient: str
    energy_uj: int


@dataclass(frozen=True, slots=True)
class SettledTransfer:
    """Outcome of a decided transfer. Void: nothing moved, for the reason in ``reason``."""

    donor: str
    recipient: str
    decided_uj: int
    sent_uj: int
    received_uj: int
    reason: str = ""

    @property
    def posted(self) -> bool:
        return self.sent_uj > 0


@dataclass(frozen=True, slots=True)
class DonorState:
    """Energy that a node can give in a slot."""

    harvest_uj: int
    """Metered."""
    battery_uj: int
    discharge_uj: int
    """Most that the decision lets it draw from its battery."""
    duration_s: float | None = None
    """How long its slot was; None: as configured."""


def transfer_efficiency(donor: NodeProfile, recipient: NodeProfile) -> Fraction:
    """1 - l_ij = out_i * in_j, exact."""
    return (1 - Fraction(donor.export_loss_fraction)) * (1 - Fraction(recipient.import_loss_fraction))


def dischargeable_uj(
    profile: NodeProfile, battery_uj: int, slot_s: float, share: Fraction = Fraction(1)
) -> int:
    """Most that the battery can give to the bus in a slot of ``slot_s`` seconds, ``share`` of its configured length,
    (D3): stored energy after self-discharge, efficiency, power limit; less a rounding slack."""
    stored = battery_uj - math.ceil(faded_fraction(profile.self_discharge_fraction, share) * battery_uj)
    by_store = math.floor(stored * Fraction(profile.discharge_efficiency_fraction))
    by_power = math.floor(Fraction(profile.discharge_limit_w) * Fraction(slot_s) * 1_000_000)
    return max(0, min(by_store, by_power) - ROUNDING_SLACK_UJ - battery_uj // ROUNDING_PARTS)


def settle_trade(
    decided: Sequence[Transfer],
    donors: Mapping[str, DonorState],
    profiles: Mapping[str, NodeProfile],
    slot_s: float,
) -> list[SettledTransfer]:
    """Outcome of every decided transfer, in order.

    ``donors`` holds the nodes that reported their usage; a transfer with any other node is void. A donor gives
    at most its metered harvest plus what its battery can discharge; what it cannot give is cut from its
    transfers in proportion."""
    by_donor: dict[str, list[int]] = defaultdict(list)
    results: dict[int, SettledTransfer] = {}
    for index, transfer in enumerate(decided):
        absent = [node for node in (transfer.donor, transfer.recipient) if node not in donors]
        if absent:
            results[index] = _void(transfer, f"no reading from {', '.join(absent)}")
        else:
            by_donor[transfer.donor].append(index)
    for donor, indices in by_donor.items():
        state, profile = donors[donor], profiles[donor]
        lasted_s = slot_s if state.duration_s is None else state.duration_s
        share = Fraction(lasted_s) / Fraction(slot_s)
        battery = min(state.discharge_uj, dischargeable_uj(profile, state.battery_uj, lasted_s, share))
        wanted = [decided[index].energy_uj for index in indices]
        sendable = spread(min(sum(wanted), state.harvest_uj + battery), wanted)
        for index, sent in zip(indices, sendable, strict=True):
            transfer = decided[index]
            if sent == 0:
                results[index] = _void(transfer, "the donor has nothing to give")
                continue
            received = math.floor(sent * transfer_efficiency(profile, profiles[transfer.recipient]))
            results[index] = SettledTransfer(donor, transfer.recipient, transfer.energy_uj, sent, received)
    return [results[index] for index in range(len(decided))]


def _void(transfer: Transfer, reason: str) -> SettledTransfer:
    return SettledTransfer(transfer.donor, transfer.recipient, transfer.energy_uj, 0, 0, reason)
