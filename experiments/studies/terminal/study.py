"""Terminal and edge server, executed: ``reproduce_terminal`` trains, splits, offloads, measures, judges and draws.

Checked: which of local, full and partial offloading takes the fewest terminal joules depends on the link, four
mechanisms lower them further, and lower terminal joules can mean higher system joules. Cost: quick, a minute or two of
two cores, of which most is training, which a second run takes from the cache. Command: ``detabed reproduce terminal``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.progress import Progress

from edge_node.energy.boards import load_board
from edge_node.splitting.controller import Option, Rules, Scene
from edge_node.splitting.energy import Link, Split
from edge_node.splitting.parameters import DEFAULT_BOARD, Parameters, load_figures, load_parameters
from edge_node.splitting.recurrent import RecurrentHead
from edge_node.tasks.process import configure_process
from experiments.fitting_table import FittingTable
from experiments.progress import progress_bar
from experiments.report.figures.base import Drawing
from experiments.report.figures.look import look
from experiments.run_folder.files import FIGURES, REPORT, TABLES, TIMINGS
from experiments.studies.terminal import figures as draw
from experiments.studies.terminal import sequence as incremental
from experiments.studies.terminal import smaller, users, video
from experiments.studies.terminal import tables as make
from experiments.studies.terminal.checks import judge
from experiments.studies.terminal.client import edge_link
from experiments.studies.terminal.frames import Sequence, moving_digits
from experiments.studies.terminal.measure import Executed, execute, time_shaped
from experiments.studies.terminal.options import ANSWER_BYTES, Options, TileOption, build_options
from experiments.studies.terminal.page import (
    executed_users_for_people,
    mechanisms_for_people,
    quantisation_for_people,
    render,
    timings_for_people,
    users_for_people,
    video_for_people,
    widths_for_people,
)
from experiments.studies.terminal.settings import (
    ACCURACY_LOSS_FRACTION,
    DEADLINE_S,
    DISTANCES_M,
    FULL,
    QUICK,
    REFERENCE_REFRESH,
    REFERENCE_THRESHOLD_GREY,
    SCENES_GREY,
    Extent,
)
from experiments.studies.terminal.smaller_figure import smaller_networks
from experiments.studies.terminal.training import Data, Models, load_data, save_models, steps, train_models
from experiments.studies.terminal.users import SCENES
from experiments.studies.terminal.users_executed import DISTANCE_M, RUNS, beside_each_other, executed_users
from experiments.studies.terminal.users_executed import judge as judge_executed_users
from experiments.studies.terminal.users_figure import several_users
from experiments.studies.terminal.video_training import FILE as RECURRENT_FILE
from experiments.studies.terminal.video_training import save_head, train_head
from experiments.studies.terminal.walk import (
    HYSTERESIS,
    WALKS,
    cost_of_plans,
    draw_walk,
    execute_plan,
    plan,
    repeat_walks,
)

_DYNAMIC_MECHANISMS = (
    "local",
    "full offloading",
    "partial offloading",
    "semantic compression",
    "width pruning",
)


@dataclass
class Results:
    """Tables of one run by name: the same for the same seed, and wall-clock ones."""

    tables: dict[str, pd.DataFrame]
    measured: dict[str, pd.DataFrame]
    checks: dict[str, dict[str, str]]
    statements: list[str]
    walk_facts: dict[str, Any]


def reproduce_terminal(output: Path, full: bool, console: Console | None, seed: int = 0) -> dict[str, Any]:
    """Run the study into ``output``.

    Args:
        output: Folder; made when it is not there.
        full: MNIST where it is at hand, more frames and a longer walk, instead of the digits.
        console: Where progress and verdicts go; None for silence.
        seed: Of training, sequences and the walk.

    Returns:
        ``checks`` (verdict, statement, ours), ``statements`` (where offloading lowers terminal joules and raises
        system joules), ``users_executed`` (rows), ``tables`` and ``figures`` (paths), ``page`` and ``run`` (the
        folder).

    Raises:
        experiments.errors.RunError: the link broke, or its two ends counted different bytes.
        carbon_data.types.DataError: data files that are not what they should be.
    """
    extent = FULL if full else QUICK
    threads = torch.get_num_threads()
    configure_process()
    try:
        return _reproduce(output, extent, console, seed)
    finally:
        torch.set_num_threads(threads)


def _reproduce(output: Path, extent: Extent, console: Console | None, seed: int) -> dict[str, Any]:
    started = time.perf_counter()
    for name in ("tables", "measured", "figures"):
        (output / name).mkdir(parents=True, exist_ok=True)
    data = load_data(extent)
    with progress_bar(console) as bar:
        training = bar.add_task("training", total=steps() + 1)
        models = train_models(
            data, extent, seed, lambda what: bar.update(training, advance=1, description=f"training: {what}")
        )
        save_models(models, output / "models.safetensors")
        bar.update(training, description="training: recurrent layer")
        recurrent = train_head(data, extent, models, seed)
        bar.update(training, advance=1)
        save_head(recurrent, output / RECURRENT_FILE)
        parameters = load_parameters()
        options = build_options(models, recurrent, extent.profile_repeats)
        subject = _Subject(extent, data, models, recurrent, options, parameters, seed)
        results = _run(output, subject, bar)
    drawings = draw_figures(results, parameters, [parameters.link(d).up_bit_per_s for d in DISTANCES_M])
    drawn = [(drawing, drawing.svg()) for drawing in drawings]
    paths = _write(output, results, drawn)
    page = _page(results, drawn, data, extent, parameters)
    (output / REPORT).write_text(page, encoding="utf-8")
    report = {
        "checks": results.checks,
        "statements": results.statements,
        "walk": results.walk_facts,
        "users_executed": beside_each_other(
            results.tables["users_executed"], results.measured["users_executed"]
        ).to_dict("records"),
        "data": {"name": data.source.name, "origin": data.source.origin, "test_examples": len(data.test)},
        "seed": seed,
        "extent": asdict(extent),
        "models": models.digest,
        "parameters": {
            k: {"value": f.value, "unit": f.unit, "source": f.source} for k, f in load_figures().items()
        },
        **paths,
        "page": str(output / REPORT),
        "run": str(output),
    }
    (output / "checks.json").write_text(
        json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )
    timings = {"all_s": time.perf_counter() - started, "trained_now": models.trained_now}
    (output / TIMINGS).write_text(json.dumps(timings, indent=2) + "\n", encoding="utf-8")
    if console is not None:
        console.print(verdicts(report))
    return report


def verdicts(report: dict[str, Any]) -> FittingTable:
    """The checks as a table for people."""
    table = FittingTable("check", "verdict", "found")
    for name, check in report["checks"].items():
        colour = "green" if check["verdict"] == "met" else "red"
        verdict = f"[{colour}]{check['verdict']}[/{colour}]"
        if "by_construction" in check:
            verdict += ", by construction"
        table.add_row(name, verdict, check["ours"])
    return table


@dataclass(frozen=True)
class _Subject:
    """What is compared, on what, under which settings."""

    extent: Extent
    data: Data
    models: Models
    recurrent: RecurrentHead
    options: Options
    parameters: Parameters
    seed: int

    @cached_property
    def scene(self) -> Scene:
        parameters = self.parameters
        return Scene(
            parameters.terminal(load_board(DEFAULT_BOARD)), parameters.server(), parameters.access_point()
        )

    @cached_property
    def links(self) -> dict[float, Link]:
        """By distance in metres."""
        return {distance: self.parameters.link(distance) for distance in DISTANCES_M}

    @cached_property
    def videos(self) -> list[Sequence]:
        frames = self.extent.sequence_frames
        return [
            moving_digits(self.data.test, self.data.test_labels, frames, self.seed, *scene_grey)
            for scene_grey in SCENES_GREY
        ]

    @property
    def frames(self) -> np.ndarray:
        return self.data.test_frames[:, 0]

    @property
    def on_images(self) -> list[str]:
        """Options that are run on single images."""
        return [option.name for option in self.options.all if not option.remembers]

    @property
    def on_video(self) -> list[str]:
        """Options that are run on a sequence."""
        return [
            *video.WAYS,
            *(option.name for option in self.options.all if option.remembers),
        ]

    @property
    def steps(self) -> int:
        """Calls of ``advance`` while everything is executed."""
        runs = len(self.on_images) + len(self.on_video) + len(self.links) + self.extent.walk_frames
        return runs + len(self.videos) * len(incremental.grid()) + SCENES + RUNS


@dataclass(frozen=True)
class _Choice:
    """What dynamic partition chooses from, and by which rules."""

    dynamic: dict[str, Option]
    least_accuracy_fraction: float
    rules: Rules


@dataclass(frozen=True)
class _Executed:
    """Everything that ran over the link."""

    images: list[Executed]
    on_sequence: list[Executed]
    timed: list[dict[str, Any]]
    choice: _Choice
    walk_frames: pd.DataFrame
    walk_totals: pd.DataFrame
    walks: pd.DataFrame
    walked: pd.DataFrame
    walk_facts: dict[str, Any]
    users: pd.DataFrame
    users_timed: pd.DataFrame


def _run(output: Path, subject: _Subject, bar: Progress) -> Results:
    task = bar.add_task("offloading", total=subject.steps)

    def advance(what: str) -> None:
        bar.update(task, advance=1, description=f"offloading: {what}")

    done = _execute(output, subject, advance)
    options = subject.options
    sweep = incremental.sweep(subject.models.base, subject.videos, options.local[0].flop, advance)
    entries = _entries(options, done.images, done.on_sequence, sweep, subject.videos[-1])
    choice = done.choice
    table = make.mechanisms_table(entries, choice.dynamic, subject.scene, subject.links, choice.rules)
    both_ways = make.both_ways_table(table)
    counted, profiled = make.profile_table(options.operations)
    image_rows = pd.DataFrame([asdict(row) for row in done.images])
    sequence_rows = pd.DataFrame([asdict(row) for row in done.on_sequence])
    tables = {
        "mechanisms": table,
        "both_ways": both_ways,
        "executed": pd.concat(
            [image_rows.assign(workload="images"), sequence_rows.assign(workload="sequence")]
        ),
        "objectives": make.best_by_objective(choice.dynamic, subject.scene, subject.links, choice.rules),
        "cut_points": make.cuts_table(options, subject.scene, subject.links),
        "profile": counted,
        "walk_frames": done.walk_frames,
        "walk_totals": done.walk_totals,
        "walks": done.walks,
        "incremental_sweep": sweep,
        "gains_map": _gains(choice.dynamic, subject.scene, choice.least_accuracy_fraction),
        "parameters": _parameters_table(),
        "users_executed": done.users,
    }
    by_width = smaller.width_table(
        done.images, options, subject.models, subject.frames, subject.data.test_labels, subject.scene
    )
    quantised = smaller.quantisation_table(done.images, options, subject.models.base, subject.scene)
    shared = users.users_table(
        choice.dynamic, subject.scene, subject.links, choice.rules, subject.seed, advance
    )
    over_time = video.video_table(table)
    sequences = video.sequences_table(
        subject.models.base, subject.recurrent, subject.data, subject.extent.sequence_frames, subject.seed
    )
    tables |= {"widths": by_width, "quantisation": quantised, "users": shared}
    tables |= {"video": over_time, "video_sequences": sequences}
    checks = judge(
        cut_differences=_cut_differences(options, subject.frames[:8]),
        images=image_rows,
        table=table,
        both_ways=both_ways,
        walks=done.walks,
        walk_facts=done.walk_facts,
        sweep=sweep,
    )
    checks |= smaller.judge(by_width, quantised) | users.judge(shared) | judge_executed_users(done.users)
    checks |= video.judge(over_time, sequences, done.on_sequence)
    measured = {"profile": profiled, "latency": pd.DataFrame(done.timed), "walk": done.walked}
    measured["users_executed"] = done.users_timed
    return Results(tables, measured, checks, make.statements(both_ways), done.walk_facts)


def _execute(output: Path, subject: _Subject, advance: Callable[[str], None]) -> _Executed:
    """Run every option on images and sequence, time the link, and walk along the street."""
    options, data, noisy = subject.options, subject.data, subject.videos[-1]
    models = output / "models.safetensors"
    with edge_link(models, subject.models.digest, options, output / "server.log") as link:
        images = execute(link, options, subject.frames, data.test_labels, subject.on_images, advance)
        on_sequence = execute(link, options, noisy.frames, noisy.labels, subject.on_video, advance)
        rates = {distance: one.up_bit_per_s for distance, one in subject.links.items()}
        timed = time_shaped(link, options, noisy.frames, rates, subject.extent.shaped_frames, advance)
        choice = _choice(options, images)
        walk = draw_walk(subject.parameters, subject.extent.walk_frames, subject.seed)
        plans = plan(walk, choice.dynamic, subject.scene, choice.rules)
        walk_frames, totals = cost_of_plans(walk, plans, choice.dynamic, subject.scene, DEADLINE_S)
        walks = repeat_walks(
            subject.parameters,
            choice.dynamic,
            subject.scene,
            choice.rules,
            subject.extent.walk_frames,
            range(subject.seed, subject.seed + WALKS),
        )
        walked, facts = execute_plan(
            link, options, walk, plans[HYSTERESIS], subject.frames, data.test_labels, advance
        )
    ran, ran_timed = executed_users(
        models,
        subject.models.digest,
        output / "server-users.log",
        lambda: build_options(subject.models, subject.recurrent),
        subject.scene,
        subject.links[DISTANCE_M],
        subject.frames,
        data.test_labels,
        subject.extent.user_frames,
        advance,
    )
    return _Executed(
        images, on_sequence, timed, choice, walk_frames, totals, walks, walked, facts, ran, ran_timed
    )


def _choice(options: Options, images: list[Executed]) -> _Choice:
    by_name = {row.option: row for row in images}
    least = by_name["local"].accuracy_fraction - ACCURACY_LOSS_FRACTION
    return _Choice(
        _dynamic_options(options, by_name),
        least,
        Rules(deadline_s=DEADLINE_S, least_accuracy_fraction=least),
    )


def _parameters_table() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"name": k, "value": f.value, "unit": f.unit, "source": f.source, "note": f.note}
            for k, f in load_figures().items()
        ]
    )


def _dynamic_options(options: Options, executed: dict[str, Executed]) -> dict[str, Option]:
    """What dynamic partition chooses from: every way that needs no memory of earlier frames; measured accuracy."""
    found = {}
    for option in options.all:
        if option.mechanism in _DYNAMIC_MECHANISMS:
            found[option.name] = Option(option.name, option.split(), executed[option.name].accuracy_fraction)
    return found


def _entries(
    options: Options,
    images: list[Executed],
    on_sequence: list[Executed],
    sweep: pd.DataFrame,
    noisy: Sequence,
) -> list[dict[str, Any]]:
    """Rows of the table before rates: what was executed, and incremental inference on the terminal."""
    known = {option.name: option for option in options.all}

    def entry(row: Executed, workload: str) -> dict[str, Any]:
        option = known[row.option]
        if isinstance(option, TileOption):
            split = Split(option.terminal_flop, option.server_flop, row.up_bytes, float(ANSWER_BYTES))
        else:
            split = option.split()
        return {
            "option": row.option,
            "mechanism": row.mechanism,
            "workload": workload,
            "accuracy_fraction": row.accuracy_fraction,
            "up_bytes": row.up_bytes,
            "down_bytes": row.down_bytes,
            "split": split,
        }

    found = [entry(row, "images") for row in images] + [entry(row, "sequence") for row in on_sequence]
    here = sweep[
        (sweep["noise_grey"] == noisy.noise_grey)
        & (sweep["threshold_grey"] == REFERENCE_THRESHOLD_GREY)
        & (sweep["refresh_frames"] == REFERENCE_REFRESH)
    ].iloc[0]
    found.append(
        {
            "option": "local, incremental",
            "mechanism": "incremental inference",
            "workload": "sequence",
            "accuracy_fraction": float(here["accuracy_fraction"]),
            "up_bytes": 0.0,
            "down_bytes": 0.0,
            "split": Split(float(here["flop"]), 0.0, 0.0, 0.0),
        }
    )
    return found


@torch.no_grad()
def _cut_differences(options: Options, frames: np.ndarray) -> list[float]:
    """Largest difference of a class score from the unsplit model's, at every cut point."""
    x = torch.from_numpy(frames.copy())[:, None]
    expected = options.local[0].model(x)
    found = []
    for cut in options.partitioner.cut_points():
        parts = options.partitioner.split(cut.position)
        found.append(float((parts.server(*parts.terminal(x)) - expected).abs().max()))
    return found


def _gains(dynamic: dict[str, Option], scene: Scene, least: float) -> pd.DataFrame:
    rates = np.geomspace(1e5, 1e8, 91)
    speeds = np.geomspace(1e9, 1e12, 61)
    return make.gains_table(dynamic, scene, rates, speeds, least)


def draw_figures(results: Results, parameters: Parameters, rates: list[float]) -> list[Drawing]:
    tables = results.tables
    return [
        draw.mechanisms(tables["mechanisms"], DEADLINE_S),
        draw.gains(tables["gains_map"], rates, parameters.server_flop_per_s),
        draw.walk(tables["walk_frames"], tables["walk_totals"], results.measured["walk"], DEADLINE_S),
        draw.cut_points(tables["cut_points"]),
        draw.accuracy(tables["mechanisms"]),
        draw.incremental(tables["incremental_sweep"]),
        smaller_networks(tables["widths"], tables["quantisation"]),
        several_users(tables["users"], DEADLINE_S),
    ]


def _write(output: Path, results: Results, drawn: list[tuple[Drawing, str]]) -> dict[str, dict[str, str]]:
    for folder, tables in (("tables", results.tables), ("measured", results.measured)):
        for name, table in tables.items():
            table.to_csv(output / folder / f"{name}.csv", index=False)
    for drawing, svg in drawn:
        drawing.save(output / FIGURES, svg)
        with look():
            drawing.figure.savefig(
                output / FIGURES / f"{drawing.name}.png",
                dpi=150,
                facecolor="white",
                metadata={"Software": None},
            )
    return {
        "tables": {name: str(output / TABLES / f"{name}.csv") for name in results.tables},
        "measured": {name: str(output / "measured" / f"{name}.csv") for name in results.measured},
        "figures": {drawing.name: str(output / FIGURES / f"{drawing.name}.svg") for drawing, _ in drawn},
    }


def _page(
    results: Results, drawn: list[tuple[Drawing, str]], data: Data, extent: Extent, parameters: Parameters
) -> str:
    facts = results.walk_facts
    lead = (
        f"A small convolutional network on frames made from {data.source.name} ({len(data.test)} test images), shared "
        "between two processes over a link whose rate is shaped. Joules are those of (E1)-(E3) with the counted "
        "operations and bytes, per inference and above static power; accuracy and bytes were measured. The walk: "
        f"{facts['frames']} frames, accuracy {facts['accuracy_fraction']:.1%}, {facts['up_bytes_server']} bytes."
    )
    reference: Link = parameters.link(DISTANCES_M[2])
    assumptions = [
        f"{name} = {figure.value:g} {figure.unit}: {figure.source}"
        + (f" ({figure.note})" if figure.note else "")
        for name, figure in load_figures().items()
    ]
    assumptions += [
        f"Terminal board, {name}: {text}" for name, text in load_board(DEFAULT_BOARD).sources().items()
    ]
    assumptions += [
        f"Shannon rate at {DISTANCES_M[2]:.0f} m: {reference.up_bit_per_s / 1e6:.2f} Mbit/s. Only the uplink is "
        f"shaped; answers are {ANSWER_BYTES} bytes.",
        f"Deadline {DEADLINE_S * 1e3:.0f} ms; dynamic partition may lose {ACCURACY_LOSS_FRACTION:.0%} accuracy.",
        "Bytes are those above TCP; the network behind the access point and manufacture are left out.",
        data.source.origin,
    ]
    shown = [
        ("Every option at every rate", mechanisms_for_people(results.tables["mechanisms"])),
        (
            "Quantisation: what an int8 operation costs against one in float32 is a parameter, not measured",
            quantisation_for_people(results.tables["quantisation"]),
        ),
        (
            "The video-like model beside image by image, on the noisy sequence",
            video_for_people(results.tables["video"]),
        ),
        ("Several users on one link and one server", users_for_people(results.tables["users"])),
        (
            "Two users at the same time, executed on this machine beside the simulation of the same frames: medians",
            executed_users_for_people(results.tables["users_executed"], results.measured["users_executed"]),
        ),
        ("Narrow networks: pruned, distilled, and alone", widths_for_people(results.tables["widths"])),
        (
            f"Measured on this machine: wall clock, medians of {extent.shaped_frames} frames",
            timings_for_people(results.measured["latency"]),
        ),
    ]
    return render(lead, results.checks, results.statements, drawn, shown, assumptions)
