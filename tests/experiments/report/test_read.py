"""Finished run folders and compare folders, read and validated: the only reader of the run-folder schema."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from carbon_data.types import DataError
from experiments.report.read import load, load_run
from tests.experiments.report.run_tables import change_table

MakeRun = Callable[..., Path]


def test_an_unfinished_run_is_refused_unless_asked_for(make_run: MakeRun) -> None:
    folder = make_run()
    (folder / "DONE").unlink()
    with pytest.raises(DataError, match="not finished"):
        load(folder)
    assert load(folder, require_done=False).policies == ("deta",)


def test_damage_is_named(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run()
    change_table(folder, "slots", lambda frame: frame.drop(columns="grid_j"))
    with pytest.raises(DataError, match="grid_j"):
        load_run(folder)
    (folder / "slots.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match="damaged"):
        load_run(folder)
    (folder / "slots.parquet").unlink()
    with pytest.raises(DataError, match=r"slots\.parquet is missing"):
        load_run(folder)
    (folder / "metadata.json").write_text("{")
    with pytest.raises(DataError, match="JSON"):
        load_run(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no finished run"):
        load(tmp_path / "empty")
    with pytest.raises(DataError, match="is not a folder"):
        load(tmp_path / "nowhere")


def test_an_empty_slot_table_is_no_run(make_run: MakeRun) -> None:
    folder = make_run()
    change_table(folder, "slots", lambda frame: frame.head(0))
    with pytest.raises(DataError, match="no rows"):
        load_run(folder)
