"""All claims: a verdict for every reading, and their headline."""

from __future__ import annotations

import pandas as pd

from experiments.studies.fei import headline, table1
from experiments.studies.fei.claims.judgement import About, Judgement, Verdict
from experiments.studies.fei.claims.table import every_reading
from experiments.studies.fei.spec import BatchReading
from tests.experiments.studies.fei.table_rows import judged, rows

NO_SEEDS = pd.DataFrame(columns=table1.SEED_COLUMNS)
NO_CHECK = pd.DataFrame(columns=["reading_e_b", "reading_servers", "servers", "error_fraction"])
STRAIGHT, CROOKED = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 9.0, 1.0, 9.0, 1.0, 9.0]
STEEP, SCATTERED = [1.0, 4.0, 9.0, 16.0, 25.0, 36.0], [1.5, 1.0, 4.0, 3.0, 6.0, 5.0]


def test_every_reading_has_a_verdict_on_every_claim() -> None:
    frame = rows(STEEP)
    other = frame.assign(reading_e_b=str(BatchReading.AS_PRINTED), ours_kwh=STRAIGHT)
    both = pd.concat([frame, other])
    found = every_reading(both, NO_CHECK, NO_SEEDS, judged(both))
    assert len(found) == 4 * 10
    linear = found[found["claim"] == "energy-grows-linearly-mlp"]
    assert list(linear["verdict"]) == ["not decidable", "met", "not decidable", "not met"]
    assert list(linear["is_reference"]) == [False, False, False, True]


def test_the_headline_counts_claims_and_names_what_is_none() -> None:
    about = {"a": About.CLAIM, "b": About.CLAIM, "c": About.SETUP, "d": About.ADDED}
    said = headline.sentence(
        {name: Judgement(Verdict.MET, "", "", "", about=kind) for name, kind in about.items()}
    )
    assert said.startswith("Of 2 tests of the paper's claims 2 are met")
    assert "1 of 1 parameter counts" in said
    assert "1 of 1 tests on recycling" in said
