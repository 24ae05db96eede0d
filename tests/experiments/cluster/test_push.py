"""What is sent to boards, and what is remembered of it. Over a real sshd: tests/boards/test_push.py."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from carbon_data.files.datasets import dataset
from experiments.cluster.push import Record, Sent, data_files, own_files, wheel_file
from experiments.errors import UsageError


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    package = tmp_path / "mylab"
    for name in ("__init__.py", "task.py", "models/net.py", "__pycache__/task.pyc", ".git/config"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(name)
    (tmp_path / "meter.py").write_text("METER = 1\n")
    return tmp_path


def test_files_and_packages_keep_their_names(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine / "mylab")
    found = {file.name: file for file in own_files([mine / "meter.py", Path(".")])}
    assert set(found) == {"meter.py", "mylab/__init__.py", "mylab/task.py", "mylab/models/net.py"}
    body = (mine / "meter.py").read_bytes()
    meter = found["meter.py"]
    assert (meter.place, meter.sha256, meter.size_bytes) == (
        "own",
        hashlib.sha256(body).hexdigest(),
        len(body),
    )
    assert wheel_file(mine / "meter.py").place == "wheel"
    with pytest.raises(UsageError, match=r"absent\.py cannot be read"):
        list(own_files([mine / "absent.py"]))


def test_data_sets_are_whole_or_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETABED_DATA_DIR", str(tmp_path))
    name = "mnist-train-labels-idx1-ubyte"
    assert list(data_files(["all"])) == []
    with pytest.raises(UsageError, match=f"{name} is missing here: .*detabed data fetch"):
        list(data_files([name]))
    (tmp_path / dataset(name).path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / dataset(name).path).write_bytes(gzip.compress(b"no labels"))
    with pytest.raises(UsageError, match=f"{name} is corrupt here"):
        list(data_files([name]))
    with pytest.raises(UsageError, match="no data set is called 'mnist'"):
        list(data_files(["mnist"]))


def test_what_was_pushed_is_remembered_by_board(mine: Path, tmp_path: Path) -> None:
    record, meter = Record(tmp_path), Sent.of("own", "meter.py", mine / "meter.py")
    assert (record.of("n0"), record.changed_here("n0")) == ([], [])
    record.add("n0", [meter, wheel_file(mine / "meter.py")])
    record.add("n0", [Sent.of("own", "task.py", mine / "mylab" / "task.py")])
    assert [file["name"] for file in record.of("n0")] == ["meter.py", "task.py"]
    assert record.of("n1") == []
    (mine / "meter.py").write_text("METER = 2\n")
    assert record.changed_here("n0") == ["own/meter.py"]
    record.add("n0", [Sent.of("own", "meter.py", mine / "meter.py")])
    assert record.changed_here("n0") == []
    (mine / "meter.py").unlink()
    assert record.changed_here("n0") == ["own/meter.py"]
