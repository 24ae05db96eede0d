"""The benchmark of learning on rows."""

from __future__ import annotations

import pytest

from benchmarks import _rows as rows
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario


def test_all_goals_have_a_figure_or_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = {"rows_cpu_ratio": 0.5, "rows_deta_cpu_ratio": 1.4}
    monkeypatch.setattr(rows, "in_turn", lambda *_: dict(measured))
    figures, goals, left = rows.measure(True, lambda _: None)
    assert figures == measured
    assert (goals["rows_cpu_ratio"]["met"], goals["rows_deta_cpu_ratio"]["met"]) == (True, False)
    assert {*goals, *(text.partition(":")[0] for text in left)} == set(rows.GOALS)
    assert all(text.partition(": ")[2] for text in left)


def test_both_loops_do_the_same_work() -> None:
    resolved = resolve(parse_scenario(rows.scenario_text("deta", 10, 2)))
    assert resolved.batches_per_node == (rows.BATCHES,) * 10
    users = rows.user_tensors()
    assert len(users) == rows.NODES
    assert {len(y) for _, y in users} == {rows.BATCHES * rows.BATCH_SIZE}
