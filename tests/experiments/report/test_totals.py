"""Totals of a real run against sums computed here, one for each field: no figure may replace another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from experiments.report import units
from experiments.report.figures.flows import matrix
from experiments.report.measures import Totals, by_category, checks, totals, with_category
from experiments.report.read import load, load_run
from experiments.report.tables import policies
from experiments.report.terminal import totals_table

OWN_BODIES = ("coordinator", "router")


@pytest.fixture(scope="module")
def folder(small_comparison: Path) -> Path:
    return small_comparison / "deta-s0"


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


def test_each_total_is_the_sum_of_its_own_column(folder: Path) -> None:
    found = totals(load_run(folder))
    slots, lines = table(folder, "slots"), table(folder, "lines")
    energy, batches = table(folder, "energy_flows"), table(folder, "batch_flows")
    posted, moved = energy[energy["status"] == "posted"], batches[batches["owner"] != batches["executor"]]
    expected = {
        "emissions_g": lines["operational_g"].sum(),
        "nodes_and_network_g": lines.loc[~lines["node_id"].isin(OWN_BODIES), "operational_g"].sum(),
        "energy_j": lines["energy_j"].sum(),
        "grid_j": lines["grid_j"].sum(),
        "harvest_j": slots["harvest_j"].sum(),
        "green_j": slots["green_j"].sum(),
        "curtailed_j": slots["curtailed_j"].sum(),
        "sent_j": posted["sent_j"].sum(),
        "received_j": posted["received_j"].sum(),
        "moved_batches": moved["batches"].sum(),
        "moved_bytes": moved["payload_bytes"].sum(),
        "executed_batches": slots["executed_batches"].sum(),
        "bits": slots["bits"].sum(),
        "requests": slots["requests"].sum(),
        "rounds": len(table(folder, "rounds")),
    }
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-12), name
    energies = [
        expected[name] for name in ("harvest_j", "green_j", "curtailed_j", "sent_j", "received_j", "grid_j")
    ]
    assert len(set(energies)) == len(energies)
    assert min(energies) >= 0
    assert found.received_j < found.sent_j, "a transfer loses something"
    assert {field.name for field in dataclasses.fields(Totals)} > set(expected)


def test_categories_hold_every_line_once(folder: Path) -> None:
    lines = with_category(table(folder, "lines"))
    assert lines["category"].notna().all()
    for name in ("coordinator", "router", "network"):
        held = lines[(lines["node_id"] == name) | ((name == "network") & (lines["component"] == name))]
        assert set(held["category"]) <= {name}
    waste = lines[(lines["component"] == "waste")]
    assert set(waste["category"]) <= {"waste"}
    rest = lines[~lines["category"].isin(["waste", "network", "coordinator", "router"])]
    own = rest[rest["category"] == rest["stage"]]
    assert len(own) > 0.8 * len(rest)


def test_grams_and_joules_by_category_add_up(small_comparison: Path) -> None:
    study = load(small_comparison)
    for column, name in (("operational_g", "emissions_g"), ("energy_j", "energy_j")):
        frame = by_category(study, column)
        for policy in study.policies:
            mean = sum(getattr(totals(run), name) for run in study.runs[policy].values()) / len(
                study.runs[policy]
            )
            assert frame.loc[policy].sum() == pytest.approx(mean, rel=1e-12)


def test_waste_is_a_category_of_its_own_and_no_part_of_its_stage() -> None:
    """Of 7 J of development 2 J were waste; 3 J of waste of serving join them."""
    lines = pd.DataFrame(
        {
            "node_id": ["n0", "n0", "n1", "network"],
            "stage": ["development", "development", "application", "development"],
            "component": ["compute", "waste", "waste", "network"],
            "energy_j": [5.0, 2.0, 3.0, 11.0],
        }
    )
    sums = with_category(lines).groupby("category")["energy_j"].sum()
    assert sums.to_dict() == {"development": 5.0, "waste": 5.0, "network": 11.0}


def test_what_was_sent_and_what_was_curtailed_stand_under_their_own_headings(
    make_run: Callable[..., Path],
) -> None:
    folder = make_run("deta", 0)
    slots = pd.read_parquet(folder / "slots.parquet")
    slots.assign(curtailed_j=slots["curtailed_j"] + 0.7).to_parquet(folder / "slots.parquet")
    study = load(folder)
    found = totals(study.any_run)
    expected = {"curtailed": found.curtailed_j, "transferred": found.sent_j}
    assert 0 < found.received_j < found.sent_j
    assert len({units.joules(value) for value in (*expected.values(), found.received_j)}) == 3
    table = policies(study)
    (row,) = table.rows()
    shown = dict(zip((column.label for column in table.columns), (text for text, _, _ in row), strict=True))
    assert {label: shown[label] for label in expected} == {n: units.joules(j) for n, j in expected.items()}
    for name in ("curtailed_j", "sent_j"):
        assert table.frame[name].iloc[0] == pytest.approx(getattr(found, name))
    terminal = totals_table(study)
    cells = {str(column.header): next(iter(column.cells)) for column in terminal.columns}
    assert cells["transferred"] == units.joules(found.sent_j)
    carried, _ = matrix(study.any_run, "energy")
    assert carried.to_numpy().sum() == pytest.approx(found.sent_j)


@pytest.mark.parametrize(
    ("column", "check"),
    [("received_j", "Transfers received = imports booked"), ("sent_j", "Transfers sent = exports booked")],
)
def test_each_end_of_a_transfer_is_held_against_its_own_side_of_the_books(
    make_run: Callable[..., Path], column: str, check: str
) -> None:
    folder = make_run("deta", 0)
    flows = pd.read_parquet(folder / "energy_flows.parquet")
    flows.assign(**{column: 1.01 * flows[column]}).to_parquet(folder / "energy_flows.parquet")
    assert [one.name for one in checks(load(folder)) if not one.holds] == [check]
