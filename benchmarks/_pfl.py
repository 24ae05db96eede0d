"""A round of pfl-research on the same users' tensors."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam import NNTrainHyperParams
from pfl.metrics import Metrics
from pfl.model.pytorch import PyTorchModel
from torch import Tensor
from torch.nn import functional as F

from benchmarks._small_mlp import Perceptron


class _Model(Perceptron):
    """What pfl asks of a module."""

    def loss(self, x: Tensor, y: Tensor, is_eval: bool = False) -> Tensor:
        return F.cross_entropy(self(x), y)

    def metrics(self, x: Tensor, y: Tensor, is_eval: bool = False) -> dict[str, Any]:
        return {}


class _Watch(TrainingProcessCallback):  # type: ignore[misc]
    """CPU seconds after every central iteration."""

    def __init__(self) -> None:
        self.cpu_s: list[float] = []

    def after_central_iteration(self, *_: Any, **__: Any) -> tuple[bool, Metrics]:
        self.cpu_s.append(time.process_time())
        return False, Metrics()


def round_cpu_s(users: list[tuple[Tensor, Tensor]], batch_size: int, learning_rate: float) -> float:
    """CPU seconds of the third central iteration: all users, one epoch each."""
    data = FederatedDataset(
        lambda user: Dataset(users[user], user_id=str(user)),
        get_user_sampler("minimize_reuse", list(range(len(users)))),
    )
    net, watch = _Model(), _Watch()
    model = PyTorchModel(net, torch.optim.SGD, torch.optim.SGD(net.parameters(), lr=1.0))
    with contextlib.redirect_stdout(sys.stderr):  # its metrics would mix with the JSON
        FederatedAveraging().run(
            NNAlgorithmParams(
                central_num_iterations=3,
                evaluation_frequency=100,
                train_cohort_size=len(users),
                val_cohort_size=0,
            ),
            SimulatedBackend(data, data),
            model,
            NNTrainHyperParams(
                local_num_epochs=1, local_learning_rate=learning_rate, local_batch_size=batch_size
            ),
            None,
            callbacks=[watch],
        )
    return watch.cpu_s[-1] - watch.cpu_s[-2]
