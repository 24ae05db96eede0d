"""What a slot's trade really came to: decided transfers against what donors have and who is there. Pure,
integers.

Energies are microjoules. Losses are exact: of ``sent`` the recipient gets floor(sent * out_i * in_j), the
rest is lost, so that every joule arrives or is a named loss (x_ij and l_ij of (D2))."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from carbon_data.storage import Balance
from coordinator.accounting.spread import spread
from protos.messages import NodeProfile

ROUNDING_SLACK_UJ = 4
ROUNDING_PARTS = 10**9
"""Held back from what a battery could give, so that a node's own integer rounding can always meet the
grant."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Energy that a decision lets ``donor`` send to ``recipient``, as it leaves the donor's green bus."""

    donor: str
    recipient: str
    energy_uj: int


@dataclass(frozen=True, slots=True)
class SettledTransfer:
    """What became of a decided transfer. Void: nothing moved, and ``reason`` says why."""

    donor: str
    recipient: str
    decided_uj: int
    sent_uj: int
    received_uj: int
    reason: str = ""

    @property
    def posted(self) -> bool:
        return self.sent_uj > 0

    @property
    def loss_uj(self) -> int:
        return self.sent_uj - self.received_uj


@dataclass(frozen=True, slots=True)
class DonorState:
    """What a node has to give in a slot."""

    harvest_uj: int
    """Metered."""
    battery_uj: int
    discharge_uj: int
    """Most that the decision lets it draw from its battery."""


def transfer_efficiency(donor: NodeProfile, recipient: NodeProfile) -> Fraction:
    """1 - l_ij = out_i * in_j, exact."""
    return (1 - Fraction(donor.export_loss_fraction)) * (1 - Fraction(recipient.import_loss_fraction))


def dischargeable_uj(profile: NodeProfile, battery_uj: int, slot_s: float) -> int:
    """Most that the battery can give to the bus in a slot, (D3): stored energy after self-discharge,
    efficiency, power limit; less a rounding slack."""
    stored = battery_uj - math.ceil(Fraction(profile.self_discharge_fraction) * battery_uj)
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

    ``donors`` holds the nodes that reported their usage; a transfer with anybody else is void. A donor gives
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
        battery = min(state.discharge_uj, dischargeable_uj(profile, state.battery_uj, slot_s))
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


def close_unreported(
    profile: NodeProfile, demand_uj: int, harvest_uj: int, export_uj: int, import_uj: int, battery_uj: int
) -> Balance:
    """Balance of a node that reported its usage and then fell silent: the metered joules, on the cautious
    side.

    All demand counts as grid energy and what the harvest leaves over as curtailed; the battery gives only
    what an export already granted needs. An estimate, and labelled so by the caller."""
    discharge = max(0, export_uj - harvest_uj - import_uj)
    drawn = math.ceil(discharge / Fraction(profile.discharge_efficiency_fraction)) if discharge else 0
    if drawn > battery_uj:
        raise ValueError(
            f"export of {export_uj} uJ needs {drawn} uJ from a battery that holds {battery_uj} uJ"
        )
    return Balance(
        demand_uj=demand_uj,
        grid_uj=demand_uj,
        green_uj=0,
        harvest_uj=harvest_uj,
        charge_uj=0,
        charge_loss_uj=0,
        discharge_uj=discharge,
        discharge_loss_uj=drawn - discharge,
        self_discharge_uj=0,
        export_uj=export_uj,
        import_uj=import_uj,
        curtailed_uj=harvest_uj + import_uj + discharge - export_uj,
        battery_before_uj=battery_uj,
        battery_after_uj=battery_uj - drawn,
    )


def balance_findings(balance: Balance, profile: NodeProfile, slot_s: float) -> list[str]:
    """What is wrong with a balance: (D1)-(D3) exact in integers, battery terms to the microjoule of rounding.

    Empty when all is well.
    """
    b = balance
    found = [
        f"{name} is {value} uJ, allowed is >= 0"
        for name in Balance.__slots__
        if (value := getattr(b, name)) < 0
    ]
    if found:
        return found
    if b.demand_uj != b.grid_uj + b.green_uj:
        found.append(f"(D1) demand {b.demand_uj} uJ is not grid {b.grid_uj} + green {b.green_uj}")
    into, out = (
        b.harvest_uj + b.discharge_uj + b.import_uj,
        b.green_uj + b.charge_uj + b.export_uj + b.curtailed_uj,
    )
    if into != out:
        found.append(f"(D2) {into} uJ come to the green bus and {out} uJ leave it")
    after = (
        b.battery_before_uj
        - b.self_discharge_uj
        + b.charge_uj
        - b.charge_loss_uj
        - b.discharge_uj
        - b.discharge_loss_uj
    )
    if after != b.battery_after_uj:
        found.append(f"(D3) the battery holds {b.battery_after_uj} uJ afterwards; its flows give {after} uJ")
    if b.battery_after_uj > profile.battery_capacity_uj:
        found.append(
            f"(D3) the battery holds {b.battery_after_uj} uJ of {profile.battery_capacity_uj} uJ capacity"
        )
    charged = Fraction(profile.charge_efficiency_fraction) * b.charge_uj
    if b.discharge_uj and profile.discharge_efficiency_fraction == 0:
        return [*found, f"discharge of {b.discharge_uj} uJ at a discharging efficiency of 0"]
    drawn = (
        b.discharge_uj / Fraction(profile.discharge_efficiency_fraction) if b.discharge_uj else Fraction(0)
    )
    rounding = (
        ("charge loss", b.charge_loss_uj, b.charge_uj - charged, b.charge_uj),
        ("discharge loss", b.discharge_loss_uj, drawn - b.discharge_uj, b.discharge_uj),
        (
            "self-discharge",
            b.self_discharge_uj,
            Fraction(profile.self_discharge_fraction) * b.battery_before_uj,
            b.battery_before_uj,
        ),
    )
    for name, got, exact, amount in rounding:
        if abs(got - exact) > 2 + Fraction(2 * amount, ROUNDING_PARTS):
            found.append(f"(D3) {name} is {got} uJ, the profile's efficiencies give {float(exact):.1f} uJ")
    limits = (
        ("charge", b.charge_uj, profile.charge_limit_w),
        ("discharge", b.discharge_uj, profile.discharge_limit_w),
    )
    for name, got, limit_w in limits:
        if got > Fraction(limit_w) * Fraction(slot_s) * 1_000_000 + 1:
            found.append(f"{name} of {got} uJ in {slot_s} s, the limit is {limit_w} W")
    return found
