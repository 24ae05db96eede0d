"""Totals of a real run against sums made here, one for each field: no figure may stand in for another."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from experiments.report.measures import Totals, by_category, totals, with_category
from experiments.report.read import load, load_run

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
