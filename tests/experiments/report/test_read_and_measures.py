"""Reading run folders, totals, book-keeping checks, notices, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from carbon_data.types import DataError
from experiments.report.measures import by_category, checks, over_seeds, reduction, totals
from experiments.report.notices import notices
from experiments.report.read import load, load_run
from experiments.report.summary import comparison_json, run_json, summary_json
from experiments.report.terminal import functional_table, reductions_table, totals_table

MakeRun = Callable[..., Path]


def _change(folder: Path, table: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = folder / f"{table}.parquet"
    change(pd.read_parquet(path)).to_parquet(path)


def test_an_unfinished_run_is_refused_unless_asked_for(make_run: MakeRun) -> None:
    folder = make_run()
    (folder / "DONE").unlink()
    with pytest.raises(DataError, match="not finished"):
        load(folder)
    assert load(folder, require_done=False).policies == ("deta",)


def test_damage_is_named(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run()
    _change(folder, "slots", lambda frame: frame.drop(columns="grid_j"))
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
    _change(folder, "slots", lambda frame: frame.head(0))
    with pytest.raises(DataError, match="no rows"):
        load_run(folder)


def test_policies_are_ordered_and_absent_runs_named(make_compare: MakeRun) -> None:
    folder = make_compare(("deta", "local", "grid"), (0, 1))
    (folder / "deta-s1" / "DONE").unlink()
    (folder / "compare.json").write_text(json.dumps({"policies": {"deta": [], "dat": []}, "seeds": [0, 1]}))
    study = load(folder)
    assert study.policies == ("grid", "local", "deta")
    assert any("deta-s1" in text for text in study.absent)
    assert any("policy dat, seed 1" in text for text in study.absent)
    assert "Incomplete comparison" in {notice.title for notice in notices(study)}


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
    _change(folder, "slots", lambda frame: frame.assign(curtailed_j=frame["curtailed_j"] + 1.0))
    study = load(folder)
    assert [check.equation for check in checks(study) if not check.holds] == ["(D2)"]
    assert notices(study)[0].title == "The books do not close"


def test_books_with_a_figure_missing_in_a_metered_slot_do_not_close(make_run: MakeRun) -> None:
    folder = make_run()
    _change(folder, "slots", lambda frame: frame.assign(green_j=None))
    study = load(folder)
    assert {check.equation for check in checks(study) if not check.holds} == {"(D1)", "(D2)"}
    assert notices(study)[0].title == "The books do not close"


def test_lost_nodes_are_gaps_and_never_zero(make_run: MakeRun) -> None:
    study = load(make_run("dat", 0, lost={"node-05": 14}))
    one = totals(study.any_run)
    assert (one.unmetered_slots, one.dead_slots) == (10, 10)
    titles = {notice.title: notice for notice in notices(study)}
    assert "node-05 (from slot 14, 10 slots)" in titles["Lost nodes"].text
    assert "lower bounds" in titles["Missing readings"].text
    assert titles["Fallback decisions"].level == "warn"
    assert all(check.holds for check in checks(study))


def test_restarts_and_failures_are_told(make_run: MakeRun) -> None:
    folder = make_run()
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["coordinator_restarts"] = [{"exit_code": -9, "down_s": 0.4}]
    metadata["failures"] = [{"slot": 3, "node_id": "node-02", "reason": "its process was dead"}] * 2
    (folder / "metadata.json").write_text(json.dumps(metadata))
    found = {notice.title: notice.text for notice in notices(load(folder))}
    assert "DETA, seed 0: 1" in found["Coordinator restarts"]
    assert "node-02, 2 slots: its process was dead" in found["Rounds continued without a node"]


def test_comparison_json_has_one_value_per_seed(make_compare: MakeRun) -> None:
    study = load(make_compare(("grid", "local", "deta"), (0, 1, 2)))
    found = comparison_json(study)
    json.dumps(found, allow_nan=False)
    deta, local = found["policies"]["deta"], found["policies"]["local"]
    assert len(deta["emissions_g"]) == len(deta["accuracy"]) == len(deta["tree_testbed_bit_per_j"]) == 3
    for k in range(3):
        assert deta["reduction_vs_local_fraction"][k] == pytest.approx(
            1 - deta["emissions_g"][k] / local["emissions_g"][k]
        )
    value = reduction(study, "deta", "grid")
    assert value is not None
    assert value.mean == pytest.approx(sum(deta["reduction_vs_grid_fraction"]) / 3)
    assert found["run"] == str(study.folder)


def test_a_baseline_that_was_not_run_gives_null_and_a_notice(make_compare: MakeRun) -> None:
    study = load(make_compare(("grid", "deta"), (4,)))
    assert comparison_json(study)["policies"]["deta"]["reduction_vs_local_fraction"] is None
    titles = {notice.title for notice in notices(study)}
    assert {"LOCAL was not run", "One seed"} <= titles
    assert "GRID was not run" not in titles


def test_grid_that_was_not_run_is_worked_out_from_local_and_said_to_be(make_compare: MakeRun) -> None:
    study = load(make_compare(("local", "deta"), (4,)))
    assert comparison_json(study)["policies"]["deta"]["reduction_vs_grid_fraction"] is not None
    assert "LOCAL's metered demand" in next(n.text for n in notices(study) if n.title == "GRID was not run")


def test_run_json_is_plain(make_run: MakeRun) -> None:
    folder = make_run("det", 3)
    found = summary_json(folder)
    assert json.loads(json.dumps(found, allow_nan=False)) == run_json(load(folder).any_run)
    assert (found["policy"], found["seed"]) == ("det", 3)


def test_the_terminal_leads_with_functional_units_and_states_reductions_twice(make_compare: MakeRun) -> None:
    study = load(make_compare(("local", "dat", "deta"), (0, 1)))
    leading = functional_table(study)
    assert leading.row_count == 2 * 3  # whole testbed, nodes alone
    assert {"per round", "per hour of the fleet"} <= {str(column.header) for column in leading.columns}
    stated = reductions_table(study)
    assert stated is not None
    assert [str(column.header) for column in stated.columns[2:]] == ["nodes alone", "whole testbed"]
    assert stated.row_count == 3 + 2  # against GRID, worked out, and LOCAL
    assert totals_table(study).row_count == 3
    assert reductions_table(load(study.folder / "deta-s0")) is None


def test_json_states_every_reduction_for_nodes_alone_and_for_the_whole_testbed(make_compare: MakeRun) -> None:
    study = load(make_compare(("local", "deta"), (0, 1)))
    found = comparison_json(study)
    rows = {(row["policy"], row["baseline"], row["boundary"]): row for row in found["reductions"]}
    assert set(rows) == {
        (policy, baseline, boundary)
        for policy, baseline in (("deta", "local"), ("deta", "grid"), ("local", "grid"))
        for boundary in ("nodes", "testbed")
    }
    deta = found["policies"]["deta"]
    for boundary, key in (("testbed", ""), ("nodes", "nodes_")):
        row = rows["deta", "local", boundary]
        assert row["reduction"] == pytest.approx(sum(deta[f"{key}reduction_vs_local_fraction"]) / 2)
        assert row["together"]["low"] <= row["readings"]["low"] <= row["readings"]["high"] <= 1.0
    # The shared lines are the same under both policies: they dilute the reduction of the nodes.
    assert rows["deta", "local", "nodes"]["reduction"] > rows["deta", "local", "testbed"]["reduction"]
    assert next(iter(deta)) == "functional_units"
    assert [one["testbed"]["per_1000_tokens_g"] for one in deta["functional_units"]] == [None, None]
