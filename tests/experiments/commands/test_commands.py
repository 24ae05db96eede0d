"""Every command with --json, in a separate process: one object on standard output, with the documented keys."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SCENARIO = """name = "tiny"
[stages]
preparation = 1
development = 1
application = 1
recycling = 0
[task]
data = "digits"
batches_per_slot = 2
[inference]
batches_per_slot = 1
requests_per_batch = 8
[fleet]
kind = "inprocess"
[[nodes]]
zone = "FR"
[[nodes]]
zone = "PL"
"""
TOTALS = re.compile(r"\*\*Totals of a run\*\*(.*?)\n\n", re.DOTALL)


def documented(command: str) -> set[str]:
    """Keys that docs/command-line.md promises for ``command``."""
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{command}"))
    keys = row.split("|")[2]
    if "totals below" in keys:
        found = TOTALS.search(text)
        assert found is not None
        keys += found.group(1)
    return set(re.findall(r"`([a-z_]+)`", keys))


def ask(folder: Path, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    """The object a command prints; its whole standard output must be that."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cli", *arguments, "--json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scenario, a run and a comparison."""
    path = tmp_path_factory.mktemp("json")
    (path / "tiny.toml").write_text(SCENARIO)
    run = ask(path, "run", "tiny.toml", "--output", "run", "--no-report")
    assert set(run) == documented("run")
    assert run["run"] == "run"
    assert run["report"] is None
    return path


def test_compare_gives_a_list_with_an_entry_per_seed(folder: Path) -> None:
    found = ask(
        folder,
        "compare",
        "tiny.toml",
        "--policies",
        "local,deta",
        "--seeds",
        "2",
        "-o",
        "both",
        "--no-report",
    )
    assert set(found) == documented("compare")
    totals = documented("run") - {
        "policy",
        "seed",
        "serving",
        "run_id",
        "run",
        "report",
        "wall_s",
        "network_factor",
    }
    for entry in found["policies"].values():
        assert totals <= set(entry)
        assert all(len(value) == 2 for value in entry.values())


@pytest.mark.parametrize(
    "arguments",
    [
        "check tiny.toml",
        "ledger verify run",
        "doctor",
        "data status",
        "policy check local",
        "init new.toml",
        "export tiny.toml tiny.lp --policy deta",
    ],
)
def test_the_object_has_the_documented_keys(folder: Path, arguments: str) -> None:
    words = arguments.split()
    command = " ".join(words[:2]) if words[0] in ("ledger", "data", "policy") else words[0]
    assert set(ask(folder, *words)) == documented(command)


def test_a_list_is_under_its_own_name(folder: Path) -> None:
    assert set(ask(folder, "list", "meters")) == {"meters"}


def test_a_bare_list_says_what_there_is_to_list(folder: Path) -> None:
    kinds = ask(folder, "list")["kinds"]
    assert kinds["meters"] == "what reads joules: fleet.meter, and a node's meter"
    assert all(ask(folder, "list", kind)[kind] for kind in ("strategies", "studies") if kind in kinds)


def test_a_cluster_is_made_and_a_node_without_certificate_is_not_revoked(tmp_path: Path) -> None:
    made = ask(tmp_path, "cluster", "init", "boards.toml", "n0=127.0.0.1", "n1=127.0.0.2")
    assert set(made) == documented("cluster init")
    assert made["boards"] == ["n0", "n1"]
    assert (tmp_path / made["access"] / "runner" / "key.pem").exists()
    refused = subprocess.run(
        [sys.executable, "-m", "experiments.cli", "cluster", "revoke", "n0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert refused.returncode == 2
    assert "n0 has no certificate: it has not joined" in " ".join(refused.stderr.split())
