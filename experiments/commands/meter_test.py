"""``detabed meter test``: reads a sensor for some seconds and says what it reads and how well."""

from __future__ import annotations

import math
import time
from typing import Annotated, Any

import typer

from edge_node.meters.base import MeterError
from edge_node.meters.sampling.limits import limits_of
from edge_node.meters.sampling.reading import Reading
from edge_node.meters.sampling.sampler import Sampler
from edge_node.meters.sources.registry import SOURCES
from experiments.commands.boards import require_board
from experiments.commands.options import JsonOption
from experiments.commands.output import print_facts, print_json, say
from experiments.commands.waiting import waiting
from experiments.errors import UsageError
from experiments.progress import Watch
from experiments.scenario.places import BoardSpec

MICRO, NS_PER_S = 1_000_000, 1_000_000_000
UNKNOWN = dict.fromkeys(
    (
        "mean_w",
        "half_width_w",
        "energy_j",
        "duration_s",
        "samples_per_s",
        "coverage_fraction",
        "gaps",
        "core_fraction",
    )
)


def read_meter(spec: str, seconds: float, board: str, watch: Watch) -> dict[str, Any]:
    """What the sensor reads in a window of ``seconds``. Raises UsageError where it is unknown or absent."""
    if (name := spec.partition(":")[0]) not in SOURCES:
        raise UsageError(f"meter {spec!r} reads no sensor ({name} is none): choose from {', '.join(SOURCES)}")
    limits = limits_of(require_board(board).config())
    try:
        sampler = Sampler(spec, limits)
    except MeterError as error:
        raise UsageError(str(error)) from error
    found: dict[str, Any] = {
        "meter": spec,
        "kind": str(sampler.kind),
        "provenance": str(sampler.kind.provenance),
        "missing": None,
    }
    try:
        begun_s, begin = sampler.cpu_s, sampler.edge()
        _wait(seconds, watch)
        reading = sampler.window(begin, sampler.edge())
        return found | _figures(reading) | {"core_fraction": (sampler.cpu_s - begun_s) / seconds}
    except MeterError as error:
        return found | UNKNOWN | {"missing": str(error)}
    finally:
        sampler.stop()


def _wait(seconds: float, watch: Watch) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0.0:
        watch("reading, seconds", math.floor(seconds - left), math.ceil(seconds))
        time.sleep(min(left, 1.0))


def _figures(reading: Reading) -> dict[str, Any]:
    duration_s = reading.duration_ns / NS_PER_S
    return {
        "mean_w": reading.energy_uj / MICRO / duration_s,
        "half_width_w": reading.half_width_uj / MICRO / duration_s,
        "energy_j": reading.energy_uj / MICRO,
        "duration_s": duration_s,
        "samples_per_s": reading.rate_hz,
        "coverage_fraction": reading.coverage_fraction,
        "gaps": reading.gaps,
    }


def meter_test(
    spec: Annotated[
        str, typer.Argument(help="A sensor as in fleet.meter, e.g. hwmon:/sys/class/hwmon/hwmon2.")
    ],
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="Length of the window.")] = 5.0,
    board: Annotated[str, typer.Option(help="Board profile: what power can be true.")] = BoardSpec().profile,
    as_json: JsonOption = False,
) -> None:
    with waiting("reading") as watch:
        found = read_meter(spec, seconds, board, watch)
    if as_json:
        print_json(found)
    elif found["missing"] is None:
        print_facts(
            spec,
            {
                "power": f"{found['mean_w']:.4g} W, 95 % within {found['half_width_w']:.2g} W ({found['provenance']})",
                "window": f"{found['energy_j']:.4g} J in {found['duration_s']:.4g} s, kind {found['kind']}",
                "samples": f"{found['samples_per_s']:.4g} per second, {found['gaps']} gaps, "
                f"{found['coverage_fraction']:.1%} covered",
                "sampler": f"{found['core_fraction']:.1%} of a core",
            },
        )
    if found["missing"] is not None:
        say("missing", found["missing"])
        raise typer.Exit(1)
