"""Verdicts that no measurement could change are found by drawing other measurements, and by nested programs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.studies.fei import fig4, placement, shipped, table1
from experiments.studies.fei.claims.construction import marked, nested, whatever_rounds
from experiments.studies.fei.claims.judgement import Judgement, Verdict
from experiments.studies.fei.claims.stages import stage_claims
from experiments.studies.fei.claims.table import table_claims
from experiments.studies.fei.plan import cells
from experiments.studies.fei.spec import FULL, REFERENCE_BATCHES, REFERENCE_SERVERS
from experiments.studies.fei.table1 import Outcome, Row
from tests.experiments.studies.fei.table_rows import NO_CHECK, NO_SEEDS


@pytest.fixture(scope="module")
def outcomes() -> dict[Row, Outcome]:
    """The reference rows of MLP and CNN as they ship."""
    trainings = {key: FULL.trainings[key] for key in (("MLP", REFERENCE_BATCHES), ("CNN", REFERENCE_BATCHES))}
    sizes = dict.fromkeys(("MLP", "CNN"), ("mnist", 60_000))
    found = {}
    for row, cell in cells(trainings, sizes, fig4.ROWS).items():
        if row.reading is REFERENCE_SERVERS and (known := shipped.find(cell)) is not None:
            found[row] = table1.outcome(row, known, "measured")
    assert len(found) == 12
    return table1.calibrated(found)


@pytest.fixture(scope="module")
def judged(outcomes: dict[Row, Outcome]) -> dict[str, Judgement]:
    world = placement.intensities()
    found = table_claims(table1.table(outcomes, {}, world), NO_CHECK, NO_SEEDS)
    shares = fig4.shares(fig4.table(outcomes, world))
    return found | stage_claims(shares, fig4.by_seed({}, world))


@pytest.fixture(scope="module")
def reasons(outcomes: dict[Row, Outcome], judged: dict[str, Judgement]) -> dict[str, str]:
    return whatever_rounds(judged, outcomes, placement.intensities())


@pytest.mark.parametrize(
    "name",
    [
        "carbon-grows-faster-sorted-mlp",  # sorted zones alone decide
        "carbon-grows-faster-random-mlp",  # not met: expected g/kWh are the same for any number
        "carbon-grows-faster-random-cnn",
        "stage-grows-sorted-preparation",
        "stage-grows-random-preparation",
        "stage-grows-sorted-application",  # so many requests a server
        "stage-grows-random-application",
    ],
)
def test_what_rounds_cannot_change_is_by_construction(
    name: str, judged: dict[str, Judgement], reasons: dict[str, str]
) -> None:
    assert "any rounds" in reasons[name]
    assert marked(judged, reasons)[name].as_dict()["by_construction"] == reasons[name]


@pytest.mark.parametrize(
    "name",
    [
        "energy-grows-linearly-mlp",
        "energy-grows-linearly-cnn",
        "energy-grows-linearly-lstm",  # not decidable: no rows
        "cnn-above-mlp",
        "stage-grows-sorted-development",
        "stage-grows-random-development",
        "higher-target-shifts-share-to-development",  # cannot fall, but need not rise
        "higher-target-shifts-share-with-recycling",  # hard to meet by chance, which is no construction
    ],
)
def test_what_rounds_decide_is_measured(
    name: str, judged: dict[str, Judgement], reasons: dict[str, str]
) -> None:
    assert name not in reasons
    assert "by_construction" not in marked(judged, reasons)[name].as_dict()


def test_a_verdict_against_the_construction_is_none_of_it(
    outcomes: dict[Row, Outcome], judged: dict[str, Judgement]
) -> None:
    name = "stage-grows-sorted-application"
    other = {name: replace(judged[name], verdict=Verdict.NOT_MET)}
    assert not whatever_rounds(other, outcomes, placement.intensities())


@pytest.mark.parametrize(
    ("better", "worse", "given"),
    [
        ("deta", "det", True),
        ("deta", "dat", True),
        ("det", "local", True),
        ("dat", "local", True),
        ("det", "dat", False),  # neither may do what the other may
        ("det", "deta", False),
        ("local", "grid", False),  # a rule, no optimum
    ],
)
def test_an_optimum_that_may_do_more_cannot_emit_more(better: str, worse: str, given: bool) -> None:
    assert bool(nested(better, worse)) is given
