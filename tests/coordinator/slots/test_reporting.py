"""Progress and totals of a run so far, from its books, for the runner and the command line. Pure."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.slots.protocol import RequestError
from protos.messages.runner import BeginSlot, EndSlot, ReportQuery
from protos.messages.terms import Stage


def test_report_holds_the_testbeds_own_lines(bench: Any) -> None:
    bench.join()
    summaries = [bench.run_slot(slot) for slot in range(2)]
    report = bench.coordinator.report(ReportQuery())
    lines = {(line.node_id, str(line.component)): line for line in report.lines}
    assert lines["coordinator", "coordinator"].energy_uj == 2 * round(
        1e6 * (3.0 * 60 + 1000 * 1e-9 + 10 * 1e-4)
    )
    assert lines["router", "router"].energy_uj == 2 * 240_000_000
    # Two batches of 1000 bytes a pair and slot, and 5000 bytes of model a node and slot, at 2 uJ a byte.
    assert lines["network", "network"].energy_uj == 2 * (3 * 2000 * 2 + 3 * 5000 * 2)
    assert sum(line.emissions_pg for line in report.lines) == sum(s.emissions_pg for s in summaries)
    assert (report.tokens_in, report.tokens_out) == (2 * 18 * 7, 2 * 18 * 10)
    only = bench.coordinator.report(ReportQuery("n01"))
    assert {line.node_id for line in only.lines} == {"n01"}


def test_labels_and_lines_by_hand(bench: Any) -> None:
    """Three nodes, two slots ended, n02 silent in the second one, a third slot open; alpha is 10 bit a token.

    n00 to n02 answered 18 batches in the first slot and n00 and n01 12 in the second: 30 batches of 800 bits, seven
    tokens read and ten generated.
    """
    bench.join()
    bench.run_slot(0)
    bench.coordinator.begin_slot(BeginSlot(1, Stage.DEVELOPMENT, 1.0))
    bench.mute = {"n02"}
    bench.coordinator.end_slot(EndSlot(1, 1.0))
    bench.coordinator.begin_slot(BeginSlot(2, Stage.DEVELOPMENT, 1.0))
    report = bench.coordinator.report(ReportQuery())
    energy_j = sum(line.energy_uj for line in report.lines) / 1e6
    batches = report.requests // 3
    assert 24 <= batches <= 30
    assert (report.tokens_in, report.tokens_out, report.bits) == (7 * batches, 10 * batches, 800 * batches)
    ratios = {
        "tree_testbed_bit_per_j": (800 + 10 * 17) * batches / energy_j,
        "tree_generated_testbed_bit_per_j": (800 + 10 * 10) * batches / energy_j,
        "ee_testbed_bit_per_j": 800 * batches / energy_j,
    }
    told = {name: report.labels[name] for name in report.labels if name not in ratios}
    assert told == {
        "policy": "local",
        "epoch": "1",
        "slots": "2",
        "fallback_slots": "0",
        "alarms": "0",
        "unmetered_node_slots": "1",
        "tree_alpha_bits_per_token": "10.0",
    }
    for name, value in ratios.items():
        assert float(report.labels[name]) == pytest.approx(value, rel=1e-12)
    books = bench.coordinator.service.books
    stored = {
        (account, str(unit)): amount
        for (account, unit), amount in books.balances.items()
        if "/stage/" in account
    }
    found: dict[tuple[str, str], int] = {}
    for line in report.lines:
        holder = (
            line.node_id if line.node_id in ("network", "coordinator", "router") else f"node/{line.node_id}"
        )
        account = f"{holder}/stage/{line.stage}/{line.component}"
        found[account, "uJ"], found[account, "pg"] = line.energy_uj, -line.emissions_pg
    assert {key: amount for key, amount in found.items() if amount} == {
        key: amount for key, amount in stored.items() if amount
    }
    order = [(line.node_id, str(line.stage), str(line.component)) for line in report.lines]
    assert order == sorted(order)
    assert report.run_id == "test-run"


def test_a_report_of_a_stranger_is_refused(bench: Any) -> None:
    with pytest.raises(RequestError) as caught:
        bench.coordinator.report(ReportQuery("n99"))
    assert caught.value.code == "unknown_node"
    assert str(caught.value) == "no node n99; nodes are ['n00', 'n01', 'n02']"
