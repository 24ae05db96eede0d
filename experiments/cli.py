"""``detabed``: the command line. Lists the commands, runs one, and turns failures into exit codes.

Exit codes: 0 done · 1 a run or a check failed · 2 bad input, nothing started · 130 interrupted.
Every command that reports takes --json and prints exactly one JSON object to standard output; progress and
warnings go to standard error.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import click
import typer
from typer.core import TyperGroup

from carbon_data.machine_faults import machine_fault
from coordinator.process import search_cycles_seldom
from experiments.commands.lazy import TYPER_SUGGESTS, LazyCommand, group
from experiments.commands.output import err, out, say
from experiments.errors import RunError, UsageError
from experiments.interrupts import INTERRUPTED, caused

COMMANDS = {
    "run": (
        "run:run",
        "Run one scenario under one policy; writes a run folder with tables, ledger and report.",
    ),
    "compare": ("compare:compare", "Run several policies on identical seeds and report them side by side."),
    "resume": (
        "resume:resume",
        "Go on with a run, comparison or sweep that was broken off: after a power cut, a kill, a full disk.",
    ),
    "sweep": (
        "sweep:sweep",
        "Run a scenario at many values of its keys, on all cores; one table and one page to explore.",
    ),
    "simulate": (
        "simulate:simulate",
        "Run a scenario without learning for days or a year of its traces, with one report of the whole period.",
    ),
    "check": (
        "check:check",
        "Validate a scenario and show what it resolves to, without running anything.",
    ),
    "export": (
        "export:export",
        "Write the program that the policy solves before a slot, for other solvers; names carry equation numbers.",
    ),
    "init": ("init:init", "Write a commented starter scenario, named after the file."),
    "report": (
        "report:report",
        "Write the HTML report, figures and CSV tables of a finished run or comparison again.",
    ),
    "watch": (
        "watch:watch",
        "Show a run as it goes on, in the terminal and with --page in a browser; nothing in it changes.",
    ),
    "twin": (
        "twin:twin",
        "Price a run on boards by its board profile, and show how far energy and time are off by node and stage.",
    ),
    "disclose": (
        "disclose:disclose",
        "Carbon intensity for AI, scope 2, carbon per bit and how to repeat it, of a finished run: a page and JSON.",
    ),
    "infer": ("infer:infer", "Ask a serving node about test examples over its gRPC Infer stream."),
    "qoais": (
        "qoais:qoais",
        "Quality of AI service and life cycle of a finished run; every indicator says how it is known.",
    ),
    "power": (
        "power:power",
        "Fit power by component, (T2), to a device's readings; shows residuals and what stays undetermined.",
    ),
    "calibrate": (
        "calibrate:calibrate",
        "Measure this board with its own meter, idle, core by core, at work and asleep; writes a board profile.",
    ),
    "list": ("catalogue:list_", "List what can be named in a scenario."),
    "reproduce": (
        "reproduce:reproduce",
        "Run a study of a paper again and put its claims beside ours; interrupted, it continues where it stopped.",
    ),
    "doctor": (
        "doctor:doctor",
        "What this machine offers: versions, cores, isolation, data, and any listener open beyond loopback.",
    ),
}
"""Name -> (function below ``experiments.commands``, help)."""

GROUPS = {
    "cluster": (
        "Boards on other machines: their inventory, and the certificates with which they take part.",
        {
            "init": (
                "cluster_init:cluster_init",
                "Write an inventory of boards, and make the authority that certifies them.",
            ),
            "invite": (
                "cluster_invite:cluster_invite",
                "Print a one-use token with which a board joins, and wait for it (ten minutes).",
            ),
            "revoke": (
                "cluster_revoke:cluster_revoke",
                "Let a board's certificate count no more, also in runs that go on.",
            ),
            "push": (
                "cluster_push:cluster_push",
                "Send the package, data sets and your own files to the boards over ssh: only what differs.",
            ),
            "check": (
                "cluster_check:cluster_check",
                "Compare the boards with this machine, over ssh: versions, code, certificate, clock, governor, "
                "throttling, disk, meter. Exit code 1 when something is wrong.",
            ),
            "up": (
                "cluster_up:cluster_up",
                "Start the boards' daemons over ssh: all of them, or none where one is another board or cannot.",
            ),
            "status": (
                "cluster_status:cluster_status",
                "Ask the boards over ssh whether their daemons run. Exit code 1 when one does not.",
            ),
            "down": (
                "cluster_down:cluster_down",
                "Stop the boards' daemons over ssh, by unit or recorded process.",
            ),
        },
    ),
    "node": (
        "On a board.",
        {
            "join": (
                "node_join:node_join",
                "Join a cluster: make a key on this board and obtain its certificate for a token.",
            ),
        },
    ),
    "data": (
        "Large data files: what is there, and fetching what is not.",
        {
            "status": (
                "data_status:data_status",
                "Which large data files are there, and whether their checksums hold.",
            ),
            "fetch": (
                "data_fetch:data_fetch",
                "Download data files from their public sources, check them, and put them into the data folder.",
            ),
        },
    ),
    "ledger": (
        "The books of a run.",
        {
            "verify": (
                "ledger_verify:ledger_verify",
                "Check the books of a run: every derived figure is computed again, its tables too. Exit code 1 when a "
                "finding stands; 3 when the books are only incomplete (not all slots are closed), empty or cut short.",
            ),
            "export": (
                "ledger_export:ledger_export",
                "Write the books of a run as one file, signed by the cluster's authority or your own; others check it "
                "without this program (docs/audit.md).",
            ),
        },
    ),
    "meter": (
        "Meters of boards.",
        {
            "test": (
                "meter_test:meter_test",
                "Read a sensor for some seconds: power with its 95 % interval, samples per second, gaps. Exit code 1 "
                "when a slot of that length would be missing.",
            ),
        },
    ),
    "sleep": (
        "Boards that really sleep.",
        {
            "test": (
                "sleep_test:sleep_test",
                "Put a node's board to sleep and wake it, some times: time and energy of waking up, with their spread. "
                "Exit code 1 when it could not be switched.",
            ),
        },
    ),
    "tree": (
        "Joules per token of servers of language models.",
        {
            "probe": (
                "tree_probe:tree_probe",
                "Ask a server requests of several lengths: joules per token, TREE, latency and a cost model; a page "
                "and JSON.",
            ),
            "adapter": (
                "tree_adapter:tree_adapter",
                "Write what a run of task lora learned as a file for `tree serve --adapter` (needs the extra llm).",
            ),
            "serve": (
                "tree_serve:tree_serve",
                "Serve a small language model on this machine until Ctrl-C (needs the extra llm).",
            ),
        },
    ),
    "policy": (
        "Policies of your own.",
        {
            "check": (
                "policy_check:policy_check",
                "Run the conformance suite on a policy and print what it breaks. Exit code 1 when something is "
                "broken.",
            ),
        },
    ),
}
"""Name -> (help, its commands)."""


class _Commands(TyperGroup):
    def invoke(self, ctx: click.Context) -> object:
        """As typer's, which ends without a word where it is interrupted."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            err.print("interrupted")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    name="detabed",
    cls=_Commands,
    help="Distributed, carbon-aware edge testbed: Flower on Ray, DET / DAT / DETA, life-cycle emissions and TREE.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    suggest_commands=TYPER_SUGGESTS,
)


def _version(wanted: bool) -> None:
    if wanted:
        # It brings the parsers of the e-mail package, which no other start needs.
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


def command_line() -> TyperGroup:
    """``detabed`` with all its commands."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    for name, (place, text) in COMMANDS.items():
        root.add_command(LazyCommand(name, place, text))
    for name, (text, commands) in GROUPS.items():
        root.add_command(group(name, text, commands))
    return root


def main() -> None:
    """Entry point: messages instead of tracebacks, exit codes that scripts can use."""
    code = invoke(sys.argv[1:])
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _write_no_more()
    sys.exit(code)


def invoke(arguments: list[str]) -> int:
    """Run one command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal or file that cannot show every sign
    try:
        _look_here_last()
        search_cycles_seldom()
        result = command_line().main(args=arguments, prog_name="detabed", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()  # what the last lines meet is met here
    except (typer.Exit, click.exceptions.Exit) as stop:
        return stop.exit_code
    except click.exceptions.Abort:
        err.print("interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        err.print("interrupted")
        return INTERRUPTED
    except UsageError as error:
        return _failed("error:", error, 2)
    except RunError as error:
        return _failed("failed:", error, 1)
    except BrokenPipeError:
        _write_no_more()  # the reader of our output (head, a pager) has closed it
        return 0
    except Exception as error:
        if _is_bad_data(error):
            return _failed("error:", error, 2)
        if (fault := machine_fault(error)) is not None:
            return _failed("failed:", fault, 1)
        if caused(error):
            err.print("interrupted")
            return INTERRUPTED
        raise  # a fault of this program, which needs its traceback
    return result if isinstance(result, int) else 0


def _look_here_last() -> None:
    """Policies, tasks and sources of one's own lie in the working directory. It is looked at last, so that a file there
    takes the place of no module that a run needs. Raises OSError where that folder is gone."""
    here = os.getcwd()
    sys.path[:] = [*(folder for folder in sys.path if folder not in ("", here)), here]


def _write_no_more() -> None:
    """Nothing more can be written to standard output: Python would try again as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(word: str, error: object, exit_code: int) -> int:
    say(word, error)
    return exit_code


def _is_bad_data(error: Exception) -> bool:
    # Needs numpy: imported when an error asks for it, so that help starts without.
    from carbon_data.types import DataError

    return isinstance(error, DataError)


if __name__ == "__main__":
    main()
