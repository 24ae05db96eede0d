"""Updates that leave a node: clipped, and with noise of the stated size."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.supercore.differential_privacy import compute_clip_model_update

from edge_node.config import PrivacyConfig, TaskConfig
from edge_node.tasks.build import build_workload
from edge_node.tasks.evaluation import initial_parameters
from edge_node.tasks.private import PrivateWorkload, clipped
from edge_node.workload import Parameters


def config(place: int = 0, **privacy: object) -> TaskConfig:
    return TaskConfig(
        name="mnist-mlp",
        batch_size=16,
        batches_per_slot=4,
        learning_rate=0.1,
        partitions=3,
        partition_index=place,
        seed=3,
        privacy=PrivacyConfig.model_validate(privacy) if privacy else None,
    )


def update(told: TaskConfig, first: int = 0) -> np.ndarray:
    workload, begun = build_workload(told), initial_parameters("mnist-mlp", 3)
    found = workload.train(begun, [workload.batch(first + k, "development") for k in range(4)], {})
    return flat({name: found.parameters[name] - begun[name] for name in begun})


def flat(arrays: Parameters) -> np.ndarray:
    return np.concatenate([array.reshape(-1) for array in arrays.values()]).astype(float)


def test_an_update_is_scaled_to_the_norm_and_keeps_its_direction() -> None:
    plain, short = update(config()), update(config(clipping_norm=0.05))
    assert np.linalg.norm(plain) > 0.1
    assert np.linalg.norm(short) == pytest.approx(0.05, rel=1e-4)
    assert short @ plain == pytest.approx(np.linalg.norm(short) * np.linalg.norm(plain), rel=1e-4)
    np.testing.assert_allclose(update(config(clipping_norm=100.0)), plain, atol=1e-6)


def test_clipping_is_flowers() -> None:
    rng = np.random.default_rng(0)
    before, after = ([rng.normal(size=(4, 3)), rng.normal(size=5)] for _ in range(2))
    ours = clipped({str(k): a - b for k, (a, b) in enumerate(zip(after, before, strict=True))}, 0.7)
    theirs = [array.copy() for array in after]
    compute_clip_model_update(theirs, before, 0.7)
    for k, array in enumerate(theirs):
        np.testing.assert_allclose(before[k] + ours[str(k)], array)


def test_an_update_that_is_not_finite_is_refused_and_nothing_stays_nothing() -> None:
    with pytest.raises(ValueError, match="a norm of inf; allowed are finite numbers"):
        clipped({"a": np.array([np.inf])}, 1.0)
    assert clipped({"a": np.zeros(3)}, 1.0)["a"].tolist() == [0.0, 0.0, 0.0]


def test_noise_has_the_stated_size_and_follows_seed_node_and_examples() -> None:
    told = {"clipping_norm": 0.5, "noise_multiplier": 0.2}
    clean, noisy = update(config(clipping_norm=0.5)), update(config(**told))
    noise = noisy - clean
    assert noise.std() == pytest.approx(0.1, rel=0.01)
    assert abs(noise.mean()) < 0.001
    np.testing.assert_array_equal(update(config(**told)), noisy)
    other = update(config(1, **told)) - update(config(1, clipping_norm=0.5))
    later = update(config(**told), first=4) - update(config(clipping_norm=0.5), first=4)
    for drawn in (other, later):
        assert abs(np.corrcoef(noise, drawn)[0, 1]) < 0.02
    unseeded = update(config(**told, seeded=False)) - clean
    assert abs(np.corrcoef(noise, unseeded)[0, 1]) < 0.02


@pytest.mark.parametrize("whose", ["noise_multiplier", "server_noise_multiplier"])
def test_an_update_of_a_model_that_noise_broke_names_noise_norm_and_parameters(whose: str) -> None:
    workload, broken = (
        build_workload(config(clipping_norm=0.5, **{whose: 2.0})),
        initial_parameters("mnist-mlp", 3),
    )
    values = sum(array.size for array in broken.values())
    broken = {name: np.full_like(array, np.inf) for name, array in broken.items()}
    with pytest.raises(ValueError, match="nan") as caught, np.errstate(invalid="ignore"):
        workload.train(broken, [workload.batch(0, "development")], {})
    for word in (
        "noise_multiplier = 2 times clipping_norm = 0.5",
        f"{values:,} parameters",
        "task.learning_rate",
    ):
        assert word in str(caught.value)
    assert f"noise of length {values**0.5:.3g} to" in str(caught.value)


def test_its_operations_are_counted() -> None:
    costs = []
    for privacy in ({}, {"clipping_norm": 1.0}, {"clipping_norm": 1.0, "noise_multiplier": 1.0}):
        workload = build_workload(config(**privacy))
        batch = workload.batch(0, "development")
        costs.append(workload.train(initial_parameters("mnist-mlp", 3), [batch], {}).flop)
    assert costs[0] < costs[1] < costs[2]


def test_a_private_workload_needs_a_norm() -> None:
    with pytest.raises(ValueError, match="clipping_norm"):
        PrivateWorkload(config(masked=True))
