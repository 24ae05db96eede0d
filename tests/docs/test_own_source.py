"""The page on sources of one's own: its files run as they stand there."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.fleet.inprocess import InProcessFleet
from experiments.report.facts import gather
from experiments.report.read import load
from experiments.resolve.prepare import open_scenario
from experiments.resolve.resolve import resolve
from experiments.runs.run import execute
from tests.docs.pages import OwnModules, run_python, write_files


def test_the_pages_sources_conform_and_run(tmp_path: Path, own_modules: OwnModules) -> None:
    assert write_files("own-source.md", tmp_path) == ["scenario.toml", "lab_grid.py", "check.py"]
    assert run_python(tmp_path / "check.py") == "[]\n[]\n"
    own_modules("lab_grid")
    resolved = resolve(open_scenario(str(tmp_path / "scenario.toml")))
    with InProcessFleet() as fleet:
        folder = execute(resolved, tmp_path / "run", fleet)
    slots = pd.read_parquet(folder / "slots.parquet").set_index(["node_id", "slot"])
    # From 16 h on: day until 20 h; the cellar is the dirtier zone.
    assert slots.loc["n0", "intensity_g_per_kwh"].tolist() == [190.0] * 4
    assert slots.loc["n1", "intensity_g_per_kwh"].tolist() == [380.0] * 4
    assert (slots["harvest_j"] > 0).all()
    sources = {origin.fields["source"] for origin in gather(load(folder)).origins}
    assert {"tariff sheet of the building, 2026", "model of our turbine"} <= sources


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"lab_grid:LabGrid"', '"lab_grid:LabGird"', "'lab_grid' has no 'LabGird'; it has LabGrid, Turbine"),
        ('"lab_grid:LabGrid"', '"labgrid:LabGrid"', "No module named 'labgrid'; looked for in"),
        ('"lab_grid:LabGrid"', '"lab_grid"', "no intensity source is called 'lab_grid'"),
        ("night = 120.0", "nigth = 120.0", "its options are night, day"),
        ('zone = "CELLAR"', 'zone = "ATTIC"', "ATTIC"),
    ],
)
def test_the_obvious_mistakes_are_sentences(
    tmp_path: Path,
    own_modules: OwnModules,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    said: str,
) -> None:
    write_files("own-source.md", tmp_path)
    own_modules("lab_grid")
    path = tmp_path / "scenario.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert invoke(["check", str(path)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
