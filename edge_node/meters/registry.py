"""Meters by name: one line here, or none with ``package.module:Name``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from carbon_data.own_code import named, place_of
from edge_node.config import BoardConfig
from edge_node.meters.base import Meter, MeterContext, MeterError
from edge_node.meters.cpu_time import CpuTimeMeter, ProcessCpuTimeMeter
from edge_node.meters.modelled import ModelledMeter
from edge_node.meters.replay import RecordingMeter, ReplayMeter
from edge_node.meters.sampled import SampledMeter
from edge_node.meters.sources.registry import SOURCES

METERS: dict[str, Callable[[MeterContext], Meter]] = {
    "modelled": ModelledMeter,
    "cpu-time": CpuTimeMeter,
    "process-cpu-time": ProcessCpuTimeMeter,
    "replay": ReplayMeter,
    **{name: partial(SampledMeter, name=name) for name in SOURCES},
}

WITH_ARGUMENT = ("replay", *SOURCES)
"""Meters that take an argument: a log, or which sensor it is."""


def describe() -> dict[str, str]:
    """Every meter with its first sentence; of a sensor, that of its module."""
    found = {}
    for name, factory in METERS.items():
        documented: object = sys.modules[SOURCES[name].__module__] if name in SOURCES else factory
        found[name] = " ".join((inspect.getdoc(documented) or "").partition("\n\n")[0].split())
    return found


def reads_sensor(spec: str) -> bool:
    """Whether the meter of ``spec`` reads one of our sensors, also where it is recorded. Nothing is opened."""
    name, _, argument = spec.partition(":")
    return reads_sensor(argument.rpartition("=")[2]) if name == "record" else name in SOURCES


def probe_meter(spec: str, board: BoardConfig, slot_s: float) -> None:
    """Raises MeterError where ``build_meter`` would on this machine; nothing stays open, and no log is begun."""
    name, _, argument = spec.partition(":")
    if name == "record":
        path, equals, inner = argument.rpartition("=")
        if path and equals:
            if not (folder := Path(path).absolute().parent).is_dir():
                raise MeterError(
                    f"meter {spec!r}: there is no folder {folder} to write the log into; make it first"
                )
            return probe_meter(inner, board, slot_s)
    meter = build_meter(spec, board, slot_s)
    if isinstance(meter, SampledMeter):
        meter.stop()
    return None


def build_meter(
    spec: str,
    board: BoardConfig,
    slot_s: float,
    wall: bool = False,
    beside_cpu_s: Callable[[], float] | None = None,
) -> Meter:
    """The meter of a node.

    Args:
        spec: ``NAME``, ``NAME:ARGUMENT`` (``replay:PATH``, ``hwmon:FOLDER``), ``record:PATH=NAME`` to write
        a log
            beside, or ``package.module:Name`` for a meter of one's own, called with a MeterContext.
        board: The node's board.
        slot_s: Physical length of a slot.
        wall: Whether slots are on the wall clock.
        beside_cpu_s: CPU seconds so far of processes that work for the node.

    Raises:
        MeterError: unknown name, or a meter that cannot run here.
    """
    name, _, argument = spec.partition(":")
    if name == "record":
        path, equals, inner = argument.rpartition("=")
        if not equals:
            raise MeterError(f"meter {spec!r}: write record:PATH=METER, e.g. record:readings.jsonl=modelled")
        return RecordingMeter(build_meter(inner, board, slot_s, wall, beside_cpu_s), Path(path))
    if name in METERS:
        if argument and name not in WITH_ARGUMENT:
            raise MeterError(
                f"meter {spec!r}: {name} takes no argument; write meter = {name!r}, or one of "
                f"{', '.join(f'{each}:ARGUMENT' for each in WITH_ARGUMENT)}"
            )
        return METERS[name](MeterContext(board, slot_s, argument, wall, beside_cpu_s))
    factory = named(spec, METERS, "meter", MeterError, "record:PATH=METER")
    try:
        meter = factory(MeterContext(board, slot_s, wall=wall, beside_cpu_s=beside_cpu_s))
    except MeterError:
        raise
    except Exception as error:  # user meters may raise anything
        raise MeterError(
            f"meter {spec!r} cannot be made: {type(error).__name__}: {error} (at {place_of(error)})"
        ) from error
    if not isinstance(meter, Meter):
        raise MeterError(
            f"meter {spec!r} made a {type(meter).__name__}, which is no edge_node.meters.base.Meter"
        )
    return meter
