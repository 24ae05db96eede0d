"""The generated page of the run folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.run_folder.meanings import COMMON, OWN, TABLES, meaning
from experiments.run_folder.reference import PAGE, page
from experiments.run_folder.tables import RUN_TABLES


def test_every_column_has_a_meaning_and_every_meaning_a_column() -> None:
    columns = {(name, column.name) for name, table in RUN_TABLES.items() for column in table.columns}
    assert all(meaning(*column) for column in columns)
    assert set(TABLES) == set(RUN_TABLES)
    assert set(COMMON) <= {column for _, column in columns}
    assert set(OWN) <= columns


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_a_real_run_has_no_column_that_the_page_lacks(small_comparison: Path) -> None:
    text = page()
    for path in (small_comparison / "deta-s0").glob("*.parquet"):
        section = text.partition(f"\n## {path.stem}\n")[2].partition("\n## ")[0]
        assert section, path.name
        for column in pd.read_parquet(path).columns:
            assert f"| `{column}` |" in section, (path.name, column)
