"""All figures of a report, by section."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from experiments.report.figures import draw_all
from experiments.report.read import load

MakeRun = Callable[..., Path]


def test_every_figure_is_there_as_svg_pdf_and_csv(compared: Path) -> None:
    svgs = sorted((compared / "figures").glob("*.svg"))
    assert {
        "emissions-by-policy",
        "reductions",
        "emissions-by-stage",
        "flows-deta",
        "accuracy",
        "by-node",
        "intensity-and-harvest",
        "energy-balance",
        "battery-deta",
        "decisions",
        "losses-dat-s1",
        "tree-by-policy",
    } <= {path.stem for path in svgs}
    for path in svgs:
        ElementTree.parse(path)
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert len(pd.read_csv(compared / "tables" / f"figure-{path.stem}.csv"))
    runs = pd.read_csv(compared / "tables" / "runs.csv")
    assert len(runs) == 8
    assert runs["emissions_g"].gt(0).all()


def test_a_study_without_emissions_is_drawn_without_warnings_and_from_zero(
    make_compare: Callable[..., Path],
) -> None:
    folder = make_compare(("local", "deta"), (0, 1))
    for run in folder.iterdir():
        for table in ("lines", "slots"):
            path = run / f"{table}.parquet"
            clean = pd.read_parquet(path)
            none = {name: 0.0 for name in ("operational_g", "intensity_g_per_kwh") if name in clean}
            clean.assign(**none).to_parquet(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # libraries' own deprecations are not the pictures'
        warnings.simplefilter("ignore", DeprecationWarning)
        drawings = {each.name: each for each in draw_all(load(folder))}
        for drawing in drawings.values():
            drawing.svg()
    for name in ("emissions-by-policy", "emissions-by-stage"):
        (axes,) = drawings[name].figure.axes
        assert axes.get_xlim() == (0.0, 1.0)
        assert all(bar.get_width() == 0.0 for bar in axes.patches)


def test_a_large_fleet_is_shown_by_zone(make_run: MakeRun) -> None:
    folder = make_run("deta", 0, nodes=45)
    path = next(folder.rglob("batch_flows.parquet"))
    table = pd.read_parquet(path)
    away = table.index[table["owner"] != table["executor"]][0]
    table.loc[away, "executor"] = (
        f"node-{(int(table.loc[away, 'owner'][5:]) + 10) % 40:02d}"  # of the same zone
    )
    table.to_parquet(path)
    study = load(folder)
    drawings = {drawing.name: drawing for drawing in draw_all(study)}
    assert "Every line is one zone" in drawings["intensity-and-harvest"].caption
    flows = drawings["flows-deta"].data
    moved = study.any_run.tables["batch_flows"]["batches"].sum()
    assert flows[flows["flow"] == "batches_moved"]["value"].sum() == moved
    assert set(flows["from"]) <= set(study.any_run.tables["nodes"]["zone"])
    assert drawings["flows-deta"].title == "Flows between zones"
    # two nodes of a zone exchange something: its cell is seen, and no grey diagonal is drawn over it
    assert (flows["from"] == flows["to"]).sum() == 1
    cells = [len(axes.patches) for axes in drawings["flows-deta"].figure.axes[-2:]]
    assert sum(cells) == len(flows)


def test_a_node_exchanges_nothing_with_itself(make_run: MakeRun) -> None:
    """The diagonal is grey: ten cells beside those of the flows, on either side."""
    drawings = {drawing.name: drawing for drawing in draw_all(load(make_run("deta", 0)))}
    flows = drawings["flows-deta"]
    assert flows.title == "Flows between nodes"
    assert "diagonal" not in flows.caption
    assert sum(len(axes.patches) for axes in flows.figure.axes[-2:]) == len(flows.data) + 2 * 10
