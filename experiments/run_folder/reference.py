"""Documentation page of the run folder, generated from the tables' own columns.

Command: python -m experiments.run_folder.reference [--check]

``docs/run-folder.md`` is generated, so that no column is without a meaning and none is described that is not there;
``--check`` fails when it is stale (it is one of the static checks).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from coordinator.tables.schema import Column, Kind, Table
from experiments.run_folder.meanings import TABLES, meaning
from experiments.run_folder.tables import RUN_TABLES

PAGE = Path(__file__).parents[2] / "docs" / "run-folder.md"
HEAD = Path(__file__).with_suffix(".md")
"""What the page says before the tables."""
NULLABLE = {Kind.COUNT, Kind.REAL, Kind.FLAG_OR_NULL, Kind.TEXT_OR_NULL, Kind.NAME_OR_NULL}
WORDS = {
    Kind.INDEX: "whole number",
    Kind.WHOLE: "whole number",
    Kind.NUMBER: "number",
    Kind.COUNT: "whole number",
    Kind.REAL: "number",
    Kind.FLAG: "true or false",
    Kind.FLAG_OR_NULL: "true or false",
    Kind.TEXT: "text",
    Kind.TEXT_OR_NULL: "text",
    Kind.NAME_OR_NULL: "text",
    Kind.TIME: "time",
    Kind.COUNTS: "list of whole numbers",
}


def page() -> str:
    """The whole page."""
    return HEAD.read_text(encoding="utf-8") + "".join(
        _section(name, table) for name, table in RUN_TABLES.items()
    )


def _section(name: str, table: Table) -> str:
    rows = "\n".join(_row(name, column) for column in table.columns)
    return f"\n## {name}\n\n{TABLES[name]}\n\n| column | type | meaning |\n|---|---|---|\n{rows}\n"


def _row(table: str, column: Column) -> str:
    kind = WORDS[column.kind] + (" or null" if column.kind in NULLABLE else "")
    return f"| `{column.name}` | {kind} | {meaning(table, column.name)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Documentation page of the run folder.")
    parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")
    wanted = page()
    if not parser.parse_args().check:
        PAGE.write_text(wanted, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != wanted:
        sys.exit(f"{PAGE} is stale: run python -m experiments.run_folder.reference")


if __name__ == "__main__":
    main()
