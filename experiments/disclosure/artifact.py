"""Artifact appendix of a run: what was run, on which data, where, how to repeat it, and what must come out."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from carbon_data.types import Provenance
from experiments.report.read import Run
from experiments.run_folder.files import METADATA, RECORDED_SCENARIO, SCENARIO, SIGNALS, table_file
from experiments.run_folder.verify import verify_run

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Artifact:
    """Facts for who wants to repeat a run."""

    what: dict[str, str]
    where: dict[str, str]
    versions: dict[str, str]
    data: list[dict[str, str]]
    """Source, licence, address and SHA-256 of every series and data set that the run read."""
    files: dict[str, str]
    """SHA-256 of the run's files."""
    repeat: list[str]
    """Commands."""
    expected: list[str]
    """What must come out, and how closely."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def artifact_of(run: Run) -> Artifact:
    told = run.metadata
    ledger = told.get("ledger", {})
    return Artifact(
        _what(run),
        _where(run),
        {str(name): str(version) for name, version in told.get("versions", {}).items()},
        [_origin(name, origin) for name, origin in told.get("origins", {}).items()],
        _digests(run),
        _repeat(run),
        [
            _emissions(run),
            f"sound books: {verify_run(run.folder)['state']} when this was written; their anchor is "
            f"{ledger.get('head', 'not recorded')} over {ledger.get('entries', 'an unknown number of')} entries "
            "(a repetition has another: times are in it)",
        ],
    )


def _emissions(run: Run) -> str:
    if Provenance.MEASURED.value in set(run.tables["lines"]["provenance"]):
        return (
            f"emissions near {run.emissions_g:.4g} g CO2e: readings were measured, so that a repetition "
            "differs by what the meters' intervals say"
        )
    return (
        f"emissions of {run.emissions_g:.9g} g CO2e and the tables below, byte for byte: no reading was measured, and "
        "the same scenario, seed and versions repeat all others"
    )


def _what(run: Run) -> dict[str, str]:
    told = run.metadata
    options = told.get("policy_options") or {}
    slots = run.tables["slots"]
    step_s, start = float(told["trace_step_s"]), told.get("start", "an unknown time")
    measured = f" ({run.board_s:.6g} s in all as measured)" if run.on_wall_clock else ""
    return {
        "scenario": f"{told['name']} ({SCENARIO}, every default written out)",
        "policy": run.policy + (f" with {options}" if options else ""),
        "seed": str(run.seed),
        "task": f"{told.get('task', 'none')}, strategy {told.get('strategy', 'none')}",
        "data set": str(told.get("data_origin", told.get("data_used", "none"))),
        "nodes": str(len(run.tables["nodes"])),
        "slots": f"{slots['slot'].nunique()} of {run.slot_s:g} s{measured}, each replaying {step_s:g} s from {start}",
        "warnings": "; ".join(told.get("warnings", [])) or "none",
    }


def _where(run: Run) -> dict[str, str]:
    told, nodes = run.metadata, run.tables["nodes"]
    fleet = told.get("fleet", {})
    zones = nodes["zone"].value_counts()
    found = {
        "fleet": ", ".join(f"{key} {value}" for key, value in fleet.items()) or "not recorded",
        "boards": ", ".join(told.get("boards", [])) or "not recorded",
        "meters": ", ".join(sorted(set(nodes["meter"].astype(str)))),
        "zones": ", ".join(f"{zone} ({count})" for zone, count in zones.items()),
        "coordinator": str(told.get("coordinator_zone", "not recorded")),
        "transport": str(told.get("transport_security", "not recorded")),
    }
    if "total_s" in run.timings:
        found["wall time"] = f"{float(run.timings['total_s']):.0f} s on the machine that ran it"
    if run.timings.get("peak_memory_bytes"):
        found["peak memory"] = f"{float(run.timings['peak_memory_bytes']) / 1e6:.0f} MB, the runner's process"
    return found


def _origin(name: str, origin: dict[str, Any]) -> dict[str, str]:
    wanted = ("source", "licence", "url", "sha256", "provenance", "notes")
    return {"of": name} | {key: str(origin.get(key) or "") for key in wanted}


def _digests(run: Run) -> dict[str, str]:
    paths = [run.folder / name for name in (SCENARIO, RECORDED_SCENARIO, SIGNALS, METADATA)]
    paths += [run.folder / table_file(name) for name in sorted(run.tables)]
    return {path.name: _sha256(path) for path in paths if path.is_file()}


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _repeat(run: Run) -> list[str]:
    version = run.metadata.get("versions", {}).get("detabed")
    again = f"repeated-{run.folder.name}"
    # What a live run froze is repeated, not what the service would say by now.
    scenario = RECORDED_SCENARIO if (run.folder / RECORDED_SCENARIO).is_file() else SCENARIO
    return [
        f"pip install detabed=={version}" if version else "pip install detabed",
        f"detabed check {scenario}",
        f"detabed run {scenario} --policy {shlex.quote(run.policy)} --seed {run.seed} -o {shlex.quote(again)}",
        f"detabed ledger verify {shlex.quote(again)}",
    ]
