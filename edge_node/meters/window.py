"""Joules of a window from a board's power model, with static power attributed as in (L2) of methods.md.

While a node computes, its static power belongs to the stage it computes for; the rest of the time it is
awake is unallocated. (L2) divides static power by the number of active tasks; a node runs one stage at a
time, so that number is one. Attributed and unallocated lines add up to the whole.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from carbon_data.units import to_micro
from edge_node.config import BoardConfig
from edge_node.energy.power_model import PowerModel
from edge_node.meters.base import Slot, spread
from protos.messages.terms import Component, Stage

Energies = dict[tuple[Stage, Component], int]


class Window:
    """What happened in one window: seconds and joules of work, bytes over the radio."""

    def __init__(self) -> None:
        self.compute_j: dict[tuple[Stage, Component], float] = defaultdict(float)
        self.busy_s: dict[Stage, float] = defaultdict(float)
        self.tx_bytes: dict[Stage, int] = defaultdict(int)
        self.rx_bytes: dict[Stage, int] = defaultdict(int)
        self.market_bytes: dict[Stage, tuple[int, int]] = {}
        """(tx, rx) of a market's messages."""

    def work(self, stage: Stage, seconds: float, joules: float, wasted: float) -> None:
        """``wasted``: share of the joules that was for nothing."""
        if wasted < 1:
            self.compute_j[stage, Component.COMPUTE] += joules * (1.0 - wasted)
        if wasted > 0:
            self.compute_j[stage, Component.WASTE] += joules * wasted
        self.busy_s[stage] += seconds

    def radio(self, stage: Stage, tx_bytes: int, rx_bytes: int, negotiation: bool = False) -> None:
        if negotiation:
            sent, heard = self.market_bytes.get(stage, (0, 0))
            self.market_bytes[stage] = sent + tx_bytes, heard + rx_bytes
            return
        self.tx_bytes[stage] += tx_bytes
        self.rx_bytes[stage] += rx_bytes

    def dynamic_uj(self, board: BoardConfig) -> Energies:
        """Computation and radio, above static power."""
        energies: Energies = defaultdict(int)
        for key, joules in self.compute_j.items():
            energies[key] += to_micro(joules)
        for stage, count in self.tx_bytes.items():
            energies[stage, Component.RADIO_TX] += to_micro(count * board.tx_j_per_byte)
        for stage, count in self.rx_bytes.items():
            energies[stage, Component.RADIO_RX] += to_micro(count * board.rx_j_per_byte)
        for stage, (sent, heard) in self.market_bytes.items():
            joules = sent * board.tx_j_per_byte + heard * board.rx_j_per_byte
            energies[stage, Component.NEGOTIATION] += to_micro(joules)
        return energies

    def static_uj(self, static_uj: int, duration_s: float) -> Energies:
        """Static energy of ``duration_s`` seconds awake, spread over busy and unallocated time (L2)."""
        busy = sum(self.busy_s.values())
        stages = [Stage.UNALLOCATED, *self.busy_s]
        shares = spread(static_uj, [max(0.0, duration_s - busy), *self.busy_s.values()])
        energies: Energies = defaultdict(int)
        for stage, share in zip(stages, shares, strict=True):
            energies[stage, Component.STATIC] += share
        return energies

    def modelled_uj(self, model: PowerModel, slot: Slot, slot_s: float) -> Energies:
        """All lines of a slot of ``slot_s`` seconds, right side of (D1).

        On the wall clock they are of the time that was measured. On the virtual one, work that takes longer than the
        slot (a batch taken back from an unreachable executor) keeps the board awake longer: static power is then
        counted for the time really needed. A board that slept between batches draws its static power in the rest.
        """
        board = model.board
        energies = defaultdict(int, self.dynamic_uj(board))
        if slot.awake:
            duration_s = slot.duration_s
            if duration_s is None:
                duration_s = max(slot_s - slot.asleep_s, sum(self.busy_s.values()))
            for key, energy in self.static_uj(to_micro(board.static_w * duration_s), duration_s).items():
                energies[key] += energy
            if slot.asleep_s:
                energies[Stage.UNALLOCATED, Component.SLEEP] += to_micro(board.sleep_w * slot.asleep_s)
        else:
            seconds = slot_s if slot.duration_s is None else slot.duration_s
            energies[Stage.UNALLOCATED, Component.SLEEP] += to_micro(board.sleep_w * seconds)
        if slot.woke or slot.wakes:
            energies[slot.stage, Component.WAKE] += to_micro(board.wake_j * (slot.woke + slot.wakes))
        return energies

    def measured_uj(self, total_uj: int, model: PowerModel, slot: Slot, duration_s: float) -> Energies:
        """A measured total, divided: static by (L2), the rest over work and radio in proportion to the model.

        The parts add up to ``total_uj`` exactly. A total below the modelled static energy is static altogether. The
        seconds until a board slept are static; of a wake-up that was read, what is above static.
        """
        static_w = model.board.static_w
        if not slot.awake:
            before_uj = min(total_uj, to_micro(static_w * min(slot.awake_s, duration_s)))
            parts = {Component.STATIC: before_uj, Component.SLEEP: total_uj - before_uj}
            return {(Stage.UNALLOCATED, component): energy for component, energy in parts.items()}
        if slot.wake_uj is not None:
            wake_uj = min(total_uj, max(0, slot.wake_uj - to_micro(static_w * slot.wake_s)))
            rest = self.measured_uj(
                total_uj - wake_uj, model, replace(slot, woke=False, wake_uj=None), duration_s
            )
            return {**rest, (slot.stage, Component.WAKE): wake_uj}
        static = min(total_uj, to_micro(static_w * duration_s))
        dynamic = self.dynamic_uj(model.board)
        if slot.woke:
            dynamic[slot.stage, Component.WAKE] += to_micro(model.board.wake_j)
        if not any(dynamic.values()):
            static = total_uj
        energies = self.static_uj(static, duration_s)
        if total_uj > static:
            shares = spread(total_uj - static, [float(v) for v in dynamic.values()])
            for key, share in zip(dynamic, shares, strict=True):
                energies[key] += share
        return energies
