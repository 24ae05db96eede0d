"""The books of a run, or of every run of a comparison, checked."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.run_folder.files import COMPARE, DONE, LEDGER, METADATA
from experiments.run_folder.verify import verify_run
from tests.scenarios import FULL, SMALL


@pytest.mark.parametrize("content", ["nothing", "no tables"])
def test_a_ledger_of_nothing_is_incomplete_and_not_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"")
    if content == "no tables":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE t (x)")
        connection.execute("DROP TABLE t")
        connection.commit()
        connection.close()
        assert path.stat().st_size > 0
    assert invoke(["ledger", "verify", str(tmp_path)]) == 3
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
    assert invoke(["ledger", "verify", str(folder), "--json"]) == 3
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["incomplete"] == ["1 of 3 slots are closed"]
    assert verdict["findings"] == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "small.toml").write_text(SMALL.replace("[stages]", 'policy = "dat"\n[stages]', 1))
    assert invoke(["run", str(folder / "small.toml"), "-o", str(folder / "run"), "--no-report"]) == 0
    return folder / "run"


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy that may be forged."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def code_of(run: Path) -> int:
    return invoke(["ledger", "verify", str(run), "--json"])


def test_the_head_is_told_at_the_end_of_a_run_and_stands_outside_the_ledger(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads((whole / METADATA).read_text())["ledger"]
    assert invoke(["ledger", "verify", str(whole)]) == 0
    said = capsys.readouterr().out
    assert f"{told['entries']} entries, head {told['head']} (as anchored" in said
    (found,) = verify_run(whole)["heads"].values()
    assert found == {**told, "run_id": "small-dat-s0", "anchored": True}


def cut(connection: sqlite3.Connection) -> None:
    """Everything after the slot before the last, and the file's own count of entries."""
    (last,) = connection.execute(
        "SELECT id FROM entries WHERE kind = 'slot_end' ORDER BY id DESC LIMIT 1 OFFSET 1"
    ).fetchone()
    connection.execute("DELETE FROM postings WHERE entry_id > ?", (last,))
    connection.execute("DELETE FROM entries WHERE id > ?", (last,))
    connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'entries'", (last,))


def changed(run: Path, change: Callable[[sqlite3.Connection], None]) -> None:
    """The ledger without its triggers, which are made again afterwards."""
    with sqlite3.connect(run / LEDGER) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        change(connection)
        for _, sql in triggers:
            connection.execute(sql)
    connection.close()


def test_a_ledger_that_was_cut_short_is_told_apart_by_its_anchor(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(run, cut)
    assert code_of(run) == 3
    assert json.loads(capsys.readouterr().out)["state"] == "truncated"
    (run / METADATA).unlink()
    (run / DONE).unlink()
    assert code_of(run) == 3
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["state"], verdict["incomplete"]) == ("incomplete", ["7 of 8 slots are closed"])


def test_another_anchor_is_a_finding(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metadata = json.loads((run / METADATA).read_text())
    metadata["ledger"]["head"] = "0" * 64
    (run / METADATA).write_text(json.dumps(metadata))
    assert code_of(run) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding.startswith("anchor: ")


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("slots", "grid_j"),
        ("lines", "operational_g"),
        ("nodes", "static_w"),
        ("decisions", "objective_g"),
        ("serving", "bits"),
    ],
)
def test_a_table_that_was_edited_is_found(
    run: Path, table: str, column: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / f"{table}.parquet"
    frame = pd.read_parquet(path)
    row = frame[column].first_valid_index()
    frame.loc[row, column] = frame.loc[row, column] + 1
    frame.to_parquet(path, index=False)
    assert code_of(run) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert f"the values of {column} are not what the ledger makes of {table}" in finding


def test_a_table_that_is_gone_shorter_or_unreadable_is_found(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "lines.parquet").unlink()
    pd.read_parquet(run / "slots.parquet").iloc[:-1].to_parquet(run / "slots.parquet", index=False)
    (run / "nodes.parquet").write_bytes(b"no table")
    assert code_of(run) == 1
    said = "\n".join(json.loads(capsys.readouterr().out)["findings"])
    assert "lines.parquet: is missing" in said
    assert "slots.parquet: its 23 rows are not" in said
    assert "nodes.parquet: cannot be read" in said


def test_a_run_of_an_older_version_has_no_anchor_and_can_be_verified(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metadata = json.loads((run / METADATA).read_text())
    del metadata["ledger"]
    (run / METADATA).write_text(json.dumps(metadata))
    assert invoke(["ledger", "verify", str(run)]) == 0
    assert "no anchor to compare it with" in capsys.readouterr().out


def test_an_archive_without_write_permission_is_read(run: Path) -> None:
    """A real read-only mount, in a mount namespace of its own."""
    command = (
        f'mount --bind "{run}" "{run}" && mount -o remount,ro,bind "{run}" && ! touch "{run}/x" 2> /dev/null && '
        f'exec "{sys.executable}" -m experiments.cli ledger verify "{run}"'
    )
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare of util-linux is not here")
    allowed = subprocess.run([unshare, "--mount", "true"], capture_output=True, check=False)
    if allowed.returncode:
        pytest.skip("mount namespaces are not allowed here")
    done = subprocess.run(
        [unshare, "--mount", "sh", "-c", command], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "sound" in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing, though the run is over"),
        ("[1, 2]", "cannot be used"),
        ("{}", "run_id: field required"),
        ('{"run_id": "r", "start": "yesterday", "trace_step_s": 1}', "start: "),
        ('{"run_id": "r", "start": "2022-06-21T00:00:00Z", "trace_step_s": 1, "ledger": "x"}', "ledger: "),
    ],
)
def test_metadata_that_cannot_be_used_are_a_finding(
    run: Path, content: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / METADATA).unlink()
    if content is not None:
        (run / METADATA).write_text(content)
    assert code_of(run) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding.startswith("metadata: ")
    assert said in finding


def test_a_column_of_another_type_is_found(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.read_parquet(run / "slots.parquet")
    frame["demand_j"] = "much"
    frame.to_parquet(run / "slots.parquet", index=False)
    assert code_of(run) == 1
    assert "the values of demand_j are not" in capsys.readouterr().out


def test_a_file_that_was_cut_is_a_finding_of_its_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = (run / LEDGER).read_bytes()
    (run / LEDGER).write_bytes(content[: len(content) // 3])
    assert code_of(run) == 1
    assert json.loads(capsys.readouterr().out)["state"] == "not sound"


def test_the_ledger_of_another_run_is_a_finding(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metadata = json.loads((run / METADATA).read_text())
    (run / METADATA).write_text(json.dumps({**metadata, "run_id": "another"}))
    assert code_of(run) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding.endswith(f"is the ledger of {metadata['run_id']!r}, the folder of 'another'")


def test_a_run_of_a_comparison_whose_ledger_is_gone_is_missed(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = tmp_path / "both"
    shutil.copytree(run, both / "dat-s0")
    (both / COMPARE).write_text(json.dumps({"policies": {"dat": ["dat-s0", "dat-s1"]}}))
    assert code_of(both) == 3
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["state"], verdict["incomplete"]) == ("incomplete", ["dat-s1: there is no ledger"])
