"""The ``modelled`` meter: joules from counted work and the board's power model. Deterministic."""

from __future__ import annotations

from carbon_data.types import Provenance
from edge_node.config import BoardConfig
from edge_node.energy.power_model import PowerModel
from edge_node.meters.base import Counted, MeterContext, Slot, Work, lines_from
from edge_node.meters.window import Window
from protos.messages.slot import EnergyLine
from protos.messages.terms import Stage


class CountingMeter:
    """Counts a window's operations and bytes; what they cost is the matter of ``close``."""

    def __init__(self, board: BoardConfig) -> None:
        self._model = PowerModel(board)
        self._window = Window()
        self.counted: Counted | None = None

    def run_at(self, board: BoardConfig, stretch: float) -> None:
        """From here on work costs what it does at another operating point. Counted work has no ``stretch``."""
        self._model = PowerModel(board)

    def begin(self) -> None:
        """Nothing to read: work is counted, not timed."""

    def add(self, work: Work) -> None:
        seconds, joules = self._model.busy_s(work.flop), self._model.compute_j(work.flop)
        self._window.work(work.stage, seconds, joules, work.waste)
        self.counted = Counted(seconds, joules)

    def moved(self, stage: Stage, tx_bytes: int = 0, rx_bytes: int = 0, negotiation: bool = False) -> None:
        self._window.radio(stage, tx_bytes, rx_bytes, negotiation)


class ModelledMeter(CountingMeter):
    """Counted operations to seconds and joules; the window is exactly one slot long."""

    name = "modelled"
    provenance = Provenance.MODELLED

    def __init__(self, context: MeterContext) -> None:
        super().__init__(context.board)
        self._slot_s = context.slot_s

    def open(self, slot: int) -> None:
        self._window = Window()

    def close(self, slot: Slot) -> tuple[EnergyLine, ...]:
        return lines_from(self._window.modelled_uj(self._model, slot, self._slot_s), self.provenance)
