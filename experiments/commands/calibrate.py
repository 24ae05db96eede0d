"""``detabed calibrate``: this board measured with its own meter, as a profile that scenarios can name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from carbon_data.files.whole import whole_file
from edge_node.calibration.fit import Fit, fit
from edge_node.calibration.load import TaskLoad, Work, core_numbers
from edge_node.calibration.measure import Tell, core_step, measure, planned_s
from edge_node.calibration.profile import profile_text
from edge_node.calibration.reading import CalibrationError, Power
from edge_node.config import InferenceConfig, TaskConfig
from edge_node.energy.boards import BoardProfile
from edge_node.meters.base import MeterError
from edge_node.meters.sampling.limits import limits_of
from edge_node.meters.sampling.sampler import Sampler
from edge_node.meters.sources.registry import SOURCES
from edge_node.tasks.none import NAME as NO_TASK
from edge_node.tasks.process import configure_process
from edge_node.tasks.workload import build_workload
from experiments.commands.boards import require_board
from experiments.commands.options import JsonOption
from experiments.commands.output import err, out, print_facts, print_json
from experiments.errors import UsageError
from experiments.progress import progress_bar
from experiments.resolve.prepare import open_scenario
from experiments.resolve.requests import service_task
from experiments.resolve.tasks import learned_tasks
from experiments.scenario.model import Scenario
from experiments.scenario.places import BoardSpec
from protos.messages.terms import Stage

NOT_MEASURED = ("sleep_w", "wake_j", "wake_s", "tx_j_per_byte", "rx_j_per_byte", "storage_bytes")


Works = tuple[Mapping[str, Work], str | None]
"""Loads of a task by step, and the step of training."""


def works_of(scenario: Scenario) -> Works:
    """What the scenario's nodes work on, by step, and the step of training; nothing where nothing is learned."""
    if scenario.task.name == NO_TASK:
        return {}, None
    task, _, _ = learned_tasks(scenario, 1)
    training, serving = f"training {task.name}", f"serving {task.name}"
    spec, seed = scenario.inference, scenario.seed
    found: dict[str, Work] = {
        training: _load(task, spec.requests_per_batch, Stage.DEVELOPMENT, seed),
        serving: _load(task, spec.requests_per_batch, Stage.APPLICATION, seed),
    }
    for place, service in enumerate(spec.services):
        with scenario.at("inference", "services", place):
            own = service_task(service, task)
        found[f"serving {service.label}"] = _load(own, service.requests_per_batch, Stage.APPLICATION, seed)
    return found, training


def _load(task: TaskConfig, requests: int, stage: Stage, seed: int) -> Work:
    workload = build_workload(task, InferenceConfig(requests_per_batch=requests))
    return TaskLoad(workload, stage, seed).batch


def calibrated(
    spec: str, works: Works, base: BoardProfile, seconds: float, name: str, tell: Tell
) -> tuple[str, Fit, Mapping[str, Power]]:
    """The profile's text, the fit, and all readings. Raises UsageError where the board cannot be calibrated so."""
    loads, training = works
    cores = core_numbers()
    try:
        sampler = Sampler(spec, limits_of(base.config()))
    except MeterError as error:
        raise UsageError(str(error)) from error
    try:
        powers = measure(sampler, cores, loads, seconds, tell)
        found = fit(powers, len(cores), training, [step for step in loads if step != training])
        chosen = training or core_step(len(cores))
        steps = {"static_w": "idle", "busy_w": chosen, "effective_flop_per_s": chosen}
        text = profile_text(name, spec, datetime.now(UTC).date(), found, powers, steps, base)
    except CalibrationError as error:
        raise UsageError(f"not calibrated: {error}") from error
    finally:
        sampler.stop()
    return text, found, powers


def _check(spec: str, output: Path, name: str) -> None:
    if (kind := spec.partition(":")[0]) not in SOURCES:
        raise UsageError(f"meter {spec!r} reads no sensor ({kind} is none): choose from {', '.join(SOURCES)}")
    if output.suffix != ".toml":
        raise UsageError(f"--output is {output}; a profile is named by its path, which ends in .toml")
    if output.exists():
        raise UsageError(f"{output} exists; name another file, or move it away")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {output.absolute().parent}; make it first")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise UsageError(
            f"--name is {name!r}; allowed are 1 to 64 letters, digits, dots, dashes and underscores"
        )


def calibrate(
    spec: Annotated[
        str, typer.Argument(help="This board's meter as in fleet.meter, e.g. hwmon:/sys/class/hwmon/hwmon2.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Profile to write (TOML); must not exist yet.")
    ] = Path("board.toml"),
    scenario: Annotated[
        str, typer.Option(help="Scenario whose task and services are measured; a file or a packaged name.")
    ] = "demo",
    seconds: Annotated[float, typer.Option(min=0.5, max=3600, help="Length of a step's window.")] = 20.0,
    board: Annotated[
        str,
        typer.Option(help="Profile of a similar board: what power can be true, and what is not measured."),
    ] = BoardSpec().profile,
    name: Annotated[str | None, typer.Option(help="Name of the board; default: that of the file.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of training, as for the node's daemon.")] = 1,
    as_json: JsonOption = False,
) -> None:
    called = name or output.stem
    _check(spec, output, called)
    opened, base = open_scenario(scenario), require_board(board)
    configure_process(threads)
    works = works_of(opened)
    total_s = planned_s(len(core_numbers()), list(works[0]), seconds)
    with progress_bar(err, quiet=as_json) as bar:
        shown = bar.add_task("calibrating", total=round(total_s))

        def tell(step: str, passed_s: float) -> None:
            bar.update(shown, advance=passed_s, detail=step)

        text, found, powers = calibrated(spec, works, base, seconds, called, tell)
    with whole_file(output) as draft:
        draft.write_text(text, encoding="utf-8")
    if as_json:
        print_json(_as_json(output, found, powers))
        return
    print_facts(
        called, {figure: _shown(fitted) for figure, fitted in asdict(found)["figures"].items()}, "figure"
    )
    for power in powers.values():
        out.print(power.text, markup=False, highlight=False, soft_wrap=True)
    out.print(
        f"not measured, from {base.name}: {', '.join(NOT_MEASURED)}. Use it in a scenario: "
        f'[board] profile = "{output}"',
        markup=False,
        soft_wrap=True,
    )


def _shown(fitted: dict[str, Any]) -> str:
    if fitted["low"] is None:
        return f"{fitted['value']:.5g}, no interval"
    return f"{fitted['value']:.5g}, 95 % from {fitted['low']:.5g} to {fitted['high']:.5g}"


def _as_json(output: Path, found: Fit, powers: Mapping[str, Power]) -> dict[str, Any]:
    return {
        "profile": str(output),
        "figures": {
            figure: {"value": fitted.value, "low": fitted.low, "high": fitted.high}
            for figure, fitted in found.figures.items()
        },
        "watts_per_core": found.watts_per_core,
        "readings": [asdict(power) for power in powers.values()],
        "not_measured": list(NOT_MEASURED),
    }
