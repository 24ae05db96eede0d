"""``detabed doctor``: properties of this machine for a run."""

from __future__ import annotations

from typing import Any

from carbon_data.files.datasets import status
from carbon_data.files.folders import data_dir
from experiments.commands.options import JsonOption
from experiments.commands.output import print_facts, print_json
from experiments.commands.waiting import waiting
from experiments.fleet.isolation import exposed, is_isolated, listeners
from experiments.fleet.machine import cpu_count
from experiments.run_folder.versions import versions


def examine() -> dict[str, Any]:
    """Versions, cores, isolation, data, and the listeners of this process tree that others could reach."""
    rows = status()
    return {
        "cores": cpu_count(),
        "nothing_but_loopback": is_isolated(),
        "listeners_beyond_loopback": [str(listener) for listener in exposed(listeners())],
        "data_folder": str(data_dir()),
        "datasets": {row.dataset.name: row.state.value for row in rows},
        "versions": versions(),
    }


def rows(findings: dict[str, Any]) -> dict[str, str]:
    """``examine()`` as lines for people: names of files only where something is to be done about them."""
    by_state: dict[str, list[str]] = {}
    for name, state in findings["datasets"].items():
        by_state.setdefault(state, []).append(name)
    data = [
        f"{len(names)} {state}"
        + ("" if state == "present" else f" ({', '.join(names)}: detabed data status)")
        for state, names in by_state.items()
    ]
    listeners = findings["listeners_beyond_loopback"]
    return {
        "cores": str(findings["cores"]),
        "network namespace": "nothing but loopback"
        if findings["nothing_but_loopback"]
        else "that of the machine",
        "listeners of ours beyond loopback": ", ".join(listeners) or "none",
        "data folder": findings["data_folder"],
        "data files": "; ".join(data),
        **{f"version of {name}": version for name, version in findings["versions"].items()},
    }


def doctor(as_json: JsonOption = False) -> None:
    with waiting("looking at this machine"):
        findings = examine()
    if as_json:
        print_json(findings)
    else:
        print_facts(None, rows(findings))
