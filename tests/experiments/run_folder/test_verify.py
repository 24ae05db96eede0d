"""The books of a run, or of every run of a comparison, checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli import invoke
from tests.scenarios import FULL


@pytest.mark.parametrize("content", ["nothing", "no tables"])
def test_a_ledger_of_nothing_is_incomplete_and_not_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"")
    if content == "no tables":
        import sqlite3

        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE t (x)")
        connection.execute("DROP TABLE t")
        connection.commit()
        connection.close()
        assert path.stat().st_size > 0
    assert invoke(["ledger", "verify", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "incomplete" in said.out
    assert "sound" not in said.out


def test_books_of_a_run_that_was_broken_off_are_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own_breaking.py").write_text(
        "from flwr.serverapp.strategy import FedAvg\n"
        "class Breaking(FedAvg):\n"
        "    def aggregate_train(self, server_round, replies):\n"
        "        if server_round == 2:\n"
        "            raise RuntimeError('enough')\n"
        "        return super().aggregate_train(server_round, replies)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "broken.toml"
    path.write_text(FULL.replace("[task]", '[task]\nstrategy = "own_breaking:Breaking"'))
    folder = tmp_path / "run"
    assert invoke(["run", str(path), "--fleet", "inprocess", "-o", str(folder), "--no-report"]) == 1
    capsys.readouterr()
    assert invoke(["ledger", "verify", str(folder), "--json"]) == 1
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["incomplete"] == ["1 of 3 slots are closed"]
    assert verdict["findings"] == []
