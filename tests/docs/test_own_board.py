"""The page on boards of one's own: its files run as they stand there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.fleet.inprocess import InProcessFleet
from experiments.report.html import headline, tables_of
from experiments.report.read import load
from experiments.resolve.resolve import resolve
from experiments.runs.run import execute
from experiments.scenario.model import load_scenario
from tests.docs.pages import write_files


def test_the_pages_boards_and_factors_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert write_files("own-board.md", tmp_path) == ["scenario.toml", "mini.toml", "factors.toml"]
    monkeypatch.chdir(tmp_path.parent)  # paths count from the scenario
    assert invoke(["check", str(tmp_path / "scenario.toml"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    boards = {entry["name"]: entry["made"]["embodied_g"] for entry in facts["boards"].values()}
    assert boards["lab-mini"]["value"] == 153000
    assert "no footprint" in boards["raspberry-pi-5"]["unknown"]
    assert facts["own_factors"]["embodied"]["device-life"]["value"] == 252460800

    with InProcessFleet() as fleet:
        folder = execute(resolve(load_scenario(tmp_path / "scenario.toml")), tmp_path / "run", fleet)
    for name in ("mini.toml", "factors.toml"):
        (tmp_path / name).unlink()  # the run folder says all of it
    study = load(folder)
    tables = tables_of(study)
    devices = tables["lifecycle_devices"].frame.set_index("device")
    hours, life_s = 6, 252460800
    assert devices.loc["lab-mini", "share_g"] == pytest.approx(153000 * hours * 3600 / life_s)
    assert devices.loc["unknown", "held_by"] == "n0 and n1"
    assert devices.loc["unknown", "share_g"] != devices.loc["unknown", "share_g"], "missing is never zero"
    columns = tables["lifecycle_columns"]
    assert columns.frame["embodied_unknown_nodes"].tolist() == [2]
    assert columns.display["embodied_text"].tolist()[0].endswith("without 2 of its nodes")
    assert "Embodied emissions leave out n0 · DE and n1 · DE (" in columns.note
    assert "for the other 2 boards, leave out n0 · DE and n1 · DE (" in headline(study)["sentence"]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("mini.toml", 'unit = "W"\n', "", "static_w has no unit; write it as text"),
        ("mini.toml", "value = 11.2", "value = -11.2", "has value -11.2; allowed is a finite number >= 0"),
        ("mini.toml", "value = 11.2", "value = 50", "busy_w 38.5 W is below static_w 50 W"),
        ("mini.toml", "[busy_w]", "[load_w]", "lacks ['busy_w'] and has unknown ['load_w']"),
        ("mini.toml", "value = 38.5", 'value = "unknown"', "no source is known for busy_w"),
        ("scenario.toml", "mini.toml", "../mini.toml", "there is no file"),
        ("scenario.toml", "mini.toml", "mini", "unknown board 'mini'; allowed are"),
        ("scenario.toml", "factors.toml", "factor.toml", "accounting.factors: there is no file"),
        ("factors.toml", "device-life", "devices-life", "embodied.devices-life is no factor"),
    ],
)
def test_the_obvious_mistakes_are_sentences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, said: str
) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    write_files("own-board.md", folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    assert invoke(["check", str(folder / "scenario.toml")]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    assert "scenario.toml:" in err, "file and line of the scenario"
