"""Measures of a run: totals, grams by category, and the book-keeping checks that the report prints."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from experiments.report.measures import (
    Totals,
    by_category,
    checks,
    over_seeds,
    totals,
    with_category,
)
from experiments.report.notices import notices
from experiments.report.read import Study, load, load_run
from tests.experiments.report.run_tables import change_table, read_table

MakeRun = Callable[..., Path]
OWN_BODIES = ("coordinator", "router")


def test_totals_are_the_sum_of_all_lines(make_run: MakeRun) -> None:
    run = load_run(make_run())
    one = totals(run)
    lines = run.tables["lines"]
    assert one.emissions_g == pytest.approx(lines["operational_g"].sum())
    own = lines[lines["node_id"].isin(["coordinator", "router"])]["operational_g"].sum()
    assert one.emissions_g - one.nodes_and_network_g == pytest.approx(own)
    bits, read, made = (run.tables["slots"][name].sum() for name in ("bits", "tokens_in", "tokens_out"))
    joules = lines["energy_j"].sum()
    assert (one.tokens_in, one.tokens_out) == (read, made)
    assert one.tree_testbed_bit_per_j == pytest.approx((bits + 70_423.0 * (read + made)) / joules)
    assert one.tree_generated_testbed_bit_per_j == pytest.approx((bits + 70_423.0 * made) / joules)
    assert one.ee_testbed_bit_per_j == pytest.approx(bits / joules)
    assert one.accuracy == pytest.approx(
        run.tables["rounds"].query("stage == 'development'")["test_accuracy"].iloc[-1]
    )


def test_categories_add_up_to_the_total(make_compare: MakeRun) -> None:
    study = load(make_compare(("local", "deta"), (0, 1)))
    frame = by_category(study, "operational_g")
    assert {"network", "coordinator", "router", "unallocated"} <= set(frame.columns)
    for policy in study.policies:
        emissions = over_seeds(study, policy, "emissions_g")
        assert emissions is not None
        assert frame.loc[policy].sum() == pytest.approx(emissions.mean)


def test_books_that_close_pass_and_books_that_do_not_are_reported(make_run: MakeRun) -> None:
    folder = make_run()
    assert all(check.holds for check in checks(load(folder)))
    change_table(folder, "slots", lambda frame: frame.assign(curtailed_j=frame["curtailed_j"] + 1.0))
    study = load(folder)
    assert [check.equation for check in checks(study) if not check.holds] == ["(D2)"]
    assert notices(study)[0].title == "The books do not close"


def test_books_with_a_figure_missing_in_a_metered_slot_do_not_close(make_run: MakeRun) -> None:
    folder = make_run()
    change_table(folder, "slots", lambda frame: frame.assign(green_j=None))
    study = load(folder)
    assert {check.equation for check in checks(study) if not check.holds} == {"(D1)", "(D2)"}
    assert notices(study)[0].title == "The books do not close"


def test_lost_nodes_are_gaps_and_never_zero(make_run: MakeRun) -> None:
    study = load(make_run("dat", 0, lost={"node-05": 14}))
    one = totals(study.any_run)
    assert (one.unmetered_slots, one.dead_slots) == (10, 10)
    titles = {notice.title: notice for notice in notices(study)}
    assert "node-05 · US-MIDA-PJM (from slot 14, 10 slots)" in titles["Lost nodes"].text
    assert "lower bounds" in titles["Missing readings"].text
    assert titles["Fallback decisions"].level == "warn"
    assert all(check.holds for check in checks(study))


def test_each_total_is_the_sum_of_its_own_column(folder: Path) -> None:
    found = totals(load_run(folder))
    slots, lines = read_table(folder, "slots"), read_table(folder, "lines")
    energy, batches = read_table(folder, "energy_flows"), read_table(folder, "batch_flows")
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
        "rounds": len(read_table(folder, "rounds")),
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
    lines = with_category(read_table(folder, "lines"))
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


def test_the_accuracy_of_a_run_is_that_of_its_last_round_of_development(study: Study) -> None:
    assert totals(study.any_run).accuracy == 0.7
