"""The claims under other ways to serve."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.studies.tree.claims import CLAIMS
from experiments.studies.tree.page import case_study_page
from experiments.studies.tree.serving import ALONE, VARIANTS
from experiments.studies.tree.settings import REFERENCE, study_settings, variant_settings
from experiments.studies.tree.study import run_study
from experiments.studies.tree.tables import curves_table, parameters_table
from experiments.studies.tree.variants import (
    MARK,
    Judged,
    judge_variants,
    variant_counts,
    variants_for_people,
    variants_table,
)
from tests.experiments.studies.tree.sizes import TINY

WAYS = (ALONE, *VARIANTS)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    settings = [setting for serving in WAYS for setting in variant_settings(serving)]
    folder: Path = tmp_path_factory.mktemp("variants")
    results = run_study(folder, settings, replace(TINY, seeds=2), workers=1)
    return judge_variants(curves_table(results), results.parameters)


def test_the_study_simulates_what_is_judged() -> None:
    simulated = set(study_settings())
    assert all(setting in simulated for serving in WAYS for setting in variant_settings(serving))


def test_every_claim_is_judged_in_every_way_to_serve(judged: Judged) -> None:
    assert list(judged) == list(WAYS)
    counts = variant_counts(judged)
    assert all(row["met"] + row["not_met"] + row["not_decidable"] == 16 for row in counts)
    assert all(len(row["claims"]) == 16 for row in counts)
    assert len(variants_table(judged)) == len(WAYS) * len(CLAIMS)
    shown = variants_for_people(counts)
    assert len(shown.columns) == 2 + len(WAYS)
    assert len(shown.rows) == 17
    assert shown.rows[-1][2:] == [f"{row['met']}, {row['met_by_construction']}" for row in counts]


def test_a_verdict_that_holds_by_construction_is_marked(judged: Judged) -> None:
    for row, by_claim in zip(variant_counts(judged), judged.values(), strict=True):
        constructed = {name for name, one in by_claim.items() if one.claim.counted and one.by_construction}
        assert set(row["by_construction"]) == constructed
        assert row["met_by_construction"] == sum(row["claims"][name] == "met" for name in constructed)
    shown = variants_for_people(variant_counts(judged))
    marked = {line[0] for line in shown.rows[:-1] if line[2].endswith(MARK)}
    assert marked == set(variant_counts(judged)[0]["by_construction"])


def test_the_page_has_the_verdicts_side_by_side(judged: Judged) -> None:
    counts = variant_counts(judged)
    row = {
        "background": "medium",
        "discipline": "fifo",
        "counting": "output",
        "alpha_bits_per_token": 10.0,
        "met": 1,
    }
    report = {
        "extent": {"seeds": 2, "window_s": 3.0, "warmup_s": 0.5},
        "rule": {"confidence_fraction": 0.99, "change_fraction": 0.02, "flat_fraction": 0.05},
        "reference": REFERENCE.label,
        "claims": {},
        "map": [row],
        "variants": counts,
    }
    page = case_study_page(report, parameters_table(), [])
    assert all(f"<th>{serving.label}</th>" in page for serving in WAYS)
    assert "step_c_s" in page


def test_ways_to_serve_differ_in_what_is_measured(judged: Judged) -> None:
    digests = {serving: by_claim["VU2"].digest for serving, by_claim in judged.items()}
    assert len(set(digests.values())) == len(WAYS)
