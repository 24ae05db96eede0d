"""``detabed tree probe``: joules per token of a server that somebody runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from edge_node.meters.base import MeterError
from experiments.commands.boards import require_board
from experiments.commands.options import JsonOption
from experiments.commands.output import err, out, print_json
from experiments.errors import UsageError
from experiments.probe.dialects import DIALECTS
from experiments.probe.figures import probe_of
from experiments.probe.measure import Measured, Plan, measure
from experiments.probe.meters import ProbeMeter, probe_meter
from experiments.probe.page import print_probe, write
from experiments.probe.server import ModelServer
from experiments.progress import progress_bar
from experiments.scenario.places import BoardSpec
from experiments.scenario.system import TreeSpec

MOST_TOKENS = 1_000_000


def counts(text: str, option: str) -> tuple[int, ...]:
    """Whole numbers with commas between them. Raises UsageError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= MOST_TOKENS for part in parts):
        raise UsageError(
            f"{option} is {text!r}; allowed are numbers of tokens from 1 to {MOST_TOKENS}, such as 32,256"
        )
    return tuple(dict.fromkeys(int(part) for part in parts))


def tree_probe(
    url: Annotated[str, typer.Argument(help="Address of the server, e.g. http://127.0.0.1:8080.")],
    meter: Annotated[
        str,
        typer.Option(
            "--meter",
            "-m",
            help="cpu-time:PID of the server on this machine, tensorrt-llm (the server's own reading of its GPUs), or "
            "a sensor of `detabed list meters`.",
        ),
    ],
    tokens_in: Annotated[str, typer.Option("--in", help="Lengths of prompts, in tokens.")] = "32,256,512",
    tokens_out: Annotated[str, typer.Option("--out", help="Lengths of answers, in tokens.")] = "1,64",
    repeat: Annotated[int, typer.Option(min=1, max=10_000, help="How often each length is asked.")] = 3,
    board: Annotated[str, typer.Option(help="Board profile: what power can be true.")] = BoardSpec().profile,
    max_watts: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=1e6,
            help="What the server's machine or GPU can draw at most, in place of --board's power.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model, as the server calls it; default: its only one.")
    ] = None,
    dialect: Annotated[
        str | None, typer.Option(help=f"How it is asked: {', '.join(DIALECTS)}; default: found out.")
    ] = None,
    key_variable: Annotated[
        str | None, typer.Option(help="Environment variable with the key that the server wants.")
    ] = None,
    insecure: Annotated[bool, typer.Option(help="Allow plain HTTP to another machine.")] = False,
    idle_s: Annotated[
        float, typer.Option(min=0, max=3600, help="Window at rest before the requests; 0: none.")
    ] = 3.0,
    seed: Annotated[int, typer.Option(min=0, help="Draws prompts and the order of requests.")] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the page.")] = Path("probe"),
    as_json: JsonOption = False,
) -> None:
    if dialect is not None and dialect not in DIALECTS:
        raise UsageError(f"--dialect is {dialect!r}; allowed are {', '.join(DIALECTS)}")
    plan = Plan(counts(tokens_in, "--in"), counts(tokens_out, "--out"), repeat, idle_s, seed)
    profile = require_board(board).config()
    key = _key(key_variable)
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file; give a folder")
    server = ModelServer(url, dialect=dialect, model=model, key=key, insecure=insecure)
    reader = probe_meter(meter, profile, server, max_watts)
    alpha = TreeSpec().alpha_bits_per_token
    try:
        _require_folder(output)  # before what takes long
        measured = _measured(server, reader, plan, as_json)
    except MeterError as error:
        raise UsageError(f"meter {meter!r}: {error}") from error
    finally:
        reader.stop()
        server.close()
    probe = probe_of(measured, alpha_bits_per_token=alpha, counts_idle=reader.counts_idle)
    facts = {
        "server": f"{server.url}, model {server.model}, asked as {server.dialect.name}",
        "meter": f"{meter} ({reader.provenance}; {_power(board, max_watts)})",
        "at rest": _at_rest(reader, probe.idle_w),
        "lengths": f"around every prompt the server puts {measured.around_tokens:.0f} tokens of its own"
        + ("" if server.whole else "; it does not take ignore_eos, so that answers may end earlier"),
        "alpha": f"{alpha:,.0f} bit/token",
    }
    page = write(output, measured, probe, facts)
    missing = [one.missing for one in measured.requests if one.joules is None]
    if as_json:
        print_json({"facts": facts, **probe.as_dict(), "page": str(page)})
    else:
        print_probe(probe, facts, out)
        out.print(f"page: {page}", soft_wrap=True, highlight=False)
    if missing:
        err.print(f"missing: {len(missing)} of {len(measured.requests)} readings; the first: {missing[0]}")
        raise typer.Exit(1)


def _power(board: str, max_watts: float | None) -> str:
    """Whose power readings are held against."""
    return f"board profile {board}" if max_watts is None else f"at most {max_watts:g} W"


def _require_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--output {output} cannot be made: {error.strerror}; give another folder"
        ) from error


def _at_rest(reader: ProbeMeter, idle_w: float | None) -> str:
    """What became of the power at rest."""
    if idle_w is not None:
        return f"{idle_w:.4g} W, taken off"
    return "in the readings, and not taken off (--idle-s 0)" if reader.counts_idle else "not in the readings"


def _key(variable: str | None) -> str:
    if variable is None:
        return ""
    if not (key := os.environ.get(variable, "")):
        raise UsageError(
            f"the environment has no variable {variable}, or it is empty; set it to the server's key"
        )
    return key


def _measured(server: ModelServer, reader: ProbeMeter, plan: Plan, quiet: bool) -> Measured:
    with progress_bar(err, quiet=quiet) as bar:
        task = bar.add_task("asking", total=plan.count)
        more: dict[str, Any] = {"advance": 1}
        return measure(server, reader, plan, lambda: bar.update(task, **more))
