"""The recorder's output is the replay meter's input: readings as JSON lines, one per slot.

``record:PATH=METER`` meters with METER and writes every reading to PATH; ``replay:PATH`` gives them again.
Give every node its own file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from carbon_data.types import Provenance
from edge_node.config import BoardConfig
from edge_node.meters.base import (
    Counted,
    Meter,
    MeterContext,
    MeterError,
    Slot,
    Work,
    restart,
    run_at,
    sensor_of,
)
from protos.messages.slot import EnergyLine, Metered
from protos.messages.terms import Component, Stage

_METERED = TypeAdapter(Metered | None)


class ReplayMeter:
    """Gives the readings of a recorded log, by slot. What is done meanwhile changes nothing."""

    name = "replay"
    provenance = Provenance.REPLAYED

    def __init__(self, context: MeterContext) -> None:
        """Raises MeterError when the log cannot be read."""
        if not context.argument:
            raise MeterError("the replay meter needs a log; configure it as replay:PATH")
        self._path = Path(context.argument)
        self._readings = read_log(self._path)
        self.metered: Metered | None = None
        """Quality of the recorded reading, as its meter knew it."""

    def open(self, slot: int) -> None:
        """Readings are found by slot when the window closes."""

    def begin(self) -> None:
        """Work costs what the log says."""

    def add(self, work: Work) -> None:
        """Work costs what the log says."""

    def moved(self, stage: Stage, tx_bytes: int = 0, rx_bytes: int = 0, negotiation: bool = False) -> None:
        """The log holds the radio's joules."""

    def close(self, slot: Slot) -> tuple[EnergyLine, ...]:
        if slot.slot not in self._readings:
            raise MeterError(
                f"{self._path} has no reading of slot {slot.slot}; it holds {len(self._readings)} slots; "
                "record the whole run, or shorten this one"
            )
        logged = self._readings[slot.slot]
        self.metered = logged.metered
        return tuple(replace(line, provenance=str(self.provenance)) for line in logged.lines)


class RecordingMeter:
    """Meters with another meter and appends every reading to a log."""

    def __init__(self, meter: Meter, path: Path) -> None:
        self._meter, self._path = meter, path
        self.name, self.provenance = meter.name, meter.provenance
        self.measures_time = bool(getattr(meter, "measures_time", False))
        self.sensor = sensor_of(meter)

    @property
    def metered(self) -> Metered | None:
        return getattr(self._meter, "metered", None)

    @property
    def counted(self) -> Counted | None:
        return getattr(self._meter, "counted", None)

    def open(self, slot: int) -> None:
        self._meter.open(slot)

    def restart(self) -> None:
        restart(self._meter)

    def run_at(self, board: BoardConfig, stretch: float) -> None:
        run_at(self._meter, board, stretch)

    def begin(self) -> None:
        self._meter.begin()

    def add(self, work: Work) -> None:
        self._meter.add(work)

    def moved(self, stage: Stage, tx_bytes: int = 0, rx_bytes: int = 0, negotiation: bool = False) -> None:
        self._meter.moved(stage, tx_bytes, rx_bytes, negotiation)

    def close(self, slot: Slot) -> tuple[EnergyLine, ...]:
        lines = self._meter.close(slot)
        entry: dict[str, Any] = {
            "slot": slot.slot,
            "meter": self.name,
            "lines": [
                {
                    "stage": li.stage,
                    "component": li.component,
                    "energy_uj": li.energy_uj,
                    "provenance": li.provenance,
                }
                for li in lines
            ],
        }
        if self.metered is not None:
            entry["metered"] = asdict(self.metered)
        with self._path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")
        return lines


@dataclass(frozen=True, slots=True)
class Logged:
    """A recorded reading."""

    lines: tuple[EnergyLine, ...]
    metered: Metered | None


def read_log(path: Path) -> dict[int, Logged]:
    """Readings by slot. Raises MeterError for a file that is missing or damaged, with the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MeterError(f"meter log {path} cannot be read: {error}") from error
    readings: dict[int, Logged] = {}
    for number, row in enumerate(text.splitlines(), start=1):
        try:
            entry = json.loads(row)
            slot, lines = int(entry["slot"]), tuple(_line(item) for item in entry["lines"])
            logged = Logged(lines, _METERED.validate_python(entry.get("metered")))
        except (ValueError, KeyError, TypeError) as error:
            raise MeterError(f"{path}, line {number}: no reading: {error}") from error
        if slot in readings:
            raise MeterError(f"{path}, line {number}: slot {slot} a second time")
        readings[slot] = logged
    return readings


def _line(item: dict[str, Any]) -> EnergyLine:
    energy = item["energy_uj"]
    if isinstance(energy, bool) or not isinstance(energy, int) or energy < 0:
        raise ValueError(f"energy_uj is {energy!r}; allowed is a whole number >= 0")
    provenance = Provenance(item["provenance"])
    return EnergyLine(Stage(item["stage"]), Component(item["component"]), energy, str(provenance))
