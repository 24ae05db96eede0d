"""Labels follow from the joules of the lines: measured only where all were metered, and gaps are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from experiments.report.provenance import Kind, Known, known_from, known_of, known_of_reduction
from experiments.report.read import load


@pytest.mark.parametrize(
    ("joules", "kind", "text"),
    [
        ({"measured": 5.0}, Kind.MEASURED, "measured"),
        ({"modelled": 5.0}, Kind.MODELLED, "modelled"),
        ({"replayed": 5.0}, Kind.REPLAYED, "replayed"),
        ({"modelled": 6.0, "measured": 4.0}, Kind.MIXED, "measured and modelled, 40.0 % of joules measured"),
        ({"modelled": 3.0, "replayed": 1.0}, Kind.MIXED, "replayed and modelled, 25.0 % of joules replayed"),
        (
            {"replayed": 2.0, "modelled": 7.0, "measured": 1.0},
            Kind.MIXED,
            "measured, replayed and modelled, 10.0 % of joules measured",
        ),
        (
            {"modelled": 1e-9, "measured": 1.0},
            Kind.MIXED,
            "measured and modelled, over 99.9 % of joules measured",
        ),
        (
            {"measured": 1e-9, "modelled": 1.0},
            Kind.MIXED,
            "measured and modelled, under 0.1 % of joules measured",
        ),
        ({"modelled": 0.0, "measured": 3.0}, Kind.MEASURED, "measured"),
        ({"modelled": 0.0}, Kind.MODELLED, "modelled"),
        ({}, Kind.MISSING, "missing"),
    ],
)
def test_the_label_follows_from_the_joules(joules: dict[str, float], kind: Kind, text: str) -> None:
    known = known_from(joules)
    assert known.kind is kind
    assert known.text.replace("\u202f", " ") == text
    assert Known.from_dict(known.as_dict()) == known


def test_a_constant_makes_a_measured_figure_a_mixed_one_and_a_modelled_one_no_worse() -> None:
    assert known_from({"measured": 1.0}, has_constants=True).kind is Kind.MIXED
    assert known_from({"measured": 1.0}, has_constants=True).text == (
        "measured and modelled: joules measured, constants modelled"
    )
    assert known_from({"modelled": 1.0}, has_constants=True).text == "modelled"
    assert known_from({}, has_constants=True).kind is Kind.MISSING


def test_gaps_are_named_in_the_label(make_run: Callable[..., Path]) -> None:
    run = load(make_run("deta", 0, nodes=4, lost={"node-01": 12})).any_run
    known = known_of(run)
    assert known.missing_fraction == pytest.approx(12 / 96)
    assert known.text.replace("\u202f", " ") == "modelled; 12.5 % of node-slots missing"


def test_a_reduction_is_as_well_known_as_both_runs_and_a_baseline_not_run_is_a_model(
    make_compare: Callable[..., Path],
) -> None:
    folder = make_compare(policies=("local", "deta"), seeds=(0,), nodes=2)
    path = folder / "deta-s0" / "lines.parquet"
    pd.read_parquet(path).assign(provenance="measured").to_parquet(path)
    study = load(folder)
    assert known_of(study.runs["deta"][0]).text == "measured"
    against_local = known_of_reduction(study, "deta", "local")
    assert against_local.kind is Kind.MIXED
    share = dict(against_local.shares)["measured"]
    joules = {policy: study.runs[policy][0].tables["lines"]["energy_j"].sum() for policy in study.policies}
    assert share == pytest.approx(joules["deta"] / sum(joules.values()))
    path = folder / "local-s0" / "lines.parquet"
    pd.read_parquet(path).assign(provenance="measured").to_parquet(path)
    study = load(folder)
    assert known_of_reduction(study, "deta", "local").text == "measured"
    assert known_of_reduction(study, "deta", "grid").kind is Kind.MIXED
