"""A sweep from its command to its table: kept, resumed, refused, killed. Tests all files of the package without a
test file of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from experiments.cli import invoke
from experiments.fleet.spawn import command
from experiments.scenario.model import parse_scenario
from experiments.sweep.axes import parse_axes
from experiments.sweep.plan import make_plan
from experiments.sweep.summary import print_summary
from experiments.sweep.sweep import Swept
from experiments.sweep.table import FIGURES
from tests.experiments.sweep.energy import ENERGY

pytestmark = pytest.mark.processes
AXES = ["--set", "limits.transfer_cap_fraction=0,0.5", "--set", "nodes.0.battery.capacity_wh=1,5"]
RUNS = [*AXES, "--policies", "local,det", "--seeds", "2"]


def test_the_table_is_tidy(swept: Path) -> None:
    table = pd.read_parquet(swept / "sweep.parquet")
    axes = ["limits.transfer_cap_fraction", "nodes.0.battery.capacity_wh"]
    assert list(table.columns) == ["cell", *axes, "policy", "seed", *FIGURES]
    assert len(table) == 4 * 2 * 2
    assert not table.duplicated(["cell", "policy", "seed"]).any()
    assert table["emissions_g"].notna().all()
    local, det = (table[table["policy"] == name].reset_index(drop=True) for name in ("local", "det"))
    assert (det["emissions_g"] <= local["emissions_g"] + 1e-9).all()
    assert local["sent_j"].eq(0).all()
    assert (swept / "DONE").exists()
    assert not (swept / "failures.csv").exists()
    assert len(pd.read_csv(swept / "sweep.csv")) == len(table)


def test_the_same_command_goes_on_and_another_is_refused(
    swept: Path, energy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "swept"
    shutil.copytree(swept, folder)
    before = (folder / "sweep.parquet").read_bytes()
    for again in (
        ["sweep", str(energy), *RUNS, "-o", str(folder)],
        ["resume", str(folder)],
        ["sweep", "--resume", str(folder)],
    ):
        (folder / "sweep.parquet").unlink()
        assert invoke([*again, "--no-report", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["computed"] == 0
        assert (folder / "sweep.parquet").read_bytes() == before
    assert invoke(["sweep", str(energy), *RUNS, "--seeds", "3", "-o", str(folder)]) == 2
    assert "other seeds" in capsys.readouterr().err


def test_a_sweep_that_shares_cells_computes_the_others_only(
    swept: Path, energy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    axes = ["--set", "limits.transfer_cap_fraction=0.5", "--set", "nodes.0.battery.capacity_wh=5,6"]
    assert invoke(["sweep", str(energy), *axes, "-o", str(tmp_path / "b"), "--json", "--no-report"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["runs"], told["computed"], told["report"]) == (2, 1, None)


def test_nothing_is_left_of_a_sweep_that_is_refused(
    energy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "not there" / "refused"
    for sets, said in (
        ("seed=0:1000000:1", "1000001 values; allowed are up to 10000: take a larger STEP"),
        (
            "limits.offload_cap_fraction=0.5,2",
            "--set limits.offload_cap_fraction=2: limits.offload_cap_fraction",
        ),
        ("nodes.0.zone=DE,Atlantis", "--set nodes.0.zone=Atlantis (policy local)"),
    ):
        assert invoke(["sweep", str(energy), "--set", sets, "-o", str(folder), "--workers", "1"]) == 2
        assert said in capsys.readouterr().err
        assert not folder.parent.exists()


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_damaged_plan_is_refused(
    energy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "swept").mkdir()
    (path := tmp_path / "swept" / "sweep.json").write_text(text, encoding="latin-1")
    for start in (["sweep", str(energy), *RUNS, "-o"], ["sweep", "--resume"], ["resume"]):
        assert invoke([*start, str(path.parent)]) == 2
        assert f"{path} is damaged" in capsys.readouterr().err
    assert invoke(["sweep", "--resume", str(path)]) == 2
    assert "a file, not a folder; give the one that" in capsys.readouterr().err


def test_a_cell_that_fails_is_named_and_in_no_figure(
    tmp_path: Path, energy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.toml").write_text(energy.read_text())
    (tmp_path / "sweeplab.py").write_text(
        "import os\n"
        "from coordinator.policies.local import Local\n"
        "class Dies(Local):\n"
        "    def decide(self, fleet, state):\n"
        "        with open(os.path.join(os.path.dirname(__file__), 'deaths'), 'a') as f: f.write('x')\n"
        "        os._exit(7)\n"
    )
    folder = tmp_path / "out"
    arguments = [
        "--policies",
        "local,sweeplab:Dies",
        "--set",
        "nodes.0.battery.capacity_wh=5",
        "--workers",
        "1",
    ]
    assert invoke(["sweep", str(tmp_path / "s.toml"), *arguments, "-o", str(folder)]) == 1
    said = capsys.readouterr()
    assert "its process ended with exit code 7, 3 times" in said.err
    assert "1 of 2 runs" in said.err
    assert (tmp_path / "deaths").read_text() == "xxx"
    assert list(pd.read_parquet(folder / "sweep.parquet")["policy"]) == ["local"]
    assert list(pd.read_csv(folder / "failures.csv")["policy"]) == ["sweeplab:Dies"]
    assert (folder / "FAILED").exists()
    assert not (folder / "DONE").exists()


HELD = """
import time
from experiments.sweep.store import Store

put, kept = Store.put, []


def held(self, key, result):
    put(self, key, result)
    kept.append(key)
    if len(kept) == 3:
        time.sleep(600)


if __name__ == "__main__":
    from experiments.cli import main

    Store.put = held
    main()
"""
"""The command, which goes no further once it has kept three results: it could be over before it is sent a signal."""


def until_first_result(
    folder: Path, arguments: list[str], environment: dict[str, str], number: signal.Signals
) -> str:
    """Run a sweep until something more is kept, then send it ``number``; what it said."""
    before = set((folder / "results").rglob("*.json"))
    (folder.parent / "held_sweep.py").write_text(HELD)
    environment = {**environment, "PYTHONPATH": f"{folder.parent}:{environment.get('PYTHONPATH', '')}"}
    with subprocess.Popen(
        command("held_sweep", *arguments), env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        while set((folder / "results").rglob("*.json")) <= before and process.poll() is None:
            time.sleep(0.02)
        os.kill(process.pid, number)
        said = process.communicate(timeout=300)[1]
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert not (folder / "DONE").exists()
    return said


def test_an_interrupted_and_then_killed_sweep_goes_on_to_the_same_table(
    swept: Path, energy: Path, tmp_path: Path
) -> None:
    """With a cache of its own: every run is computed anew."""
    folder, environment = tmp_path / "out", {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    arguments = ["sweep", str(energy), *RUNS, "--workers", "1", "--no-report", "-o", str(folder)]
    said = until_first_result(folder, arguments, environment, signal.SIGINT)
    assert f"detabed sweep --resume {folder}" in said
    assert "of 16 runs are kept" in said
    go_on = ["sweep", "--resume", str(folder), "--workers", "1", "--no-report", "--json"]
    until_first_result(folder, go_on, environment, signal.SIGKILL)
    done = subprocess.run(
        command("experiments.cli", *go_on), env=environment, check=True, stdout=subprocess.PIPE
    )
    assert 0 < json.loads(done.stdout)["computed"] < 15
    for name in ("sweep.parquet", "sweep.csv"):
        assert (folder / name).read_bytes() == (swept / name).read_bytes()


def test_from_python(swept: Path, energy: Path, tmp_path: Path) -> None:
    import detabed

    found = detabed.sweep(
        energy, {"limits.transfer_cap_fraction": [0.5], "nodes.0.battery.capacity_wh": [1, 5]}, ["local"], 2,
        output=tmp_path / "py", report=False, progress=False,
    )  # fmt: skip
    assert list(found.table["seed"]) == [0, 1, 0, 1]
    assert found.failures.empty
    assert found.page is None
    assert "2 cells, 4 runs" in repr(found)


def test_options_that_exclude_each_other(
    energy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        ([], "no scenario"),
        ([str(energy), "--resume", str(tmp_path)], "leave scenario"),
        (["--resume", str(tmp_path / "none")], "no such folder"),
        (["--resume", str(tmp_path)], "no folder of a sweep"),
    ):
        assert invoke(["sweep", *arguments]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("columns", [60, 80])
def test_values_are_whole_in_a_narrow_terminal(swept: Path, columns: int) -> None:
    """Of an axis of words: they were broken within a word."""
    axes = parse_axes(["network.transport=wifi-low,wifi-high", "limits.transfer_cap_fraction=0,0.25"], False)
    plan = make_plan(parse_scenario(ENERGY), axes, ["local", "deta"], 2)
    table = pd.read_parquet(swept / "sweep.parquet").assign(policy=["local", "local", "deta", "deta"] * 4)
    for place, axis in enumerate(axes):
        table[axis.key] = [plan.cells[cell][place] for cell in table["cell"]]
    console = Console(file=StringIO(), width=columns)
    print_summary(Swept(plan, swept, table, pd.DataFrame(), 0), console)
    assert isinstance(console.file, StringIO)
    said = console.file.getvalue()
    shown = [line for line in said.splitlines() if line[:1] in {"│", "┃", "┏", "┡", "└"}]
    assert shown
    assert max(map(len, shown)) <= columns
    for word in ("wifi-low ", "wifi-high ", "0.25 ", "LOCAL ", "DETA "):
        assert word in said
