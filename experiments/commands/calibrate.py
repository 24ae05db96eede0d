"""``detabed calibrate``: this board measured with its own meter, as a profile that scenarios can name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from carbon_data.files.whole import whole_file
from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.build import build_actuator
from edge_node.actuators.sleeper import Sleeper
from edge_node.board_file import read_board_file
from edge_node.calibration.fit import Fit, Fitted, fit, refuse_other_idle
from edge_node.calibration.load import TaskLoad, Work, core_numbers
from edge_node.calibration.measure import (
    IDLE,
    SETTLE_S,
    Tell,
    core_step,
    measure,
    measure_idle,
    planned_s,
)
from edge_node.calibration.profile import profile_text
from edge_node.calibration.reading import CalibrationError, Power
from edge_node.calibration.sleep import Cycle, cycle, sleep_figures
from edge_node.config import InferenceConfig, SleepConfig, TaskConfig
from edge_node.energy.boards import BoardProfile
from edge_node.meters.base import MeterError
from edge_node.meters.sampling.limits import limits_of
from edge_node.meters.sampling.sampler import Sampler
from edge_node.meters.sources.registry import SOURCES
from edge_node.tasks.build import build_workload
from edge_node.tasks.device import DeviceError, find_device
from edge_node.tasks.none import LANGUAGE
from edge_node.tasks.none import NAME as NO_TASK
from edge_node.tasks.process import configure_process
from experiments.commands.boards import require_board
from experiments.commands.options import JsonOption
from experiments.commands.output import err, out, print_facts, print_json
from experiments.errors import UsageError
from experiments.progress import progress_bar
from experiments.resolve.prepare import open_scenario
from experiments.resolve.tasks import learned_tasks, service_task
from experiments.scenario.model import Scenario
from experiments.scenario.places import BoardSpec
from protos.messages.terms import Stage

Works = tuple[Mapping[str, Work], str | None]
"""Loads of a task by step, and the step of training."""


def works_of(scenario: Scenario) -> Works:
    """What the scenario's nodes work on, by step, and the step of training; nothing where nothing is learned."""
    if scenario.task.name in (NO_TASK, LANGUAGE):
        return {}, None
    task, _, _ = learned_tasks(scenario, 1)
    try:
        task = task.model_copy(update={"device": find_device(scenario.task.device).type})
    except DeviceError as error:
        with scenario.at("task", "device"):
            raise UsageError(str(error)) from error
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


@dataclass(frozen=True)
class Asked:
    """What is to be measured, and how."""

    spec: str
    base: BoardProfile
    name: str
    seconds: float
    works: Works = ({}, None)
    node_id: str = ""
    sleep: SleepConfig | None = None
    """How the board is put to sleep; None: its sleep is not measured."""
    cycles: int = 0
    hold_s: float = 0.0
    only_sleep: bool = False

    @property
    def planned_s(self) -> float:
        steps_s = SETTLE_S + self.seconds
        if not self.only_sleep:
            steps_s = planned_s(len(core_numbers()), list(self.works[0]), self.seconds)
        return steps_s + (0.0 if self.sleep is None else 2 * self.cycles * self.hold_s)


@dataclass(frozen=True)
class Found:
    """What was measured."""

    text: str
    """Of the profile."""
    fit: Fit
    powers: Mapping[str, Power]
    cycles: Sequence[Cycle]


def calibrated(asked: Asked, tell: Tell) -> Found:
    """Raises UsageError where the board cannot be calibrated so."""
    sampler: Sampler | None = None
    sleeper: Sleeper | None = None
    try:
        sampler = Sampler(asked.spec, limits_of(asked.base.config()))
        if asked.sleep is not None:
            made = Sleeper(build_actuator(asked.sleep, asked.node_id), sampler)
            made.start()
            sleeper = made
        return _measured(asked, sampler, sleeper, tell)
    except MeterError as error:
        raise UsageError(str(error)) from error
    except (CalibrationError, ActuatorError) as error:
        raise UsageError(f"not calibrated: {error}") from error
    finally:
        if sleeper is not None:
            sleeper.close()
        if sampler is not None:
            sampler.stop()


def _measured(asked: Asked, sampler: Sampler, sleeper: Sleeper | None, tell: Tell) -> Found:
    powers, found, sources = (_idle_alone if asked.only_sleep else _steps)(asked, sampler, tell)
    done: list[Cycle] = []
    if sleeper is not None:
        static = found.figures.get("static_w")
        static_w = asked.base.figures["static_w"].value if static is None else static.value
        for number in range(asked.cycles):
            done.append(cycle(sleeper, sampler, asked.hold_s))
            tell(f"sleep cycle {number + 1}", 2 * asked.hold_s)
        slept = sleep_figures(done, static_w, powers[IDLE].half_width_w or 0.0)
        found = Fit({**found.figures, **slept}, found.watts_per_core)
        sources |= dict.fromkeys(slept, f"{len(done)} cycles of {asked.hold_s:g} s by its actuator")
    day = datetime.now(UTC).date()
    readings = [power.text for power in powers.values()] + [text_of(each) for each in done]
    text = profile_text(asked.name, asked.spec, day, found, readings, sources, asked.base)
    return Found(text, found, powers, done)


def _steps(asked: Asked, sampler: Sampler, tell: Tell) -> tuple[dict[str, Power], Fit, dict[str, str]]:
    """Idle, cores and tasks: powers by step, the fit, and by figure what it was read of."""
    (loads, training), cores = asked.works, core_numbers()
    powers = measure(sampler, cores, loads, asked.seconds, tell)
    found = fit(powers, len(cores), training, [step for step in loads if step != training])
    chosen = powers[training or core_step(len(cores))].text
    sources = {"static_w": powers[IDLE].text, "busy_w": chosen, "effective_flop_per_s": chosen}
    return powers, found, {figure: source for figure, source in sources.items() if figure in found.figures}


def _idle_alone(asked: Asked, sampler: Sampler, tell: Tell) -> tuple[dict[str, Power], Fit, dict[str, str]]:
    """Only whether this is the board of the profile."""
    idle = measure_idle(sampler, asked.seconds, tell)
    refuse_other_idle(idle, asked.base.figures["static_w"].value, asked.base.name)
    return {IDLE: idle}, Fit({}, None), {}


def _switched(file: str, node: str | None) -> dict[str, Any]:
    """Node and actuator of a scenario, or of a board's own file."""
    if Path(file).suffix == ".json":
        try:
            own = read_board_file(Path(file))
        except ValueError as error:
            raise UsageError(str(error)) from error
        if own.sleep is None or not own.sleep.kind.real:
            raise UsageError(
                f"{file} names no actuator: give it sleep with kind command or supply (docs/daemons.md)"
            )
        return {"node_id": own.node_id, "sleep": own.sleep}
    # It reads traces with packages that boards do not have.
    from experiments.commands.sleep_test import target_of

    target = target_of(file, node, None)
    return {"node_id": target.node_id, "sleep": target.sleep}


def text_of(done: Cycle) -> str:
    """A cycle in words."""
    asleep = "no reading" if done.asleep is None else done.asleep.text
    woke = "no reading" if done.wake_j is None else f"{done.wake_j:.4g} J +- {done.wake_half_width_j:.2g} J"
    return f"sleep: down in {done.down_s:.3g} s; {asleep}; up in {done.wake_s:.3g} s, {woke}, idle power included"


def _check(spec: str, output: Path, name: str) -> None:
    if (kind := spec.partition(":")[0]) not in SOURCES:
        raise UsageError(f"meter {spec!r} reads no sensor ({kind} is none): choose from {', '.join(SOURCES)}")
    _check_output(output)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise UsageError(
            f"--name is {name!r}; allowed are 1 to 64 letters, digits, dots, dashes and underscores"
        )


def _check_output(output: Path) -> None:
    if output.suffix != ".toml":
        raise UsageError(f"--output is {output}; a profile is named by its path, which ends in .toml")
    if output.exists():
        raise UsageError(f"{output} exists; name another file, or move it away")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {output.absolute().parent}; make it first")


def _check_task(task: str) -> None:
    if task != LANGUAGE:
        raise UsageError(
            f"--task {task}: allowed is {LANGUAGE}; other tasks are calibrated with the board: give --scenario"
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
    sleep: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Measure sleep and wake too, with the actuator that this scenario or board.json names.",
        ),
    ] = None,
    node: Annotated[
        str | None, typer.Option(help="Which node of --sleep; the first with an actuator.")
    ] = None,
    cycles: Annotated[int, typer.Option(min=2, max=1000, help="How often it sleeps.")] = 5,
    hold_s: Annotated[
        float, typer.Option("--hold", min=0.1, max=3600, help="Seconds asleep, and awake, in each.")
    ] = 5.0,
    only_sleep: Annotated[
        bool,
        typer.Option(
            "--only-sleep",
            help="Measure nothing else; all else is as --board says. Where the board's node cannot run.",
        ),
    ] = False,
    task: Annotated[
        str | None,
        typer.Option(
            help="llm: what a language model's tokens cost here, instead of the board's profile. SPEC may then be "
            "cpu-time, and --output is the cost model."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Of --task llm: the model's file (GGUF); default: smollm2-135m.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Of --task llm: fewer lengths and batches.")] = False,
    as_json: JsonOption = False,
) -> None:
    if task is not None:
        _check_task(task)
        _check_output(output)
        # It starts a server with packages that boards may not have.
        from experiments.commands.calibrate_tokens import run_calibrate_tokens

        run_calibrate_tokens(spec, output, require_board(board), model, quick, as_json)
        return
    if model is not None or quick:
        raise UsageError(
            f"{'--model' if model else '--quick'} is for --task {LANGUAGE}; add it, or leave it out"
        )
    called = name or output.stem
    _check(spec, output, called)
    base = require_board(board)
    asked = Asked(spec, base, called, seconds, cycles=cycles, hold_s=hold_s, only_sleep=only_sleep)
    if sleep is not None:
        asked = replace(asked, **_switched(sleep, node))
    elif only_sleep or node is not None:
        raise UsageError(
            f"{'--only-sleep' if only_sleep else '--node'} needs --sleep FILE, which names the actuator: a scenario "
            "with [nodes.sleep], or a board.json with sleep"
        )
    if not only_sleep:
        opened = open_scenario(scenario)
        configure_process(threads)
        asked = replace(asked, works=works_of(opened))
    with progress_bar(err, quiet=as_json) as bar:
        shown = bar.add_task("calibrating", total=round(asked.planned_s))

        def tell(step: str, passed_s: float) -> None:
            bar.update(shown, advance=passed_s, detail=step)

        done = calibrated(asked, tell)
    with whole_file(output) as draft:
        draft.write_text(done.text, encoding="utf-8")
    lacking = [figure for figure in base.figures if figure not in done.fit.figures]
    if as_json:
        print_json(_as_json(output, done, lacking))
        return
    print_facts(called, {figure: _shown(fitted) for figure, fitted in done.fit.figures.items()}, "figure")
    for text in [*(power.text for power in done.powers.values()), *map(text_of, done.cycles)]:
        out.print(text, markup=False, highlight=False, soft_wrap=True)
    out.print(
        f"not measured, from {base.name}: {', '.join(lacking)}. Use it in a scenario: [board] profile = "
        f'"{output}"',
        markup=False,
        soft_wrap=True,
    )


def _shown(fitted: Fitted) -> str:
    if fitted.low is None:
        return f"{fitted.value:.5g}, no interval"
    return f"{fitted.value:.5g}, 95 % from {fitted.low:.5g} to {fitted.high:.5g}"


def _as_json(output: Path, done: Found, lacking: list[str]) -> dict[str, Any]:
    return {
        "profile": str(output),
        "figures": {
            figure: {"value": fitted.value, "low": fitted.low, "high": fitted.high}
            for figure, fitted in done.fit.figures.items()
        },
        "watts_per_core": done.fit.watts_per_core,
        "readings": [asdict(power) for power in done.powers.values()],
        "cycles": [asdict(each) for each in done.cycles],
        "not_measured": lacking,
    }
