"""Progress and totals of a run so far, from its books, for the runner and the command line. Pure."""

from __future__ import annotations

from typing import Any

from protos.messages.runner import ReportQuery


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
