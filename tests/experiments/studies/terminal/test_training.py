"""The study's models: trained here, deterministic by seed, kept in the cache folder under the hash of all they need."""

from __future__ import annotations

from pathlib import Path

import torch

from edge_node.splitting.recurrent import RecurrentHead
from experiments.studies.terminal.options import Options, build_options, scores
from experiments.studies.terminal.training import (
    Data,
    Models,
    digest_of,
    load_models,
    save_models,
    train_models,
)
from tests.experiments.studies.terminal.sizes import TINY


def test_training_is_cached_by_content_and_the_same_by_seed(cache: Path, data: Data, models: Models) -> None:
    again = train_models(data, TINY, 0, lambda what: None)
    assert models.trained_now
    assert not again.trained_now
    for a, b in zip(models.base.parameters(), again.base.parameters(), strict=True):
        assert torch.equal(a, b)
    assert digest_of(data, TINY, 1) != models.digest
    assert len(list(cache.rglob("terminal/*.safetensors"))) == 1


def test_saved_models_answer_as_before(
    tmp_path: Path, data: Data, models: Models, recurrent: RecurrentHead, options: Options
) -> None:
    save_models(models, tmp_path / "m.safetensors")
    loaded = build_options(load_models(tmp_path / "m.safetensors", models.digest), recurrent)
    frame = data.test_frames[0, 0]
    for ours, theirs in zip(options.offload, loaded.offload, strict=True):
        ours.reset()
        payload = ours.encode(frame)
        if ours.payload_bytes is not None:
            assert len(payload) == ours.payload_bytes
        assert torch.equal(theirs.answer(payload), ours.answer(payload))


def test_exact_options_give_the_models_scores(data: Data, models: Models, options: Options) -> None:
    for option in options.offload:
        if option.mechanism in ("full offloading", "partial offloading"):
            for frame in data.test_frames[:3, 0]:
                assert torch.equal(option.answer(option.encode(frame)), scores(models.base, frame))


def test_a_student_and_its_control_differ_by_the_teacher_alone(models: Models) -> None:
    for width, student in models.distilled.items():
        assert student.widths == models.alone[width].widths == models.pruned[width].widths
        pairs = zip(student.parameters(), models.alone[width].parameters(), strict=True)
        assert any(not torch.equal(ours, theirs) for ours, theirs in pairs)


def test_loaded_local_options_answer_as_before(
    tmp_path: Path, data: Data, models: Models, recurrent: RecurrentHead, options: Options
) -> None:
    save_models(models, tmp_path / "m.safetensors")
    loaded = build_options(load_models(tmp_path / "m.safetensors", models.digest), recurrent)
    frame = data.test_frames[0, 0]
    for ours, theirs in zip(options.local, loaded.local, strict=True):
        assert ours.name == theirs.name
        ours.reset()
        assert torch.equal(scores(ours.model, frame), scores(theirs.model, frame))
