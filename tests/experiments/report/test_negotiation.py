"""Negotiated policies in comparisons and reports: gain, and cost of the negotiation."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.report import html, negotiation, regret
from experiments.report.negotiation import operational_g
from experiments.report.read import Run, load
from experiments.report.summary import comparison_json, run_json
from experiments.report.terminal import totals_table


@pytest.fixture(scope="module")
def folder(small_scenario: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("negotiated") / "compare"
    cloudy = folder.parent / "cloudy.toml"
    cloudy.write_text("seed = 1\n" + small_scenario.read_text())
    arguments = ["compare", str(cloudy), "--policies", "local,auction,belief,admm", "--seeds", "1"]
    assert invoke([*arguments, "--output", str(folder), "--no-report"]) == 0
    return folder


LINE = ("slot", "node_id", "zone", "component", "grid_j", "operational_g")


def test_gain_captured_and_gap_are_stated_of_the_same_grams(folder: Path) -> None:
    found = comparison_json(load(folder))["policies"]
    (local_g,), (bound_g,) = found["local"]["comparable_g"], found["local"]["bound_g"]
    assert found["local"]["captured_gain_fraction"] == [0.0]
    for policy in ("auction", "belief", "admm"):
        (gain,), (run_g,) = (found[policy][key] for key in ("captured_gain_fraction", "comparable_g"))
        assert gain == pytest.approx((local_g - run_g) / (local_g - bound_g))
        assert gain <= 1
        assert found[policy]["regret_fraction"] == [pytest.approx((run_g - bound_g) / bound_g)]


def test_a_negotiation_costs_what_is_booked_under_its_name(folder: Path) -> None:
    study = load(folder)
    assert negotiation.as_json(study.runs["local"][1]) is None
    for policy in ("auction", "belief", "admm"):
        run = study.runs[policy][1]
        cost = negotiation.negotiation_totals(run)
        assert cost is not None
        assert run_json(run)["negotiation"]["messages"] == cost.messages
        assert cost.slots == 8
        assert cost.rounds is not None
        assert cost.messages == 2 * 3 * cost.rounds  # every node answered every question
        assert cost.silent_nodes == 0
        # Radio at the nodes, and the network for every byte once.
        nodes = run.tables["nodes"]
        net_j = (
            run.tables["lines"].query("component == 'negotiation' and node_id == 'network'")["energy_j"].sum()
        )
        radio = cost.energy_j - net_j
        dearest = float(nodes[["tx_j_per_byte", "rx_j_per_byte"]].max().max())
        assert 0 < radio <= dearest * cost.bytes + 1e-6 * 2 * 3 * cost.slots  # booked by the microjoule
        assert net_j > 0
        assert 0 < cost.operational_g < 0.05 * run.tables["lines"]["operational_g"].sum()


def test_the_report_has_negotiation_tables_only_after_a_negotiation(
    folder: Path, small_comparison: Path
) -> None:
    study = load(folder)
    shown = negotiation.table(study)
    assert shown is not None
    assert list(shown.frame["policy"]) == ["admm", "auction", "belief"]
    assert "an earlier day" in shown.note  # where belief can differ from auction
    assert (shown.frame["bytes_per_slot"] * shown.frame["slots"] == shown.frame["bytes"]).all()
    assert "captured_gain_fraction" in regret.table(study).frame  # type: ignore[union-attr]
    assert "captured" in [column.header for column in totals_table(study).columns]
    tables = html.tables_of(study)
    assert {"negotiation", "regret"} <= tables.keys()
    assert "gain over LOCAL captured" in [column.label for column in tables["regret"].columns]
    assert negotiation.table(load(small_comparison)) is None


@pytest.mark.parametrize("policy", ["auction", "admm"])
def test_work_that_may_wait_is_run_once_and_in_time(
    policy: str, small_scenario: Path, tmp_path: Path
) -> None:
    """With deadlines the backlog is private until the slot has ended; the ledger still balances."""
    path, run = tmp_path / "waiting.toml", tmp_path / "run"
    # A batch is worth moving in one slot: over a network that costs nothing, where no sun runs it for nothing at home.
    network = "[network]\nnet_j_per_byte = 0.0\n[harvest]\nkind = 'none'\n[battery]\ncapacity_wh = 0\n"
    limits = network + "[limits]\ndeadline_slots = 2\n[coordinator]\nhorizon_slots = 4\n[fleet]"
    path.write_text(small_scenario.read_text().replace("[fleet]", limits))
    assert invoke(["run", str(path), "--policy", policy, "--output", str(run), "--no-report"]) == 0
    assert invoke(["ledger", "verify", str(run), "--json"]) == 0
    tables = load(run).any_run.tables
    slots = tables["slots"]
    assert slots["unserved_batches"].sum() == 0
    assert slots["executed_batches"].sum() == slots["released_batches"].sum() > 0
    assert tables["decisions"]["status"].str.startswith("rule: negotiated").all()
    away = tables["batch_flows"].query("owner != executor")
    # (D5): no owner sends away more than its share of all released batches.
    sent = away.groupby("owner")["batches"].sum()
    released = slots.groupby("node_id")["released_batches"].sum()
    assert (sent <= 0.5 * released.reindex(sent.index)).all()
    waited = bool((slots["released_batches"] != slots["executed_batches"] - slots["guest_batches"]).any())
    assert (
        waited if policy == "admm" else away["batches"].sum() > 0
    )  # one looks ahead, one trades slot by slot


def test_each_end_of_a_negotiation_counts_with_its_own_intensity() -> None:
    """n0 is in A, 100 and then 180 g/kWh; n1 in B, 400 and then 520. The coordinator is in C, where no node is: its own
    line of 7.2 J says 250 and then 350 g/kWh.

    Slot 0: n0's radio 36 J at 100; the network 72 J between A and C, at 175; 36 J between B and C, at 325:
    3,600 + 12,600 + 11,700 = 27,900 J g/kWh. Slot 1: n1's radio 18 J at 520; 54 J between A and C, at 265:
    9,360 + 14,310 = 23,670. All: 51,570 / 3.6e6 = 0.014325 g. Compute is no negotiation.
    """
    rows = [
        (0, "coordinator", "C", "coordinator", 7.2, 7.2 * 250.0 / 3.6e6),
        (0, "n0", "A", "negotiation", 36.0, 0.0),
        (0, "n0", "A", "compute", 999.0, 0.0),
        (0, "network", "A+C", "negotiation", 72.0, 0.0),
        (0, "network", "B+C", "negotiation", 36.0, 0.0),
        (1, "coordinator", "C", "coordinator", 7.2, 7.2 * 350.0 / 3.6e6),
        (1, "n1", "B", "negotiation", 18.0, 0.0),
        (1, "network", "A+C", "negotiation", 54.0, 0.0),
    ]
    slots = pd.DataFrame(
        {
            "slot": [0, 0, 1, 1],
            "node_id": ["n0", "n1", "n0", "n1"],
            "zone": ["A", "B", "A", "B"],
            "intensity_g_per_kwh": [100.0, 400.0, 180.0, 520.0],
        }
    )
    tables = {"lines": pd.DataFrame(rows, columns=list(LINE)), "slots": slots}
    assert operational_g(Run(Path("hand"), {}, "", tables)) == pytest.approx(0.014325, rel=1e-12)
