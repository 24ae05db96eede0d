"""``detabed check --connect`` against a server that replays documented answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from carbon_data.live.keys import FILE_VARIABLE
from experiments.cli import invoke
from tests.carbon_data.live.replayed import HOUR, KEYS, Replayed
from tests.experiments.resolve.test_live import NODES


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Replayed]:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "none.toml"))
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    running = Replayed()
    yield running
    running.close()


@pytest.fixture
def scenario(tmp_path: Path, replayed: Replayed) -> str:
    path = tmp_path / "live.toml"
    live = f'{{ service = "electricity-maps", base_url = "{replayed.url}" }}'
    path.write_text(
        f'{NODES}[forecast]\nkind = "live"\n[intensity]\nsource = "live"\nlive = {live}\n', "utf-8"
    )
    return str(path)


def connected(scenario: str, capsys: pytest.CaptureFixture[str], code: int) -> str:
    capsys.readouterr()
    assert invoke(["check", scenario, "--connect", "--json"]) == code
    (told,) = json.loads(capsys.readouterr().out)["connected"]
    assert told["ok"] is (code == 0)
    assert told["signal"] == "GB from electricity-maps"
    return str(told["said"])


def test_every_service_is_asked_once(
    scenario: str, replayed: Replayed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "0 s old; forecast of" in connected(scenario, capsys, 0)
    assert len(replayed.asked) == 2
    assert invoke(["check", scenario]) == 0
    assert len(replayed.asked) == 2, "without --connect nothing is asked"


def test_what_a_slot_could_not_use_is_a_failure(
    scenario: str, replayed: Replayed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replayed.lag = 9 * HOUR
    assert "allowed are 21600 s" in connected(scenario, capsys, 1)
    replayed.always = (401, {}, f"bad key {KEYS['ELECTRICITYMAPS_TOKEN']}".encode())
    said = connected(scenario, capsys, 1)
    assert "refuses the token (401): bad key ***" in said
    monkeypatch.delenv("ELECTRICITYMAPS_TOKEN")
    assert "put the key into the environment variable" in connected(scenario, capsys, 1)


def test_a_missing_key_is_refused_before_a_run_starts(
    scenario: str,
    replayed: Replayed,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ELECTRICITYMAPS_TOKEN")
    assert invoke(["run", scenario, "--output", str(tmp_path / "run")]) == 2
    assert "ELECTRICITYMAPS_TOKEN is not set" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()
    assert not replayed.asked


def test_a_run_that_a_silent_service_ended_goes_on_when_it_is_back(
    scenario: str, replayed: Replayed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        Path(scenario)
        .read_text("utf-8")
        .replace('", base_url', '", poll_s = 0, refuse_after_s = 7200, base_url')
    )
    Path(scenario).write_text(text + '[fleet]\nkind = "inprocess"\n', "utf-8")
    folder = str(tmp_path / "run")
    replayed.lag = 9 * HOUR
    assert invoke(["run", scenario, "--output", folder, "--no-report"]) == 1
    assert "allowed are 7200 s (refuse_after_s)" in " ".join(capsys.readouterr().err.split())
    replayed.lag = 0 * HOUR
    assert invoke(["resume", folder, "--no-report"]) == 0
    assert invoke(["ledger", "verify", folder]) == 0
    assert (tmp_path / "run" / "recorded.toml").is_file()


def test_without_live_services_there_is_nothing_to_connect_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plain.toml"
    path.write_text(NODES, "utf-8")
    assert invoke(["check", str(path), "--connect"]) == 2
    assert "the scenario has none" in " ".join(capsys.readouterr().err.split())
