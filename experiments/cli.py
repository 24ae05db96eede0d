"""``detabed``: the command line. Thin: it parses, calls, prints, and turns failures into exit codes.

Exit codes: 0 done · 1 a run or a check failed · 2 bad input, nothing started · 130 interrupted.
Every command that reports takes --json and prints exactly one JSON object to standard output; progress and
warnings go to standard error.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.errors import RunError, UsageError

app = typer.Typer(
    name="detabed",
    help="Distributed, carbon-aware edge testbed: Flower on Ray, DET / DAT / DETA, life-cycle emissions and TREE.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(
    help="Large data files: what is there, and fetching what is not.", no_args_is_help=True
)
ledger_app = typer.Typer(help="The books of a run.", no_args_is_help=True)
policy_app = typer.Typer(help="Policies of your own.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(ledger_app, name="ledger")
app.add_typer(policy_app, name="policy")

out = Console()
err = Console(stderr=True)

ScenarioArgument = Annotated[
    str,
    typer.Argument(
        help="A scenario file (TOML), or the name of a packaged one: see `detabed list scenarios`."
    ),
]
ReportOption = Annotated[
    bool, typer.Option("--report/--no-report", help="Draw the HTML report and its figures.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder of the run; must not exist yet.")
]
RunArgument = Annotated[Path, typer.Argument(help="A run folder, or a compare folder.")]


def print_facts(
    title: str | None, facts: Mapping[str, str], what: str = "what", value: str = "value"
) -> None:
    """Two columns for people."""
    table = Table(what, value, title=title)
    for key, text in facts.items():
        table.add_row(escape(key), escape(text))
    out.print(table)


def print_json(value: Any) -> None:
    """One JSON object, nothing else, on standard output. NaN cannot be written."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, default=str) + "\n")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        out.print(f"detabed {version('detabed')}", highlight=False)
        raise typer.Exit


@app.callback()
def _common(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    scenario: ScenarioArgument,
    policy: Annotated[str | None, typer.Option(help="Policy instead of the scenario's.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**31 - 1, help="Seed instead of the scenario's.")
    ] = None,
    output: OutputOption = None,
    fleet: Annotated[str | None, typer.Option(help="ray or inprocess, instead of the scenario's.")] = None,
    report: ReportOption = True,
    serve_for: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="Keep the last application slot open so long for `detabed infer` (fleet ray; Ctrl-C ends it).",
        ),
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Run one scenario under one policy; writes a run folder with tables, ledger and report."""
    from experiments.resolve.prepare import open_scenario
    from experiments.runs import compare as study

    spec = open_scenario(scenario, policy=policy, seed=seed, fleet=fleet)
    folder = study.new_folder(output, f"{spec.name}-{spec.policy.replace(':', '.')}-s{spec.seed}")
    study.isolate(spec)
    with _failures_in_json(folder, as_json):
        result = study.run_single(
            spec, folder, err, quiet=as_json and not err.is_terminal, draw=report, serve_s=serve_for
        )
    _show(result, as_json)


@app.command()
def compare(
    scenario: ScenarioArgument,
    policies: Annotated[str, typer.Option(help="Comma-separated policies.")] = "grid,local,det,dat,deta",
    seeds: Annotated[
        int, typer.Option(min=1, max=1000, help="Number of paired seeds, from the scenario's on.")
    ] = 5,
    output: OutputOption = None,
    fleet: Annotated[str | None, typer.Option(help="ray or inprocess, instead of the scenario's.")] = None,
    report: ReportOption = True,
    as_json: JsonOption = False,
) -> None:
    """Run several policies on identical seeds and report them side by side."""
    from experiments.resolve.prepare import open_scenario
    from experiments.runs import compare as study

    spec = open_scenario(scenario, fleet=fleet)
    names = study.parse_policies(policies)
    folder = study.new_folder(output, f"{spec.name}-compare")
    study.isolate(spec)
    with _failures_in_json(folder, as_json):
        result = study.run_compare(
            spec, names, seeds, folder, err, quiet=as_json and not err.is_terminal, draw=report
        )
    _show(result, as_json)


@contextmanager
def _failures_in_json(folder: Path, as_json: bool) -> Iterator[None]:
    """With --json a failure is the one object on standard output; the sentence on standard error stays."""
    try:
        yield
    except (RunError, OSError) as error:
        if as_json:
            from experiments.runs.run import describe_failure

            print_json({"failed": describe_failure(error), "run": str(folder) if folder.exists() else None})
        raise


def _show(result: Any, as_json: bool) -> None:
    """The figures; exit code 1 where a run of a comparison failed."""
    if as_json:
        print_json(result.as_dict())
    else:
        result.print(out)
    for name, why in result.failed.items():
        _say("failed:", f"{name}: {why}", 1)
    if result.failed:
        raise typer.Exit(1)


@app.command()
def check(scenario: ScenarioArgument, as_json: JsonOption = False) -> None:
    """Validate a scenario and show what it resolves to, without running anything."""
    from experiments.resolve.prepare import describe, open_scenario
    from experiments.resolve.resolve import resolve

    resolved = resolve(open_scenario(scenario))
    for warning in resolved.warnings:
        _say("warning:", warning, 0)
    if as_json:
        print_json(resolved.summary())
        return
    print_facts(resolved.scenario.name, describe(resolved))


@app.command()
def export(
    scenario: ScenarioArgument,
    file: Annotated[Path, typer.Argument(help="File to write, ending in .lp or .mps; must not exist yet.")],
    policy: Annotated[str | None, typer.Option(help="Policy instead of the scenario's.")] = None,
    slot: Annotated[
        int,
        typer.Option(min=0, help="Slot before which it is solved; those before are rolled without learning."),
    ] = 0,
    solve: Annotated[bool, typer.Option("--solve", help="Solve it too, and show the optimum.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the program that the policy solves before a slot, for other solvers; names carry equation numbers."""
    from experiments.resolve.prepare import open_scenario
    from experiments.runs.export import check_file, export_program

    check_file(file)
    written = export_program(open_scenario(scenario, policy=policy), file, slot, solve)
    if as_json:
        print_json(written.as_dict())
        return
    shown = {key: "not solved" if value is None else str(value) for key, value in written.as_dict().items()}
    print_facts(None, shown)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="File to write; must not exist yet.")],
    as_json: JsonOption = False,
) -> None:
    """Write a commented starter scenario, named after the file."""
    from experiments.resolve.prepare import starter_text

    try:
        if path.exists():
            raise UsageError(f"{path} exists already; give another name, or remove it first")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(starter_text(path), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}; give another name") from None
    following = f"detabed compare {path} --policies local,deta --seeds 2"
    print_json({"scenario": str(path), "next": following}) if as_json else out.print(
        f"wrote {path}; next: {following}", soft_wrap=True
    )


@app.command()
def report(run: RunArgument, as_json: JsonOption = False) -> None:
    """Write the HTML report, figures and CSV tables of a finished run or comparison anew."""
    from experiments.report.html import write_report

    if not run.is_dir():
        raise UsageError(f"{run}: no such folder; give a run folder, e.g. the one `detabed run` printed")
    path = write_report(run)
    print_json({"report": str(path)}) if as_json else out.print(f"report: {path}", soft_wrap=True)


@app.command()
def infer(
    target: Annotated[
        str,
        typer.Argument(
            help="Folder of a run that lasts, a node of the newest such run in runs/, or host:port "
            "(a daemon prints it as infer_address)."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(help="Data set whose test examples are asked about; default: the run's, else digits."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Examples to ask about.")] = 100,
    batch: Annotated[int, typer.Option(min=1, help="Examples per request.")] = 1,
    node: Annotated[str, typer.Option(help="Node to ask, where several share the server.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Ask a serving node about test examples over its gRPC Infer stream."""
    from edge_node.serving.client import InferError, run_infer_client
    from experiments.runs import compare as study
    from experiments.runs.outside import find_target

    found = find_target(target, node, study.RUNS)

    def answers(node_id: str) -> dict[str, Any]:
        wanted = data or found.data or "digits"
        return run_infer_client(found.address, data=wanted, count=count, batch=batch, node_id=node_id)

    try:
        try:
            answered = answers(found.node_id)
        except InferError as error:
            if not error.nodes:
                raise
            answered = answers(_which(found.address, error.nodes))
    except InferError as error:
        raise RunError(str(error)) from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    if as_json:
        print_json(answered)
        return
    shown = {
        key: "not measured" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
        for key, value in answered.items()
    }
    print_facts(f"{answered['node_id']} at {found.address}", shown)


def _which(address: str, nodes: tuple[str, ...]) -> str:
    """Which of several nodes at an address: asked where somebody can answer, else the first, and said."""
    if sys.stdin.isatty() and err.is_terminal:
        return str(typer.prompt(f"{address} has {', '.join(nodes)}; which", default=nodes[0], err=True))
    err.print(
        f"{address} has {', '.join(nodes)}; asking {nodes[0]}: --node chooses", markup=False, soft_wrap=True
    )
    return nodes[0]


@app.command()
def qoais(run: RunArgument, as_json: JsonOption = False) -> None:
    """Quality of AI service and life cycle of a finished run; every indicator says how it is known."""
    from experiments.report.qoais import qoais_of
    from experiments.report.qoais.tables import terminal_rows

    if not run.is_dir():
        raise UsageError(f"{run}: no such folder; give a run folder, e.g. the one `detabed run` printed")
    found = qoais_of(run)
    if as_json:
        print_json(found)
        return
    for policy, entry in found["qoais"].items():
        counts = ", ".join(f"{count} {status}" for status, count in entry["counts"].items())
        table = Table(
            "dimension",
            "indicator",
            "value",
            "reading",
            "formula, or why there is no value",
            title=f"{policy}, seed {entry['seed']}: {counts}",
        )
        for row in terminal_rows(entry):
            table.add_row(*row)
        out.print(table)


@app.command()
def power(
    readings: Annotated[
        str,
        typer.Argument(
            help="A TOML file of readings, or a packaged device: raspberry-pi-4b, rtx-4090-server."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Fit power by component, (T2), to a device's readings; shows residuals and what stays undetermined."""
    from experiments.commands.power_fit import AT_BOUND, fit_report

    found = fit_report(readings)
    if as_json:
        print_json(found)
        return
    table = Table("coefficient", "value", "unit", title=f"{found['name']}: {found['description']}")
    for row in found["coefficients"]:
        value = row["reason"] if row["value"] is None else f"{row['value']:.4g}"
        value += f" ({AT_BOUND})" if row["at_bound"] else ""
        table.add_row(row["name"], value, row["unit"])
    out.print(table)
    table = Table("reading", "power W", "model W", "residual W", "computation W", "memory W", "radio W")
    for row in found["readings"]:
        parts = (row[f"{name}_w"] for name in ("computation", "memory", "communication"))
        table.add_row(
            row["name"] + (" (above its rest)" if row["above"] else ""),
            *(f"{row[name]:.3f}" for name in ("power_w", "model_w", "residual_w")),
            *("?" if part is None else f"{part:.3f}" for part in parts),
        )
    out.print(table)
    out.print(
        f"rms residual {found['rms_residual_w']:.3g} W over {len(found['readings'])} readings, rank {found['rank']} "
        "of 8; ?: the readings do not tell how the total splits"
    )


@app.command(name="list")
def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="policies, sources, harvests, meters, tasks, strategies, zones, boards, transports, scenarios or "
            "studies."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """List what can be named in a scenario."""
    from experiments.commands.catalogue import CATALOGUE, catalogue

    if what not in CATALOGUE:
        raise UsageError(f"cannot list {what!r}; allowed: {', '.join(sorted(CATALOGUE))}")
    entries = catalogue(what)
    if as_json:
        print_json({what: entries})
        return
    print_facts(None, entries, "name", "what it is")


@data_app.command("status")
def data_status(as_json: JsonOption = False) -> None:
    """Which large data files are there, and whether their checksums hold."""
    from carbon_data.files.datasets import data_dir, status

    rows = [
        {
            "name": row.dataset.name,
            "state": row.state.value,
            "size_bytes": row.dataset.size_bytes,
            "licence": row.dataset.licence,
            "path": str(row.path),
            "detail": row.detail,
        }
        for row in status()
    ]
    if as_json:
        print_json({"folder": str(data_dir()), "datasets": rows})
        return
    table = Table(title="data files")
    table.add_column("name", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("kB", justify="right", no_wrap=True)
    table.add_column("licence", overflow="fold")
    for row in rows:
        kilobytes = f"{int(str(row['size_bytes'])) / 1e3:,.0f}"
        table.add_row(str(row["name"]), str(row["state"]), kilobytes, str(row["licence"]))
    out.print(table)
    out.print(f"folder: {data_dir()} (set DETABED_DATA_DIR for another)", soft_wrap=True, highlight=False)
    for row in rows:
        if row["detail"]:
            out.print(f"{row['name']} is {row['state']}: {row['detail']}", soft_wrap=True, markup=False)


@data_app.command("fetch")
def data_fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="Data sets; none: all that can be fetched.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Download data files from their public sources, check them, and put them into the data folder."""
    from experiments.commands.fetch import fetch_with_progress

    fetched = fetch_with_progress(names or [], err)
    if as_json:
        print_json(fetched)
        return
    for state, names_in_it in fetched.items():
        out.print(f"{state}: {', '.join(names_in_it) or 'none'}", soft_wrap=True, highlight=False)


@ledger_app.command("verify")
def ledger_verify(run: RunArgument, as_json: JsonOption = False) -> None:
    """Check the books of a run: sums, chain, batteries, transfers, batches. Exit code 1 when a finding stands, or when
    the books are incomplete: not all slots are closed, or nothing was booked."""
    from experiments.run_folder.verify import verify_run

    verdict = verify_run(run)
    if as_json:
        print_json(verdict)
    else:
        for finding in verdict["findings"]:
            err.print(f"[red]finding[/red] {finding}")
        for lack in verdict["incomplete"]:
            err.print("[yellow]incomplete[/yellow]", end=" ")
            err.print(lack, markup=False, highlight=False, soft_wrap=True)
        word = (
            "[red]not sound[/red]"
            if verdict["findings"]
            else "[yellow]incomplete[/yellow]"
            if verdict["incomplete"]
            else "[green]sound[/green]"
        )
        out.print(
            f"{run}: {word}; {verdict['transactions']} transactions, {verdict['postings']} postings checked"
        )
    if not verdict["ok"]:
        raise typer.Exit(1)


@policy_app.command("check")
def policy_check(
    policy: Annotated[str, typer.Argument(help="A registered name, or package.module:Name.")],
    option: Annotated[
        list[str] | None, typer.Option(help="An option of the policy as key=value; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the conformance suite on a policy and print what it breaks. Exit code 1 when something is broken."""
    from experiments.commands.check_policy import check_policy

    violations = check_policy(policy, option or ())
    if as_json:
        print_json({"policy": policy, "ok": not violations, "violations": violations})
    elif violations:
        for violation in violations:
            out.print("[red]breaks[/red]", end=" ")
            out.print(violation, markup=False, highlight=False, soft_wrap=True)
    else:
        out.print(f"{policy}: [green]keeps every rule[/green]")
    if violations:
        raise typer.Exit(1)


@app.command()
def reproduce(
    study: Annotated[str, typer.Argument(help="A study: see `detabed list studies`.")],
    full: Annotated[
        bool, typer.Option("--full/--quick", help="All of it, or reduced and scaled where it must.")
    ] = False,
    train: Annotated[
        bool, typer.Option("--train", help="Train what else comes from trainings that ship with the package.")
    ] = False,
    zones: Annotated[
        str | None, typer.Option(help="Ten or more zones, comma between, instead of the study's own.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that compute; without it, one a core.")
    ] = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a study of a paper again and put its claims beside ours; interrupted, it continues where it stopped."""
    from experiments.runs import compare as runs
    from experiments.studies.registry import STUDIES, run_study

    if study not in STUDIES:
        raise UsageError(f"no study is called {study!r}; allowed: {', '.join(STUDIES)}")
    chosen = tuple(zone.strip() for zone in zones.split(",")) if zones else None
    given = {"train": train or None, "zones": chosen, "workers": workers}
    folder = output or runs.RUNS / f"reproduce-{study}-{'full' if full else 'quick'}"
    result = run_study(study, folder, full, err, **{k: v for k, v in given.items() if v is not None})
    if as_json:
        print_json(result)
        return
    # What no paper claims is checked, not reproduced.
    is_own = "checks" in result
    said = ("check", "verdict", "statement", "ours") if is_own else ("claim", "verdict", "paper", "ours")
    table = Table(*said, title=f"{study}, {'full' if full else 'quick'}")
    colours = {"met": "green", "not met": "red"}
    for name, claim in result["checks" if is_own else "claims"].items():
        verdict = str(claim["verdict"])
        table.add_row(
            name,
            f"[{colours.get(verdict, 'yellow')}]{verdict}[/]"
            + (", by construction" if claim.get("by_construction") else ""),
            str(claim.get(said[2], "")),
            str(claim.get("ours", "")),
        )
    out.print(table)
    out.print(f"folder: {result['run']}", soft_wrap=True)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """What this machine offers: versions, cores, isolation, data, and any listener open beyond loopback."""
    from experiments.commands.doctor import examine, rows

    findings = examine()
    print_json(findings) if as_json else print_facts(None, rows(findings))


def main() -> None:
    """Entry point: messages instead of tracebacks, exit codes that scripts can use."""
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: list[str]) -> int:
    """Run one command line; returns the exit code."""
    import click

    # Policies, tasks and sources of one's own lie in the working directory. It is looked at last, so that a file there
    # takes the place of no module that a run needs.
    here = os.getcwd()
    sys.path[:] = [*(folder for folder in sys.path if folder not in ("", here)), here]
    try:
        result = app(args=arguments, prog_name="detabed", standalone_mode=False)
    except (typer.Exit, click.exceptions.Exit) as stop:
        return stop.exit_code
    except click.exceptions.Abort:
        err.print("interrupted")
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        err.print("interrupted")
        return 130
    except UsageError as error:
        return _say("error:", error, 2)
    except RunError as error:
        return _say("failed:", error, 1)
    except BrokenPipeError:
        # Whoever read us (head, a pager) has seen enough; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A full disk, a folder taken away in mid-run: printed without a traceback.
        from experiments.runs.run import describe_failure

        return _say("failed:", describe_failure(error), 1)
    except Exception as error:
        if _is_bad_data(error):
            return _say("error:", error, 2)
        if (full := _full_disk(error)) is not None:
            from experiments.runs.run import describe_failure

            return _say("failed:", describe_failure(full), 1)
        raise
    return result if isinstance(result, int) else 0


def _say(word: str, error: object, exit_code: int) -> int:
    err.print(f"[bold red]{word}[/bold red]", end=" ")
    err.print(str(error), markup=False, highlight=False, soft_wrap=True)
    return exit_code


def _full_disk(error: BaseException | None) -> OSError | None:
    """The full disk behind an error of a library's that met it on its way out (a half-written figure)."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return error
        error = error.__cause__ or error.__context__
    return None


def _is_bad_data(error: Exception) -> bool:
    """Data errors come from the lowest room, which knows nothing of command lines; imported only when needed."""
    from carbon_data.types import DataError

    return isinstance(error, DataError)


if __name__ == "__main__":
    main()
