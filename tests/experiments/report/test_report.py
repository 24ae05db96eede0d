"""A report from the same tables has the same bytes; a run with nothing to show still has one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from experiments.report.html import write_report
from tests.experiments.report.pages import Page

MakeRun = Callable[..., Path]


def test_the_same_tables_give_the_same_bytes(make_run: MakeRun) -> None:
    folder = make_run("deta", 0, nodes=2)

    def written() -> dict[str, bytes]:
        write_report(folder)
        files = [folder / "report.html", *(folder / "figures").iterdir(), *(folder / "tables").iterdir()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    first, second = written(), written()
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_a_run_with_nothing_to_show_still_has_a_report(make_run: MakeRun) -> None:
    folder = make_run("local", 0, nodes=1)
    for table in ("rounds", "decisions", "batch_flows", "energy_flows"):
        path = folder / f"{table}.parquet"
        pd.read_parquet(path).head(0).to_parquet(path)
    slots = pd.read_parquet(folder / "slots.parquet")
    still = slots.assign(
        harvest_j=0.0, tokens_in=0, tokens_out=0, bits=0, battery_after_j=0.0, operational_g=0.0, grid_j=0.0
    )
    still.to_parquet(folder / "slots.parquet")
    nodes = pd.read_parquet(folder / "nodes.parquet")
    nodes.assign(tree_node_bit_per_j=None, ee_node_bit_per_j=None).to_parquet(folder / "nodes.parquet")
    page = Page(write_report(folder))
    assert "no node harvests energy" in page.text
    assert 'id="learning"' not in page.text
    assert 'id="batteries"' not in page.text
