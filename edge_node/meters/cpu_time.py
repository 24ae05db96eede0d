"""The ``cpu-time`` meter: CPU seconds really spent, times the board's power. For a node on its own board. Those of a
process that works for the node (a language model's server) count too.

Seconds are measured, watts are the model's, so readings are labelled modelled. A CPU-second is one core
busy for a second: it draws (busy_w - static_w) / cores, where busy_w is the power with all cores busy.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from carbon_data.types import Provenance
from edge_node.config import BoardConfig
from edge_node.energy.power_model import PowerModel
from edge_node.meters.base import Counted, MeterContext, MeterError, Slot, Work, lines_from
from edge_node.meters.window import Window
from protos.messages.slot import EnergyLine
from protos.messages.terms import Stage


class CpuTimeMeter:
    """CPU seconds of the working thread: for nodes that share a process and compute on one thread each."""

    name = "cpu-time"
    provenance = Provenance.MODELLED
    measures_time = True

    def __init__(
        self,
        context: MeterContext,
        cpu_clock: Callable[[], float] = time.thread_time,
        clock: Callable[[], float] = time.perf_counter,
        cores: int | None = None,
    ) -> None:
        """``cores`` of the machine that computes; default: this one's."""
        self._model = PowerModel(context.board)
        self._slot_s = context.slot_s
        self._cores = cores or os.cpu_count() or 1
        self._stretch = 1.0
        beside = context.beside_cpu_s
        self._cpu_clock = cpu_clock if beside is None else lambda: cpu_clock() + beside()
        self._clock = clock
        self._started = threading.local()
        self._window = Window()
        self.counted: Counted | None = None

    def run_at(self, board: BoardConfig, stretch: float) -> None:
        """From here on a CPU-second here is ``stretch`` seconds of the board, at the watts of ``board``."""
        self._model, self._stretch = PowerModel(board), stretch

    def open(self, slot: int) -> None:
        self._window = Window()

    def begin(self) -> None:
        self._started.at = (self._cpu_clock(), self._clock())

    def add(self, work: Work) -> None:
        if getattr(self._started, "at", None) is None:
            raise MeterError("add() without begin() in this thread; call begin() where the work starts")
        cpu_start, start = self._started.at
        cpu_s = (self._cpu_clock() - cpu_start) * self._stretch
        busy_s = min((self._clock() - start) * self._stretch, cpu_s)
        self._started.at = None
        joules = cpu_s * self._model.dynamic_w / self._cores
        self._window.work(work.stage, busy_s, joules, work.waste)
        self.counted = Counted(busy_s, joules)

    def moved(self, stage: Stage, tx_bytes: int = 0, rx_bytes: int = 0, negotiation: bool = False) -> None:
        self._window.radio(stage, tx_bytes, rx_bytes, negotiation)

    def close(self, slot: Slot) -> tuple[EnergyLine, ...]:
        return lines_from(self._window.modelled_uj(self._model, slot, self._slot_s), self.provenance)


class ProcessCpuTimeMeter(CpuTimeMeter):
    """CPU seconds of the whole process, all its threads; right where a node has a process of its own."""

    name = "process-cpu-time"

    def __init__(self, context: MeterContext) -> None:
        super().__init__(context, cpu_clock=time.process_time)
