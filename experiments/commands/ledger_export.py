"""``detabed ledger export --signed``: the books of a run as one signed file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import typer

from experiments.cluster.authority import Authority
from experiments.cluster.cluster import Cluster
from experiments.cluster.own_authority import own_authority
from experiments.commands.options import JsonOption
from experiments.commands.output import out, print_json
from experiments.commands.waiting import waiting
from experiments.errors import RunError, UsageError
from experiments.run_folder.files import LEDGER, SCENARIO
from experiments.run_folder.signed import Exported, write_signed
from experiments.run_folder.verify import State, verify_run


def ledger_export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    signed: Annotated[
        bool, typer.Option("--signed", help="Sign it with the authority's key. Nothing else is written.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default: RUN.signed.jsonl here.")
    ] = None,
    inventory: Annotated[
        Path | None,
        typer.Option(
            help="Inventory of the cluster whose authority signs; default: the scenario's, else your own authority."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    if not signed:
        raise UsageError(
            "an export is signed: give --signed (what need not be signed is in the tables of the run folder)"
        )
    file = output or Path(f"{run.resolve().name}.signed.jsonl")
    _refuse_before(run, file)
    with waiting("checking the books"):
        exported = _checked(run)
    authority, of = _authority(run, inventory)
    try:
        write_signed(run, file, exported, authority)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error}; give another --output") from error
    if as_json:
        print_json(
            {
                "file": str(file),
                "run_id": exported.run_id,
                "state": exported.state,
                "entries": exported.entries,
                "head": exported.head,
                "authority": authority.fingerprint,
            }
        )
        return
    out.print(
        f"{file}: {exported.entries} entries, head {exported.head}, {exported.state}; signed by {of}, fingerprint "
        f"{authority.fingerprint}. Give the fingerprint to readers by another way than the file.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _refuse_before(run: Path, file: Path) -> None:
    """Raises UsageError, before anything is read or made."""
    if not (run / LEDGER).is_file():
        raise UsageError(f"{run}: no {LEDGER} in it; give a run folder (of a comparison: one of its runs)")
    if file.exists():
        raise UsageError(f"{file} exists already; remove it, or give another --output")
    if not file.absolute().parent.is_dir():
        raise UsageError(f"{file.absolute().parent} is no folder; make it, or give another --output")


def _checked(run: Path) -> Exported:
    """Books that an authority may sign: without findings. Raises RunError."""
    verdict = verify_run(run)
    told = verdict["heads"][str(run / LEDGER)]
    if verdict["state"] not in (State.SOUND, State.INCOMPLETE):
        (first, *_) = verdict["findings"]
        raise RunError(
            f"{run} is {verdict['state']} and is not signed: {first}; see: detabed ledger verify {run}"
        )
    if not told["entries"]:
        raise RunError(f"{run} is not signed: nothing is booked in it")
    return Exported(told["run_id"], verdict["state"], told["entries"], told["head"])


def _authority(run: Path, inventory: Path | None) -> tuple[Authority, str]:
    """Whoever signs, and who that is in words. Raises UsageError."""
    if inventory is None and (run / SCENARIO).exists():
        try:
            fleet = tomllib.loads((run / SCENARIO).read_text(encoding="utf-8")).get("fleet", {})
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{run / SCENARIO} cannot be read ({error}); restore it from a copy, or give --inventory"
            ) from error
        inventory = Path(fleet["cluster"]) if fleet.get("cluster") else None
    if inventory is None:
        return own_authority(), "your own authority"
    return Cluster.open(inventory).authority, f"the authority of {inventory}"
