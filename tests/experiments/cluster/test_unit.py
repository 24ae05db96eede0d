"""The unit of a board's daemon: systemd takes it, and nothing is started unasked."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from experiments.cluster import unit as units
from experiments.cluster.unit import NAME, Kind, Unit
from experiments.errors import RunError, UsageError


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unit:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Unit(Kind.USER, "n0", tmp_path / 'a "b" 5%' / "board.json", tmp_path)


@pytest.mark.parametrize("kind", [Kind.USER, Kind.SYSTEM])
def test_it_is_started_again_whenever_it_ends(kind: Kind, tmp_path: Path) -> None:
    lines = Unit(kind, "n0", tmp_path / "board.json", tmp_path).text().splitlines()
    assert "Restart=always" in lines
    assert "StartLimitIntervalSec=0" in lines, "for as long as it takes"
    assert ("User=" in "".join(lines)) == (kind is Kind.SYSTEM)


def test_systemd_takes_it(made: Unit, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    made.write()
    assert made.path.name == NAME
    (tmp_path / "runtime").mkdir()
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(made.path)],
        capture_output=True,
        text=True,
        timeout=600,
        env={"XDG_RUNTIME_DIR": str(tmp_path / "runtime"), "PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode, done.stderr) == (0, ""), done


def test_where_systemd_does_not_run_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(units, "BOOTED", tmp_path / "absent")
    assert Kind.AUTO.chosen() is Kind.NONE
    monkeypatch.setattr(units, "BOOTED", tmp_path)
    monkeypatch.setattr(units.os, "geteuid", lambda: 1000)
    assert Kind.AUTO.chosen() is Kind.USER
    monkeypatch.setattr(units.os, "geteuid", lambda: 0)
    assert Kind.AUTO.chosen() is Kind.SYSTEM
    monkeypatch.setattr(units, "SYSTEM_FOLDER", tmp_path / "absent")
    with pytest.raises(UsageError, match="join with --unit user, or as root"):
        Kind.SYSTEM.chosen()


def test_enabling_executes_what_would_be_printed(
    made: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("systemctl", "loginctl"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $@" >> "{tmp_path}/called"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    made.enable()
    assert (tmp_path / "called").read_text().splitlines() == [" ".join(each) for each in made.commands()]
    assert made.commands()[1] == ("systemctl", "--user", "enable", "--now", NAME)
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho 'no bus' >&2; exit 1\n")
    with pytest.raises(RunError, match=r"systemctl --user daemon-reload: no bus; the board has joined"):
        made.enable()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RunError, match="no program systemctl"):
        made.enable()
