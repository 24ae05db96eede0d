"""Exit codes that scripts can use, one JSON object on standard output, and never a traceback for bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.commands.catalogue import CATALOGUE
from experiments.resolve.prepare import open_scenario
from experiments.scenario.packaged import packaged_scenario_text


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        "run",
        "compare",
        "check",
        "export",
        "init",
        "report",
        "infer",
        "qoais",
        "list",
        "doctor",
        "reproduce",
        "data status",
        "data fetch",
        "ledger verify",
        "policy check",
        "meter test",
        "sleep test",
    ):
        assert invoke([*command.split(), "--help"]) == 0
        assert "Usage" in capsys.readouterr().out


def test_help_says_what_an_argument_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["run", "--help"]) == 0
    assert "packaged" in capsys.readouterr().out
    assert invoke(["list", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert [what for what in CATALOGUE if what not in shown] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "no-such-file.toml"],
        ["run", "no-such-name"],
        ["run", "demo", "--policy", "best"],
        ["run", "demo", "--fleet", "cloud"],
        ["compare", "demo", "--policies", "local,best"],
        ["compare", "demo", "--policies", ","],
        ["compare", "demo", "--seeds", "0"],
        ["run", "demo", "--seed", "2147483648"],
        ["report", "no-such-folder"],
        ["ledger", "verify", "/etc/hostname"],
        ["ledger", "verify", "no-such-folder"],
        ["list", "planets"],
        ["reproduce", "fig9"],
        ["reproduce", "terminal", "--workers", "2"],
        ["reproduce", "tree-fig4", "--zones", "US-NW-SCL"],
        ["reproduce", "all", "--workers", "0"],
        ["policy", "check", "nowhere:Policy"],
        ["data", "fetch", "no-such-data"],
        ["run", "demo", "--output", "/proc/nowhere/run"],
        ["compare", "demo", "--output", "/dev/null"],
        ["run", "demo", "--output", "/dev/null/run"],
        ["init", "/proc/nowhere/s.toml"],
        ["export", "demo", "model.txt", "--policy", "deta"],
        ["export", "demo", "no-such-folder/model.lp", "--policy", "deta"],
        ["export", "demo", "/etc/hostname/model.lp", "--policy", "deta"],
        ["export", "demo", "model.lp", "--policy", "local"],
        ["export", "demo", "model.lp", "--policy", "best"],
        ["export", "demo", "model.lp", "--policy", "deta", "--slot", "99999"],
        ["export", "demo", "model.lp", "--policy", "deta", "--slot", "-1"],
        ["export", "no-such-file.toml", "model.lp"],
        ["init", "/dev/null/s.toml"],
        ["no-such-command"],
    ],
)
def test_bad_input_is_exit_code_2_and_leaves_nothing_behind(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.strip()
    assert "Traceback" not in captured.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["rnu", "my.toml"], ["data", "statsu"]])
def test_the_nearest_command_is_named_once(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(arguments) == 2
    assert capsys.readouterr().err.count("Did you mean") == 1


def test_a_scenario_with_a_bad_value_names_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text(
        packaged_scenario_text("demo").replace("cap_fraction = 0.5", "cap_fraction = 5")
    )
    assert invoke(["run", "s.toml"]) == 2
    assert "s.toml:" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["s.toml"]


def test_an_earlier_run_called_demo_does_not_hide_the_packaged_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert open_scenario("demo").name == "demo"
    (tmp_path / "mnist").write_text('name = "mine"\n[[nodes]]\nzone = "FR"\n')
    assert open_scenario("mnist").name == "mine"


def test_a_full_output_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious").write_text("mine")
    assert invoke(["run", "demo", "--fleet", "inprocess", "--output", str(tmp_path)]) == 2
    assert (tmp_path / "precious").read_text() == "mine"


def test_lists_are_json_objects(capsys: pytest.CaptureFixture[str]) -> None:
    for what in ("policies", "sources", "meters", "tasks"):
        assert invoke(["list", what, "--json"]) == 0
        entries = json.loads(capsys.readouterr().out)[what]
        assert entries
        assert all(description for description in entries.values())


def test_init_writes_a_scenario_that_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    assert invoke(["init", str(path)]) == 0
    capsys.readouterr()
    assert invoke(["check", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["nodes"], found["name"]) == (10, "mine")
    assert invoke(["init", str(path)]) == 2


@pytest.mark.parametrize(
    ("file", "name"), [("my lab (2).toml", "my-lab-2-"), ("_x.toml", "x"), ("äö.toml", "scenario")]
)
def test_init_makes_a_name_of_any_file_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, name: str
) -> None:
    assert invoke(["init", str(tmp_path / file)]) == 0
    capsys.readouterr()
    assert invoke(["check", str(tmp_path / file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == name


def test_an_interrupt_before_anything_began_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.commands.check.open_scenario", interrupted)
    assert invoke(["check", "demo"]) == 130
    assert capsys.readouterr().err == "interrupted\n"
