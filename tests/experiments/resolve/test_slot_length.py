"""Work of a slot, and the length of a slot that follows from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.resolve.resolve import resolve
from experiments.resolve.slot_length import BUSY_SHARE, WORST_SHARE
from experiments.scenario.model import parse_scenario
from protos.messages.terms import Stage
from tests.scenarios import TINY


def test_a_scenario_of_nothing_but_nodes_fits_every_stage(tmp_path: Path) -> None:
    """A dozen nodes share few examples, so that serving takes them longer than training."""
    path = tmp_path / "twelve.toml"
    path.write_text(TINY)
    resolved = resolve(parse_scenario(TINY))
    serving_s = (
        resolved.inference[0].batches_per_slot
        * resolved.inference[0].requests_per_batch
        * _serve_flop()
        / resolved.boards[0].effective_flop_per_s
    )
    assert resolved.slot_s == pytest.approx(serving_s / BUSY_SHARE)
    assert invoke(["run", str(path), "-o", str(tmp_path / "run"), "--no-report"]) == 0


def _serve_flop() -> float:
    from edge_node.tasks.registry import find_task

    return find_task("mnist-mlp").serve_flop()


def test_auto_is_the_training_stage_s_where_that_is_busiest_and_covers_the_slowest_board() -> None:
    light = "[inference]\nbatches_per_slot = 1\n" + TINY
    alike = resolve(parse_scenario(light))
    slow = resolve(parse_scenario(light + "[[nodes]]\nzone = 'FR'\nboard = { effective_flop_per_s = 1e7 }\n"))
    own_s = [
        count * alike.slot_s * BUSY_SHARE / alike.batches_per_node[0] * ratio
        for count, ratio in zip(
            slow.batches_per_node,
            (alike.boards[0].effective_flop_per_s / board.effective_flop_per_s for board in slow.boards),
            strict=True,
        )
    ]
    assert max(own_s) > 2 * sum(own_s) / len(own_s)
    assert slow.slot_s == pytest.approx(max(own_s) / WORST_SHARE, rel=0.02)


def test_requests_per_second_do_not_lengthen_a_slot() -> None:
    few, many = (
        resolve(parse_scenario(f'[inference]\narrivals = "poisson"\nrequests_per_s = {rate}\n' + TINY)).slot_s
        for rate in (1, 1000)
    )
    assert few == many


def test_a_slot_longer_than_its_trace_step_is_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "long.toml"
    path.write_text("[time]\nslot_s = 7200\n" + TINY)
    assert invoke(["check", str(path), "--json"]) == 0
    said = capsys.readouterr()
    (warning,) = json.loads(said.out)["warnings"]
    assert "7200 s is longer than the 3600 s" in warning
    assert said.err.startswith("warning:")
    path.write_text("[time]\nslot_s = 3600\n" + TINY)
    assert invoke(["check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == []


def test_stages_are_those_of_the_slot_length(tmp_path: Path) -> None:
    """Preparation alone takes almost no time: its slots last as long as training would take."""
    text = "[stages]\npreparation = 2\ndevelopment = 0\napplication = 0\nrecycling = 0\n" + TINY
    resolved = resolve(parse_scenario(text))
    assert set(resolved.stages) == {Stage.PREPARATION}
    assert resolved.slot_s > 0.1
