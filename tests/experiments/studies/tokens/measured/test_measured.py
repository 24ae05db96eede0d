"""Cells on the real model, small; tables of made-up results."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from edge_node.language.model_file import ModelFile, model_file
from experiments.studies.tokens.measured import batches, files, handed_over, lengths, perplexity, summary
from experiments.studies.tokens.measured.batches import CostsCell
from experiments.studies.tokens.measured.handed_over import HandOverCell
from experiments.studies.tokens.measured.lengths import REQUEST_IN, REQUEST_OUT, LengthsCell
from experiments.studies.tokens.measured.perplexity import PerplexityCell
from tests.experiments.studies.tokens.made_up import COSTS, result_of
from tests.language_model import fetched_model


@pytest.fixture(scope="module")
def model() -> ModelFile:
    return model_file(fetched_model())


@pytest.fixture
def small(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file as it is for every kind, and a text of our own."""
    text = "Who would have thought that a word could be so dear to those who hear it in the night? " * 200
    monkeypatch.setattr(files, "shakespeare", lambda: text)
    for module in (lengths, batches, handed_over, perplexity):
        monkeypatch.setattr(module, "file_of", lambda kind: model)


@pytest.mark.processes
@pytest.mark.usefixtures("small")
def test_lengths_are_read_and_written_by_every_kind(tmp_path: Path) -> None:
    found = LengthsCell(0, (12, 24), 3).compute(tmp_path / "x")
    assert {(row["kind"], row["phase"], row["tokens"]) for row in found["rows"]} == {
        (kind, phase, n) for kind in files.ALL for phase in ("prefill", "decode") for n in (12, 24)
    }
    assert all(row["j_per_token"] > 0 for row in found["rows"])
    assert {one["kind"] for one in found["requests"]} == set(files.ALL)
    # Of English, more than a letter a token: of the prompt's 128 tokens and of the answer's 64.
    assert all(one["bits"] > 8 * 2 * (REQUEST_IN + REQUEST_OUT) for one in found["requests"])
    assert all(one["energy_j"] > 0 for one in found["requests"])


@pytest.mark.processes
@pytest.mark.usefixtures("small")
def test_costs_are_of_every_length_context_and_batch(tmp_path: Path) -> None:
    found = CostsCell("Q4_1", 0, (8, 16), (8,), (1, 2), 3).compute(tmp_path / "x")
    assert [row["tokens"] for row in found["prefill"]] == [8, 16]
    assert [(row["asked_context"], row["requests"]) for row in found["steps"]] == [(8, 1), (8, 2)]
    assert all(row["energy_j"] > 0 for row in (*found["prefill"], *found["steps"]))


@pytest.mark.processes
@pytest.mark.usefixtures("small")
def test_an_answer_goes_on_where_another_server_read(tmp_path: Path) -> None:
    (row,) = HandOverCell("Q4_1", 0, (20,)).compute(tmp_path / "x")["rows"]
    assert row["tokens"] == 20
    assert row["restored_prompt_n"] == 1
    assert row["bytes"] / 20 == pytest.approx(23_040, rel=0.02)
    assert row["whole_j"] > row["read_j"] > 0


@pytest.mark.processes
@pytest.mark.usefixtures("small")
def test_what_was_read_before_is_predicted_better(tmp_path: Path) -> None:
    """The text repeats itself: after a whole sentence, the next one is no surprise."""
    early = PerplexityCell("Q4_1", 1, 4, 6).compute(tmp_path / "x")["nats"]
    late = PerplexityCell("Q4_1", 1, 60, 6).compute(tmp_path / "x")["nats"]
    assert 0 < late[0] < early[0] / 2


def test_ratios_are_taken_pair_by_pair() -> None:
    rounds = [result_of(LengthsCell(k, (256,), 8)) for k in range(3)]
    ratio = summary.ratio_to_own(rounds, "Q4_0", "prefill")
    assert (ratio.mean, ratio.low) == (pytest.approx(0.625), pytest.approx(0.625))
    nats = {kind: result_of(PerplexityCell(kind, 4, 8, 8))["nats"] for kind in files.ALL}
    table = summary.kinds_table(rounds, nats, dict.fromkeys(files.ALL, 1), 70_423.0)
    own = table.set_index("kind").loc["Q4_0"]
    assert own["perplexity_ratio"] == pytest.approx(math.exp(0.065))
    joules = sum(1 / (2.0 * (1 + 0.01 * k)) for k in range(3)) / 3
    assert own["tree_bit_per_j"] == pytest.approx((2000 + 192 * 70_423.0) * joules)


def test_a_batch_is_compared_with_one_alone() -> None:
    costs = [
        result_of(CostsCell("Q4_1", k, (32, 64, 128, 192, 256, 384), (64, 256), (1, 8), 16)) for k in range(2)
    ]
    a, b, c = COSTS.step
    alone, eight = (a / batch + b + c * 264 for batch in (1, 8))
    assert summary.batch_ratio(costs).mean == pytest.approx(eight / alone)
    table = summary.batches_table(costs)
    assert set(zip(table["context"], table["requests"], strict=True)) == {
        (64, 1),
        (64, 8),
        (256, 1),
        (256, 8),
    }


def test_a_passage_lies_within_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "shakespeare", lambda: "abcdefghij")
    assert [files.passage(place, 4) for place in (0.0, 0.5, 0.99)] == ["abcd", "defg", "fghi"]
