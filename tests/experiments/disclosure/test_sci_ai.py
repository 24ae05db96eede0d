"""Scores of software carbon intensity for AI, worked out again from the tables."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest
from safetensors.numpy import load_file

from experiments.disclosure.entry import Entry
from experiments.disclosure.part import CONSUMER, PROVIDER, lines_of
from experiments.disclosure.sci_ai import sci_ai, services_of
from experiments.report.lifecycle.embodied import Embodied
from experiments.report.read import Run


def entries(run: Run, made: Embodied) -> dict[str, Entry]:
    return {entry.key: entry for entry in sci_ai(run, made).entries}


def test_a_score_is_operational_and_embodied_grams_over_the_unit(run: Run, made: Embodied) -> None:
    found = entries(run, made)
    served = run.tables["slots"]["requests"].sum()
    grams = lines_of(run, CONSUMER)["operational_g"].sum()
    assert made.total_g is not None
    slots = run.tables["slots"].drop_duplicates("slot")["stage"]
    consumer = grams + made.total_g * (slots == "application").mean()
    score = found["consumer_sci_mnist-mlp_g_per_1000_inferences"]
    assert score.value == pytest.approx(1000 * consumer / served)
    provider = lines_of(run, PROVIDER)["operational_g"].sum() + made.total_g * (slots != "application").mean()
    weights = load_file(run.folder / "model.safetensors")
    size = sum(value.size for name, value in weights.items() if name.startswith("development/"))
    assert found["provider_sci_g_per_billion_parameters"].value == pytest.approx(1e9 * provider / size)
    assert found["provider_sci_g_per_exaflop"].value is not None
    assert score.low is not None
    assert score.high is not None
    assert score.value is not None
    assert score.low < score.value < score.high


def test_services_share_what_is_no_ones_own_by_their_joules(run: Run, made: Embodied) -> None:
    serving = run.tables["serving"]
    second = serving.assign(
        service="tiny-gpt", tokens_in=100.0, tokens_out=50.0, energy_j=3 * serving["energy_j"]
    )
    both = replace(run, tables={**run.tables, "serving": pd.concat([serving, second])})
    shares = services_of(both)["share"]
    assert shares.sum() == pytest.approx(1.0)
    assert shares["tiny-gpt"] == pytest.approx(0.75)
    alone, shared = entries(run, made), entries(both, made)
    key = "consumer_sci_mnist-mlp_g_per_1000_inferences"
    assert shared[key].value == pytest.approx(0.25 * (alone[key].value or 0))
    tokens = shared["consumer_sci_tiny-gpt_g_per_million_tokens"]
    assert tokens.unit == "g CO2e per million tokens"
    assert "tokens in and out" in tokens.how


def test_without_serving_or_a_factor_there_is_a_reason_instead_of_a_score(run: Run, made: Embodied) -> None:
    none = replace(run, tables={**run.tables, "serving": run.tables["serving"].iloc[:0]})
    assert (
        entries(none, made)["consumer_sci_g_per_1000_inferences"].reason
        == "no inference was served in this run"
    )
    unknown = Embodied((), {}, "no sourced factor for board 'x'")
    for key, entry in entries(run, unknown).items():
        assert ("sci" in key or "embodied" in key) == (entry.value is None), key
        assert entry.value is not None or entry.reason == unknown.reason


def test_a_node_whose_making_is_not_known_is_named_beside_the_figure(run: Run, made: Embodied) -> None:
    partly = replace(made, devices=made.devices[1:], unknown={"n0": "no sourced factor for its board"})
    found = entries(run, partly)
    for key, entry in found.items():
        named = re.search(r"M leaves out n0 · \S+ \(no sourced factor for its board\)", entry.how) is not None
        assert named == ("sci" in key or "embodied" in key), key
