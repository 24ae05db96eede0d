"""The video-like model beside the sequence of images: what memory over time adds in accuracy, and what it costs."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from edge_node.splitting.recurrent import RecurrentHead
from experiments.studies.terminal.measure import Executed
from experiments.studies.terminal.options import VIDEO as MECHANISM
from experiments.studies.terminal.options import Options, scores
from experiments.studies.terminal.training import Data, Models
from experiments.studies.terminal.video import IMAGES, VIDEO, WAYS, judge, sequences_table, video_table

SAME = [Executed(f"{way}, video", MECHANISM, 0.98, 0.9, 3.0, 0.0, 0.0) for way in WAYS]


@pytest.fixture
def table() -> pd.DataFrame:
    rows = []
    for distance_m in (100.0, 1000.0):
        for way, joules in zip(WAYS, (4e-3, 3e-3, 5e-3, 2e-3), strict=True):
            for name in (way, f"{way}, video"):
                row = {"distance_m": distance_m, "option": name, "workload": "sequence", "up_bytes": 9.0}
                row |= {"rate_bit_per_s": 1e9 / distance_m, "accuracy_fraction": 0.97, "latency_s": 0.01}
                rows.append(row | {"terminal_j": joules, "system_j": 2 * joules, "meets_deadline": True})
    return video_table(pd.DataFrame(rows))


def test_every_way_is_stated_for_both_models(table: pd.DataFrame) -> None:
    assert len(table) == 2 * 2 * len(WAYS)
    assert set(table["model"]) == {IMAGES, VIDEO}


def test_ways_with_values_as_they_are_give_the_local_scores_of_a_sequence(
    options: Options, data: Data
) -> None:
    local = next(option for option in options.local if option.mechanism == MECHANISM)
    away = [option for option in options.offload if option.mechanism == MECHANISM]
    assert {option.name for option in [local, *away]} == {f"{way}, video" for way in WAYS}
    for option in away[:2]:
        local.reset()
        option.reset()
        for frame in data.test_frames[:3, 0]:
            assert torch.equal(option.answer(option.encode(frame)), scores(local.model, frame))
    for option in away:
        assert option.remembers
        assert option.terminal_flop + option.server_flop >= local.flop


def test_accuracy_is_compared_on_sequences_of_their_own(
    models: Models, recurrent: RecurrentHead, data: Data
) -> None:
    found = sequences_table(models.base, recurrent, data, 6, 0)
    assert found["sequence_seed"].is_unique
    assert found[["images_accuracy_fraction", "video_accuracy_fraction"]].stack().between(0, 1).all()
    pd.testing.assert_frame_equal(found, sequences_table(models.base, recurrent, data, 6, 0))


def test_a_verdict_follows_its_limit(table: pd.DataFrame) -> None:
    sequences = pd.DataFrame({"frames": [9, 9]}).assign(
        images_accuracy_fraction=0.95, video_accuracy_fraction=[0.95, 0.98]
    )
    good = judge(table, sequences, SAME)
    assert {check["verdict"] for check in good.values()} == {"met"}
    assert "by_construction" in good["video-exact"]
    late = table.assign(meets_deadline=~table["way"].str.startswith("cut"))
    other = [*SAME[:2], Executed(SAME[2].option, MECHANISM, 0.98, 0.9, 3.1, 0.0, 0.0), SAME[3]]
    bad = judge(late, sequences.assign(video_accuracy_fraction=0.955), other)
    assert {check["verdict"] for check in bad.values()} == {"not met"}
    dear = table.assign(terminal_j=table["terminal_j"].where(table["model"] == IMAGES, 5e-3))
    assert judge(dear, sequences, SAME)["video"]["verdict"] == "not met"
