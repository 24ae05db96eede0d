"""Claims on Fig. 4: stages that grow with servers, and shares that move with the target accuracy."""

from __future__ import annotations

import pandas as pd

from experiments.studies.fei.claims.judgement import About, Verdict
from experiments.studies.fei.claims.stages import stage_claims
from experiments.studies.fei.fig4 import STAGES
from experiments.studies.fei.spec import SERVERS

STRAIGHT, CROOKED = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 9.0, 1.0, 9.0, 1.0, 9.0]


def stages(development: list[list[float]]) -> pd.DataFrame:
    """Grams of development by servers and target; the other stages alike at both."""
    records = []
    for servers, levels in zip(SERVERS, development, strict=False):
        for target, grams in zip((0.95, 0.975), levels, strict=True):
            for stage in STAGES:
                value = {"development": grams, "application": float(servers), "preparation": 1.0}.get(
                    stage, 5.0
                )
                records.append((servers, target, stage, value, value))
    columns = ["servers", "target_fraction", "stage", "sorted_g", "random_mean_g"]
    return pd.DataFrame(records, columns=columns)


def test_stages_are_judged_by_placement_and_say_what_is_by_construction() -> None:
    found = stage_claims(stages([[k, k + 1.0] for k in STRAIGHT]), pd.DataFrame())
    assert found["stage-grows-random-development"].verdict is Verdict.MET
    assert found["stage-grows-random-preparation"].verdict is Verdict.NOT_MET
    assert "by construction" in found["stage-grows-sorted-application"].why
    assert "cannot fall" in found["higher-target-shifts-share-to-development"].why
    assert found["stage-grows-sorted-recycling"].about is About.ADDED


def test_stages_are_judged_on_every_seed() -> None:
    up, level = stages([[k, k + 1.0] for k in STRAIGHT]), stages([[1.0, 1.0]] * 6)
    seeds = pd.concat([up.assign(seed=0), level.assign(seed=1)])
    found = stage_claims(up, seeds)
    for name in ("stage-grows-sorted-development", "higher-target-shifts-share-to-development"):
        assert found[name].verdict is Verdict.NOT_DECIDABLE
        assert "met with 1 of 2 training seeds" in found[name].ours
