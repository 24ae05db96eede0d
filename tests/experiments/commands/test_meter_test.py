"""``detabed meter test``: reads a sensor for some seconds and says what it reads and how well."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from experiments.commands import meter_test as meter_test_module
from experiments.commands.meter_test import UNKNOWN, meter_test, read_meter
from experiments.errors import UsageError
from tests.experiments.commands.test_commands import documented

BOARD = "raspberry-pi-4b"


def untold(part: str, done: int, of: int) -> None: ...


def recording(folder: Path, power_w: float) -> str:
    (path := folder / "steady.csv").write_text(f"at_s,power_w\n0,{power_w}\n3600,0\n")
    return f"recording:{path}"


@pytest.mark.usefixtures("slow_machine")
def test_a_sensor_is_read_with_all_documented_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meter_test(recording(tmp_path, 3.0), seconds=0.3, board=BOARD, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert set(found) == documented("meter test")
    assert found["mean_w"] == pytest.approx(3.0, rel=1e-4)
    assert found["energy_j"] == pytest.approx(3.0 * found["duration_s"], rel=1e-4)
    assert (found["kind"], found["provenance"], found["missing"]) == ("power", "measured", None)
    assert found["coverage_fraction"] > 0.9 or found["gaps"]  # a busy machine keeps the sampler waiting


def test_a_power_that_the_board_does_not_draw_is_missing_and_not_zero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        meter_test(recording(tmp_path, 0.001), seconds=0.2, board=BOARD, as_json=True)
    assert ended.value.exit_code == 1
    found = json.loads(capsys.readouterr().out)
    assert "unit right" in found["missing"]
    assert all(found[key] is None for key in UNKNOWN)


def test_what_is_no_sensor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="reads no sensor"):
        read_meter("modelled", 1.0, BOARD, untold)
    with pytest.raises(UsageError, match="cannot be read"):
        read_meter("recording:/no/such.csv", 1.0, BOARD, untold)
    with pytest.raises(UsageError, match="unknown board 'no-such-board'"):
        read_meter(recording(tmp_path, 3.0), 1.0, "no-such-board", untold)


def test_it_tells_how_many_seconds_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = [7.0], list[tuple[int, int]]()

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(meter_test_module, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    meter_test_module._wait(2.25, lambda part, done, of: told.append((done, of)))
    assert told == [(0, 3), (1, 3), (2, 3)]
    assert now == [9.25]
