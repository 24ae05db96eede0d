"""What the set-up must have before any claim is looked at."""

from __future__ import annotations

from experiments.studies.fei.claims.setup import parameter_claims


def test_models_have_the_papers_parameters() -> None:
    assert {str(judgement.verdict) for judgement in parameter_claims().values()} == {"met"}
