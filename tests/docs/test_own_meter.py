"""The page on meters of one's own: its files run as they stand there."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.fleet.inprocess import InProcessFleet
from experiments.resolve.prepare import open_scenario
from experiments.resolve.resolve import resolve
from experiments.runs.run import execute
from tests.docs.pages import OwnModules, run_python, write_files


def test_the_pages_meter_conforms_and_its_joules_are_booked_as_measured(
    tmp_path: Path, own_modules: OwnModules
) -> None:
    assert write_files("own-meter.md", tmp_path) == ["scenario.toml", "lab_meter.py", "check.py"]
    assert run_python(tmp_path / "check.py") == "conforms\n"
    own_modules("lab_meter")
    resolved = resolve(open_scenario(str(tmp_path / "scenario.toml")))
    with InProcessFleet() as fleet:
        folder = execute(resolved, tmp_path / "run", fleet)
    lines = pd.read_parquet(folder / "lines.parquet").query("node_id == 'n0'")
    assert set(lines["provenance"]) == {"measured"}
    slots = pd.read_parquet(folder / "slots.parquet")
    assert slots["demand_j"].notna().all()
    # The lines of a slot are its reading, divided without a rest.
    assert lines.groupby("slot")["energy_j"].sum().tolist() == pytest.approx(
        slots["demand_j"].tolist(), abs=2e-6
    )
    assert set(pd.read_parquet(folder / "nodes.parquet")["meter"]) == {"lab-counter"}


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("scenario.toml", ":Counter", ":Conter", "'lab_meter' has no 'Conter'; it has Counter"),
        ("scenario.toml", "lab_meter:Counter", "lab", "no meter is called 'lab'"),
        (
            "lab_meter.py",
            "super().__init__(context.board)",
            "super().__init__(context.bord)",
            "has no attribute 'bord'",
        ),
        (
            "lab_meter.py",
            "    def close(self, slot):",
            "    def read(self, slot):",
            "which is no edge_node.meters.base.Meter",
        ),
    ],
)
def test_the_obvious_mistakes_are_sentences(
    tmp_path: Path,
    own_modules: OwnModules,
    capsys: pytest.CaptureFixture[str],
    file: str,
    old: str,
    new: str,
    said: str,
) -> None:
    write_files("own-meter.md", tmp_path)
    own_modules("lab_meter")
    path = tmp_path / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert invoke(["check", str(tmp_path / "scenario.toml")]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
