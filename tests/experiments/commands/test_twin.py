"""``detabed twin``: one object with the documented keys, files in the run's folder, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli import invoke
from tests.experiments.commands.test_commands import documented
from tests.experiments.twin.measured_runs import run

SCENARIO = """name = "counted"
policy = "local"
[stages]
preparation = 0
development = 2
application = 0
recycling = 0
[task]
name = "none"
[fleet]
kind = "inprocess"
[[nodes]]
zone = "DE"
"""
LINE = {"stage": "unallocated", "component": "static", "energy_uj": 9_000_000, "provenance": "measured"}


def test_a_run_with_a_recorded_reading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps({"slot": slot, "lines": [LINE]}) + "\n" for slot in range(2)))
    folder = run(tmp_path, f'{SCENARIO}meter = "replay:{log}"\n', "run")
    capsys.readouterr()
    assert invoke(["twin", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == documented("twin RUN")
    assert found["fleet"]["measured_j"] == 18.0
    assert found["fleet"]["within"] is None
    assert [row["node_id"] for row in found["nodes"]] == ["n0", "n0", "all", "all"]
    files = sorted(path.name for path in (folder / "twin").iterdir())
    assert files == ["figures", "twin.csv", "twin.html", "windows.parquet"]
    assert invoke(["ledger", "verify", str(folder)]) == 0, "a twin changes nothing of its run"
    capsys.readouterr()
    assert invoke(["twin", str(folder), "--output", str(tmp_path / "elsewhere")]) == 0
    assert "energy of the twin" in capsys.readouterr().out
    assert (tmp_path / "elsewhere" / "twin.html").is_file()
    assert invoke(["twin", str(tmp_path / "nowhere")]) == 2
