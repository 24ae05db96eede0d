"""``detabed resume`` after SIGKILL at chosen moments of real processes: every joule once, tables as undisturbed but for
the gaps."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.run_folder.files import CHECKPOINT, COMPARING, DONE, FAILED, LOCK, PROGRESS, SCENARIO
from tests.e2e.held import Held
from tests.e2e.killing import ASKED, BOOKED, KillAt
from tests.scenarios import PATIENT, SMALL

ROOT = Path(__file__).parents[2]
TABLES = ("slots", "nodes", "lines", "rounds", "serving", "batch_flows", "energy_flows", "decisions")
SLOTS = 8
ONE_SEED = ("--policies", "local,deta", "--seeds", "1", "--no-report")
Kill = Callable[..., Path]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Momenta at the server, batches that may wait, panels and batteries: state of every kind."""
    path = tmp_path_factory.mktemp("resumed") / "small.toml"
    text = SMALL.replace('data = "digits"', 'data = "digits"\nstrategy = "fedadam"\nbatches_per_slot = 3', 1)
    panel = 'harvest = { kind = "pv", peak_w = 8 }\nbattery = { capacity_wh = 20 }\n'
    path.write_text(text.replace("[fleet]", "[limits]\ndeadline_slots = 1\n[fleet]") + panel)
    return path


@pytest.fixture(scope="module")
def whole(scenario: Path) -> Path:
    """The run that nothing disturbs."""
    folder = scenario.parent / "whole"
    assert invoke(["run", str(scenario), "-o", str(folder), "--no-report"]) == 0
    return folder


@pytest.fixture(scope="module")
def plain(scenario: Path) -> Path:
    """Nothing but the model goes from slot to slot: neither work nor stored energy."""
    path = scenario.parent / "plain.toml"
    nothing = '[harvest]\nkind = "none"\n[battery]\ncapacity_wh = 0\n[fleet]'
    path.write_text(SMALL.replace("[fleet]", nothing))
    return path


@pytest.fixture(scope="module")
def whole_plain(plain: Path) -> Path:
    folder = plain.parent / "whole-plain"
    assert invoke(["run", str(plain), "-o", str(folder), "--no-report"]) == 0
    return folder


@pytest.fixture(scope="module")
def compared(scenario: Path) -> tuple[Path, str]:
    """A comparison of one seed that nothing disturbs, and what it said."""
    folder = scenario.parent / "compared"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert invoke(["compare", str(scenario), *ONE_SEED, "-o", str(folder), "--json"]) == 0
    return folder, said.getvalue()


@pytest.fixture
def kill(kill_at: KillAt, scenario: Path, tmp_path: Path) -> Kill:
    """Starts a command that is killed at a call of a function; returns the run's folder."""

    def killed(place: str, count: int, when: str, *arguments: str) -> Path:
        folder = tmp_path / "run"
        kill_at(place, count, when, *(arguments or ("run", str(scenario), "-o", str(folder), "--no-report")))
        return folder

    return killed


def resume(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What it says of the finished run, whose books are sound and whose folder is as any other's."""
    capsys.readouterr()
    assert invoke(["resume", str(folder), "--no-report", "--json"]) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert invoke(["ledger", "verify", str(folder)]) == 0
    assert (folder / DONE).exists()
    assert not any((folder / name).exists() for name in (CHECKPOINT, PROGRESS, LOCK, FAILED, COMPARING))
    return said


def table(folder: Path, name: str) -> pd.DataFrame:
    frame = pd.read_parquet(folder / f"{name}.parquet")
    return frame.drop(columns="epoch") if name == "decisions" else frame


def assert_same(folder: Path, whole: Path) -> None:
    """Byte for byte, but for the epochs in which slots were decided."""
    for name in TABLES:
        if name == "decisions":
            assert table(folder, name).equals(table(whole, name))
        else:
            file = f"{name}.parquet"
            assert (folder / file).read_bytes() == (whole / file).read_bytes(), name
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def assert_same_but_for(slot: int, folder: Path, whole: Path) -> None:
    """Tables by slot and node: no other slot differs."""
    for name in ("slots", "lines", "serving", "batch_flows", "energy_flows", "decisions"):
        ours, theirs = (frame[frame["slot"] != slot] for frame in (table(folder, name), table(whole, name)))
        assert ours.reset_index(drop=True).equals(theirs.reset_index(drop=True)), name


@pytest.mark.parametrize("slots", [1, 4, 6])
def test_killed_between_slots_it_ends_as_if_undisturbed(
    kill: Kill, whole: Path, slots: int, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = kill(BOOKED, slots, "after")
    (resumption,) = resume(folder, capsys)["resumptions"]["run"]
    assert (resumption["slot"], resumption["lost_slot"]) == (slots, None)
    assert_same(folder, whole)


def test_killed_before_a_decision_it_decides_the_same(
    kill: Kill, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = kill("coordinator.slots.deciding:Deciding.adopt", 3, "before")
    (resumption,) = resume(folder, capsys)["resumptions"]["run"]
    assert (resumption["slot"], resumption["lost_slot"]) == (2, None)
    assert_same(folder, whole)


def test_killed_amid_a_slot_that_slot_is_a_gap_and_no_other(
    kill: Kill, plain: Path, whole_plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    arguments = ("run", str(plain), "-o", str(folder), "--no-report")
    kill(ASKED, 5, "before", *arguments)
    (resumption,) = resume(folder, capsys)["resumptions"]["run"]
    lost = resumption["lost_slot"]
    assert resumption["slot"] == lost + 1
    assert_same_but_for(lost, folder, whole_plain)
    slots, rounds = table(folder, "slots"), table(folder, "rounds")
    assert not slots[slots["slot"] == lost]["metered"].any()
    assert slots[slots["slot"] != lost]["metered"].all()
    assert rounds[rounds["slot"] == lost]["participants"].tolist() == [0]
    metadata = json.loads((folder / "metadata.json").read_text())
    assert {failure["reason"] for failure in metadata["failures"]} == {"the run was broken off"}


@pytest.mark.parametrize("place", ["coordinator.slots.closing:Closing.trade", BOOKED])
def test_killed_after_its_readings_every_joule_of_the_slot_is_booked(
    kill: Kill,
    plain: Path,
    whole_plain: Path,
    tmp_path: Path,
    place: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "run"
    kill(place, 3, "before", "run", str(plain), "-o", str(folder), "--no-report")
    (resumption,) = resume(folder, capsys)["resumptions"]["run"]
    assert resumption["lost_slot"] == 2
    assert_same_but_for(2, folder, whole_plain)
    slots, undisturbed = table(folder, "slots"), table(whole_plain, "slots")
    assert slots["metered"].all()
    assert slots["demand_j"].equals(undisturbed["demand_j"])
    assert slots["executed_batches"].equals(undisturbed["executed_batches"])


def test_work_of_an_open_slot_waits_on_or_expires_and_is_done_once(
    kill: Kill, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = kill(ASKED, 6, "before")
    (resumption,) = resume(folder, capsys)["resumptions"]["run"]
    ours, theirs = table(folder, "slots"), table(whole, "slots")
    before = resumption["lost_slot"]
    assert ours[ours["slot"] < before].equals(theirs[theirs["slot"] < before])
    done = ours.groupby("stage")[["executed_batches", "unserved_batches"]].sum().sum(axis=1)
    due = theirs.groupby("stage")[["executed_batches", "unserved_batches"]].sum().sum(axis=1)
    assert (done <= due).all()


def test_killed_twice_in_a_row(kill: Kill, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = kill(BOOKED, 2, "after")
    kill(BOOKED, 3, "after", "resume", str(folder), "--no-report")
    first, second = resume(folder, capsys)["resumptions"]["run"]
    assert (first["slot"], second["slot"]) == (2, 5)
    assert_same(folder, whole)


def test_killed_while_it_resumes(kill: Kill, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = kill(BOOKED, 5, "after")
    kill("experiments.runs.resumed:Resumed.take_up", 1, "before", "resume", str(folder), "--no-report")
    resume(folder, capsys)
    assert_same(folder, whole)


def test_killed_while_its_tables_are_written(
    kill: Kill, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = kill("experiments.runs.run:write_models", 1, "before")
    (resumption,) = resume(folder, capsys)["resumptions"]["run"]
    assert (resumption["slot"], resumption["lost_slot"]) == (SLOTS, None)
    assert_same(folder, whole)


def test_killed_at_its_start(kill: Kill, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = kill("coordinator.slots.service:CoordinatorService.register", 2, "before")
    (resumption,) = resume(folder, capsys)["resumptions"]["run"]
    assert (resumption["slot"], resumption["lost_slot"]) == (0, None)
    assert_same(folder, whole)


def test_killed_before_anything_was_booked_it_is_run_again(
    kill: Kill, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = kill("experiments.runs.recording:Recording.begin", 1, "after")
    before = sorted(path.name for path in folder.iterdir())
    assert invoke(["resume", str(folder)]) == 2
    assert "before anything was booked; run its scenario.toml again" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir() if path.name != LOCK) == [
        name for name in before if name != LOCK
    ]


def test_a_killed_comparison_goes_on(
    kill: Kill, scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--policies", "local,deta", "--seeds", "2", "--no-report")
    both, folder = tmp_path / "both", tmp_path / "run"
    assert invoke(["compare", str(scenario), *arguments, "-o", str(both), "--json"]) == 0
    undisturbed = json.loads(capsys.readouterr().out)
    kill(BOOKED, 2 * SLOTS + 3, "after", "compare", str(scenario), *arguments, "-o", str(folder))
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        "deta-s0",
        "local-s0",
        "local-s1",
    ]
    said = resume(folder, capsys)
    assert list(said["resumptions"]) == ["local-s1"]
    for run in ("local-s0", "deta-s0", "local-s1", "deta-s1"):
        assert_same(folder / run, both / run)
    for told in (*said["policies"].values(), *undisturbed["policies"].values()):
        del told["ledger"]  # of another head: it has the second start
    assert said["policies"] == undisturbed["policies"]
    assert said["regret"] == undisturbed["regret"]


@pytest.mark.parametrize(
    ("place", "count"),
    [
        (ASKED, 5),
        ("coordinator.slots.closing:Closing.trade", SLOTS + 3),
    ],
)
def test_a_comparison_killed_amid_a_slot_begins_that_run_again_and_is_the_same(
    kill: Kill,
    scenario: Path,
    compared: tuple[Path, str],
    tmp_path: Path,
    place: str,
    count: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In the first run, and in the second: those that are over stand."""
    both, folder = compared[0], tmp_path / "run"
    undisturbed = json.loads(compared[1])
    kill(place, count, "before", "compare", str(scenario), *ONE_SEED, "-o", str(folder))
    capsys.readouterr()
    assert invoke(["compare", "--resume", str(folder), "--no-report", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["resumptions"] == {}
    for run in ("local-s0", "deta-s0"):
        assert_same(folder / run, both / run)
    for told in (*said["policies"].values(), *undisturbed["policies"].values()):
        del told["ledger"]  # its head has the moment of the run
    assert said["policies"] == undisturbed["policies"]
    assert said["regret"] == undisturbed["regret"]


@pytest.mark.parametrize(
    ("place", "slot"), [(BOOKED, 1), ("coordinator.slots.closing:Closing.trade", 3)], ids=["first", "third"]
)
def test_a_comparison_that_was_interrupted_is_the_same(
    scenario: Path,
    compared: tuple[Path, str],
    place: str,
    slot: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C, wherever it finds the second run."""
    both, folder = compared[0], tmp_path / "run"
    held = tmp_path / "held"
    held.mkdir()
    with Held(
        held,
        place,
        SLOTS + slot,
        *("compare", str(scenario), *ONE_SEED, "-o", str(folder)),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    ) as comparing:
        comparing.until_held()
        assert (folder / "deta-s0" / SCENARIO).exists()
        comparing.process.send_signal(signal.SIGINT)
        comparing.let_go()
        said = " ".join(comparing.process.communicate(timeout=600)[1].split())
    assert comparing.process.returncode == 130, said
    assert f"are kept in {folder}; `detabed resume {folder}` goes on" in said
    capsys.readouterr()
    assert invoke(["compare", "--resume", str(folder), "--no-report"]) == 0
    for run in ("local-s0", "deta-s0"):
        assert_same(folder / run, both / run)


@pytest.mark.processes
def test_on_ray_a_killed_runner_goes_on(
    scenario: Path, whole: Path, kill: Kill, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its coordinator and its node processes die with it, or are fenced."""
    folder = tmp_path / "run"
    text = (
        scenario.read_text()
        .replace('kind = "inprocess"', 'kind = "ray"\nprocesses = 2')
        .replace("[fleet]", f"{PATIENT}[fleet]")
    )
    (tmp_path / "small.toml").write_text(text)
    command = ("run", str(tmp_path / "small.toml"), "-o", str(folder), "--no-report")
    kill(BOOKED, 3, "after", *command)
    (resumption,) = resume(folder, capsys)["resumptions"]["run"]
    assert (resumption["slot"], resumption["lost_slot"]) == (3, None)
    assert_same(folder, whole)
