"""A run's readings beside their twin: what the ledger says was decided and done, priced by the node's own modelled
meter on the virtual clock, where every slot lasts as long as the scenario says. Nothing is planned or trained again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from carbon_data.types import Provenance
from carbon_data.units import MICRO
from coordinator.tables.recorded import RecordedRun
from edge_node.config import BoardConfig
from edge_node.energy.power_model import PowerModel
from edge_node.meters.base import MeterContext, Slot, Work
from edge_node.meters.cpu_time import CpuTimeMeter, ProcessCpuTimeMeter
from edge_node.meters.modelled import ModelledMeter
from edge_node.meters.sources.registry import SOURCES
from experiments.twin.operations import Operations
from experiments.twin.points import KHZ_PER_MHZ, at_point, chosen_point
from protos.messages.terms import Component, Stage

IDLE, ASLEEP = "idle", "asleep"
"""Activities of a window in which no work was done; otherwise the activity is the slot's life-cycle stage."""
TIMED = (CpuTimeMeter.name, ProcessCpuTimeMeter.name)
"""Meters that measure seconds of work and take watts and the window's length from the model."""
Lines = Mapping[tuple[str, str], int]
"""uJ by stage and component."""


@dataclass(frozen=True, slots=True)
class Window:
    """One reading and its twin."""

    node_id: str
    slot: int
    stage: str
    """The slot's."""
    activity: str
    meter: str
    kind: str
    """How the reading came about: counter, power, estimate, or the provenance of its lines."""
    measured_uj: int
    half_width_uj: int | None
    """Half of the meter's 95 % interval; None where it has none."""
    bias_uj: int | None
    twin_uj: int
    """On the virtual clock."""
    twin_window_uj: int
    """The same work, in as many seconds as the reading's window had; equal to ``twin_uj`` where it is not known."""
    window_s: float | None
    """Between the meter's edges, else on the wall clock; None where a slot's length was taken for granted."""
    twin_s: float
    busy_s: float | None
    """Seconds of work, of meters that measure them."""
    twin_busy_s: float
    wake_s: float | None
    """Of a real wake-up."""
    twin_wake_s: float
    coverage_fraction: float | None
    gaps: int | None
    lines: Lines
    """The reading, as the run's own profile divided it."""
    twin_lines: Lines
    frequency_mhz: float | None = None
    """Clock of the operating point that was chosen for the slot; None where none was."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A node's slot that is not compared."""

    node_id: str
    slot: int
    why: str


@dataclass(frozen=True)
class Replayed:
    """All windows of a run, by slot and node."""

    windows: tuple[Window, ...]
    left_out: tuple[LeftOut, ...]
    slot_s: float


NO_READING = "no reading"
LATE = "read after its slot had ended"
BY_A_MODEL = "its meter is a model"


def replay(run: RecordedRun, operations: Operations, boards: Mapping[str, BoardConfig]) -> Replayed:
    """``boards``: the profile of every node, with the operating points that were chosen."""
    windows: list[Window] = []
    left_out: list[LeftOut] = []
    awake = dict.fromkeys(run.node_ids, True)
    for slot in sorted(run.decisions):
        for node in run.node_ids:
            decision = run.decision_of(slot, node)
            if decision is None:
                continue
            usage, booking = run.usage.get((slot, node)), run.bookings.get((slot, node))
            before, awake[node] = awake[node], _awake(decision, usage)
            if usage is None or booking is None:
                left_out.append(LeftOut(node, slot, NO_READING))
            elif booking["late"]:
                left_out.append(LeftOut(node, slot, LATE))
            elif not _is_measured(usage, meter_of(run, node)):
                left_out.append(LeftOut(node, slot, BY_A_MODEL))
            else:
                told = Told(run, slot, node, usage, awake=awake[node], slept=not before)
                windows.append(_window(told, operations, at_point(boards[node], told.point)))
    return Replayed(tuple(windows), tuple(left_out), float(run.config["slot_s"]))


def meter_of(run: RecordedRun, node: str) -> str:
    """As the node registered it; empty of one that never did."""
    registered = run.registrations.get(node)
    return "" if registered is None else str(registered["profile"]["meter"])


def _is_measured(usage: Mapping[str, Any], meter: str) -> bool:
    """Whether joules or seconds come from an instrument, now or when they were recorded."""
    known = {line["provenance"] for line in usage["lines"]} & {Provenance.MEASURED, Provenance.REPLAYED}
    return bool(known) or usage.get("metered") is not None or meter in TIMED


def _awake(decision: Mapping[str, Any], usage: Mapping[str, Any] | None) -> bool:
    """What a board with an actuator says of itself goes before what was decided."""
    report = None if usage is None else usage.get("sleep")
    return bool(decision["awake"]) if report is None else not report["asleep"]


@dataclass(frozen=True, slots=True)
class Told:
    """A reading with what the ledger has around it."""

    run: RecordedRun
    slot: int
    node: str
    usage: Mapping[str, Any]
    awake: bool
    slept: bool
    """Whether the node slept in the slot before."""

    @property
    def stage(self) -> Stage:
        return Stage(self.run.decisions[self.slot]["stage"])

    @property
    def woke(self) -> bool:
        report = self.usage.get("sleep")
        return self.awake and self.slept if report is None else report["wake_s"] is not None

    @property
    def point(self) -> Mapping[str, Any] | None:
        """Operating point of the slot, as the node registered it; None where no clock was chosen."""
        return chosen_point(self.run, self.slot, self.node)

    @property
    def works(self) -> bool:
        return bool(self.usage["executed"]) or self.usage.get("outside") is not None


def _window(told: Told, operations: Operations, board: BoardConfig) -> Window:
    """``board``: at the slot's operating point."""
    usage, slot_s = told.usage, float(told.run.config["slot_s"])
    metered: Mapping[str, Any] = usage.get("metered") or {}
    meter, window_s = meter_of(told.run, told.node), metered.get("window_s", usage.get("duration_s"))
    flop = operations.of_slot(told.stage, usage), operations.of_outside(usage)
    lines, twin = _by_line(usage["lines"]), _priced(told, flop, board)
    busy_s = PowerModel(board).busy_s(sum(flop))
    report: Mapping[str, Any] = usage.get("sleep") or {}
    return Window(
        node_id=told.node,
        slot=told.slot,
        stage=str(told.stage),
        activity=str(told.stage) if told.works else IDLE if told.awake else ASLEEP,
        meter=meter,
        kind=str(
            metered.get("kind") or " and ".join(sorted({line["provenance"] for line in usage["lines"]}))
        ),
        measured_uj=sum(lines.values()),
        half_width_uj=metered.get("half_width_uj"),
        bias_uj=metered.get("bias_uj"),
        twin_uj=sum(twin.values()),
        twin_window_uj=sum((twin if window_s is None else _priced(told, flop, board, window_s)).values()),
        window_s=window_s,
        twin_s=max(slot_s, busy_s) if told.awake else slot_s,
        busy_s=_busy_s(told, meter) if told.works else None,
        twin_busy_s=busy_s,
        wake_s=report.get("wake_s"),
        twin_wake_s=board.wake_s if told.woke else 0.0,
        coverage_fraction=metered.get("coverage_fraction"),
        gaps=metered.get("gaps"),
        lines=lines,
        twin_lines=twin,
        frequency_mhz=None if told.point is None else told.point["frequency_khz"] / KHZ_PER_MHZ,
    )


def _priced(
    told: Told, flop: tuple[float, float], board: BoardConfig, duration_s: float | None = None
) -> Lines:
    """Joules of a slot by the modelled meter. ``flop``: of the slot's batches, and of outside clients; ``duration_s``:
    how long the slot was; None: as long as it is configured, or as its work takes."""
    meter = ModelledMeter(MeterContext(board, float(told.run.config["slot_s"])))
    for stage, count in zip((told.stage, Stage.APPLICATION), flop, strict=True):
        if count:
            meter.begin()
            meter.add(Work(stage, count))
    for stage, tx_bytes, rx_bytes in _bytes(told):
        meter.moved(stage, tx_bytes=tx_bytes, rx_bytes=rx_bytes)
    market = told.run.decisions[told.slot].get("market") or {}
    up, down = (market.get(name, {}).get(told.node, 0) for name in ("up_bytes", "down_bytes"))
    if up or down:
        meter.moved(told.stage, tx_bytes=up, rx_bytes=down, negotiation=True)
    lines = meter.close(Slot(told.slot, told.stage, told.awake, told.woke, duration_s=duration_s))
    return {(str(line.stage), str(line.component)): line.energy_uj for line in lines}


def _bytes(told: Told) -> Iterator[tuple[Stage, int, int]]:
    """(stage, sent, received) over the node's radio: batches, model, users."""
    usage, stage = told.usage, told.stage
    for moved in usage["moved"]:
        size = moved["payload_bytes"]
        yield (stage, size, 0) if moved["sent"] else (stage, 0, size)
    model = usage["model_bytes"]
    # After training the model goes back; it is as large as it came. Where no batch was run it came only.
    sent = model // 2 if stage in (Stage.DEVELOPMENT, Stage.RECYCLING) and usage["executed"] else 0
    yield stage, sent, model - sent
    for users in usage.get("users", ()):
        yield Stage(users["stage"]), users["down_bytes"], users["up_bytes"]


def _by_line(lines: list[Mapping[str, Any]]) -> Lines:
    found: dict[tuple[str, str], int] = {}
    for line in lines:
        key = line["stage"], line["component"]
        found[key] = found.get(key, 0) + line["energy_uj"]
    return found


def _busy_s(told: Told, meter: str) -> float | None:
    """Measured seconds of work in a slot. Meters of CPU time divide static power by them; sensors time answers only."""
    usage = told.usage
    if meter in TIMED:
        profile = told.run.registrations[told.node]["profile"]
        static_w = (profile if told.point is None else told.point)["static_w"]
        busy_uj = sum(
            line["energy_uj"]
            for line in usage["lines"]
            if line["component"] == Component.STATIC and line["stage"] != Stage.UNALLOCATED
        )
        return busy_uj / MICRO / static_w if static_w > 0 else None
    if meter not in SOURCES or told.stage is not Stage.APPLICATION:
        return None
    served = [*usage["serving"], *([] if usage.get("outside") is None else [usage["outside"]])]
    return float(sum(each["prefill_s"] + each["decode_s"] for each in served))
