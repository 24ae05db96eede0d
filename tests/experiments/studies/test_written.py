"""A study's folder holds its tables, page and checks; a report that is no JSON is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.run_folder.files import REPORT, TABLES
from experiments.studies.written import CHECKS, rows_of, write_study


def test_tables_page_and_checks_are_there(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1, 2]})
    report = {"share": np.float64(0.5)}
    told = write_study(tmp_path, report, {"one": table}, [], lambda shown: f"<p>{len(shown)}")
    assert Path(told["page"]).read_text() == "<p>0"
    assert told == {
        "share": 0.5,
        "tables": {"one": str(tmp_path / TABLES / "one.csv")},
        "figures": {},
        "page": str(tmp_path / REPORT),
        "run": str(tmp_path),
    }
    assert json.loads((tmp_path / CHECKS).read_text()) == told
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / TABLES / "one.csv"), table)


@pytest.mark.parametrize(("value", "error"), [(float("nan"), ValueError), (object(), TypeError)])
def test_what_is_no_json_is_refused(tmp_path: Path, value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        write_study(tmp_path, {"value": value}, {}, [], lambda shown: "")


def test_what_is_not_known_is_null_in_rows() -> None:
    table = pd.DataFrame({"name": ["a", "b"], "share": [0.5, float("nan")]})
    assert rows_of(table) == [{"name": "a", "share": 0.5}, {"name": "b", "share": None}]
