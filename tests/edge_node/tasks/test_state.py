"""A model's state as it travels: parameters and persistent buffers by name, all of it as float32."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edge_node.tasks.state import averaged_into, load_arrays, on_device, state_bytes, state_of, to_arrays


class Counts(nn.Module):
    """Tied weights, whole numbers, truth values, a buffer that the model makes itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.second = nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("seen", torch.tensor([True, False]))
        self.register_buffer("mask", torch.ones(3), persistent=False)


NAMES = ("first.weight", "norm.weight", "norm.bias", "seen", "norm.running_mean", "norm.running_var",
         "norm.num_batches_tracked")  # fmt: skip


def test_tied_weights_travel_once_and_masks_do_not() -> None:
    model = Counts()
    assert set(state_of(model)) == set(NAMES)
    arrays = to_arrays(model)
    assert list(arrays) == list(state_of(model))
    assert all(array.dtype == np.float32 for array in arrays.values())
    assert arrays["norm.num_batches_tracked"].shape == ()
    assert state_bytes(model) == sum(array.nbytes for array in arrays.values()) == 4 * (4 + 2 * 4 + 2 + 1)


def test_whole_numbers_are_rounded_and_tied_weights_stay_tied() -> None:
    model = Counts()
    arrays = to_arrays(model) | {
        "first.weight": np.full((2, 2), 3, np.float32),
        "norm.num_batches_tracked": np.float32(2.6),
        "seen": np.array([0.2, 0.8], np.float32),
    }
    arrays["first.weight"].setflags(write=False)
    load_arrays(model, arrays)
    assert model.norm.num_batches_tracked == 3
    assert model.seen.tolist() == [False, True]
    assert model.second.weight.tolist() == [[3, 3], [3, 3]]
    assert model.second.weight is model.first.weight


def test_the_mean_of_states_is_that_of_every_tensor() -> None:
    models = [Counts(), Counts()]
    for k, model in enumerate(models):
        model.norm.num_batches_tracked.fill_(k + 1)
    states = [to_arrays(model) for model in models]
    sums = [torch.zeros(array.shape) for array in states[0].values()]
    for model, weight in zip(models, (0.25, 0.75), strict=True):
        averaged_into(sums, list(state_of(model).values()), weight)
    for name, found in zip(states[0], sums, strict=True):
        np.testing.assert_allclose(found, 0.25 * states[0][name] + 0.75 * states[1][name], rtol=1e-6)
    assert float(sums[list(states[0]).index("norm.num_batches_tracked")]) == 1.75


@pytest.mark.parametrize("given", [torch.ones(2), (torch.ones(2), torch.ones(1)), {"x": torch.ones(2)}])
def test_inputs_of_every_form_go_to_a_device(given) -> None:
    there = on_device(given, torch.device("meta"))
    parts = there.values() if isinstance(there, dict) else there if isinstance(there, tuple) else [there]
    assert all(part.is_meta for part in parts)
    assert type(there) is type(given)
