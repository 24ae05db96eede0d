"""What is refused of users' models and data, in a sentence; what is counted; how answers are judged."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from edge_node.tasks.flops import count_flop
from edge_node.tasks.own.answers import answer_bytes, right_answers
from edge_node.tasks.own.errors import TaskError
from edge_node.tasks.own.examples import Form, read_examples
from edge_node.tasks.own.torch_task import TorchTask
from edge_node.tasks.registry import find_task
from tests.edge_node.tasks.own.examples_of_tasks import ROWS, TABLE, Normed, Sentences, rows

X, Y = ROWS, torch.arange(96) % 3
SET = TensorDataset(X, Y)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(SET)


class Ragged(Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, k: int):
        return torch.zeros(3 + k // 2), 0


class Broken(Ragged):
    def __getitem__(self, k: int):
        raise OSError("no such picture")


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, x):
        return self.layer(x).detach()


class Looks(nn.Module):
    """Nothing that is a product."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(5))

    def forward(self, x):
        return (x * self.table)[:, :3]


class OnlyOnGpu(nn.Linear):
    def forward(self, x):
        return super().forward(x.to("cuda"))


def net() -> nn.Module:
    return nn.Linear(5, 3)


ONE = net()
CLOCK = itertools.count()


def shifting() -> nn.Module:
    model = net()
    with torch.no_grad():
        model.bias.fill_(float(next(CLOCK)))
    return model


def growing() -> nn.Module:
    return nn.Linear(5, 3 + next(CLOCK))


def frozen() -> nn.Module:
    return net().requires_grad_(False)


REFUSED = {
    "a module in place of a function": (
        lambda: TorchTask(net(), SET, SET),
        "model_fn is a Linear; give a function",
    ),
    "an optimiser that was made": (
        lambda: TorchTask(net, SET, SET, optimizer=torch.optim.SGD(ONE.parameters(), lr=1)),
        "optimizer is a SGD; give a function .* such as torch.optim.Adam",
    ),
    "no module": (lambda: TorchTask(lambda: 3, SET, SET), "model_fn returned a int"),
    "one model for all": (lambda: TorchTask(lambda: ONE, SET, SET), "returns the same weights twice"),
    "weights of the clock": (lambda: TorchTask(shifting, SET, SET), "not deterministic: bias differs"),
    "shapes of the clock": (lambda: TorchTask(growing, SET, SET), "not deterministic: weight differs"),
    "a lazy layer": (lambda: TorchTask(lambda: nn.LazyLinear(3), SET, SET), "weight has no shape yet"),
    "no values": (lambda: TorchTask(lambda: net().to("meta"), SET, SET), "weight has no values"),
    "double precision": (
        lambda: TorchTask(lambda: net().double(), SET, SET),
        "float64; models are exchanged as",
    ),
    "no parameters": (lambda: TorchTask(nn.Flatten, SET, SET), "Flatten has no parameters"),
    "frozen parameters": (lambda: TorchTask(frozen, SET, SET), "all parameters are frozen"),
    "a detached output": (
        lambda: TorchTask(Detached, SET, SET),
        "does not depend on any trainable parameter",
    ),
    "a model that needs a GPU": (
        lambda: TorchTask(lambda: OnlyOnGpu(5, 3), SET, SET),
        r"the model: \w+: .*(CUDA|NVIDIA).* \(at .*test_own.py:\d+\)",
    ),
    "an input that does not fit": (
        lambda: TorchTask(lambda: nn.Linear(4, 3), SET, SET),
        r"the model: RuntimeError: mat1 and mat2 .* \(at ",
    ),
    "an output that does not fit the loss": (
        lambda: TorchTask(lambda: nn.Linear(5, 2), SET, SET),
        r"the loss, of an output float32 of shape \(\d, 2\) and a target int64 of shape \(\d,\): IndexError: Target 2",
    ),
    "a loss of many numbers": (
        lambda: TorchTask(net, SET, SET, loss=nn.CrossEntropyLoss(reduction="none")),
        r"the loss is float32 of shape \(2,\); it has to be one number",
    ),
    "a loss that is no tensor": (
        lambda: TorchTask(net, SET, SET, loss=lambda o, y: 1.0),
        "the loss is a float",
    ),
    "no products": (lambda: TorchTask(Looks, SET, SET), "no operations in the model.* give flop="),
    "an optimiser with a closure": (
        lambda: TorchTask(net, SET, SET, optimizer=torch.optim.LBFGS),
        "a training step on a batch of 8: TypeError: .*closure",
    ),
    "an optimiser that needs more": (
        lambda: TorchTask(net, SET, SET, optimizer=lambda parameters: None),
        "the optimiser: TypeError",
    ),
    "batch normalisation of one": (
        lambda: TorchTask(lambda: nn.Sequential(net(), nn.BatchNorm1d(3)), SET, SET),
        "a training step on a batch of 1: ValueError: Expected more than 1 value",
    ),
    "random transforms": (
        lambda: TorchTask(net, SET, SET, transform=lambda x: x + torch.randn(x.shape)),
        "transform draws at random",
    ),
    "a stream": (
        lambda: TorchTask(net, Stream(), SET),
        "train_set is a Stream without __len__ and __getitem__",
    ),
    "a loader": (lambda: TorchTask(net, SET, DataLoader(SET)), "test_set is a DataLoader; give the data set"),
    "no examples": (lambda: TorchTask(net, [], SET), r"train_set \(a list\) is empty"),
    "a function that fails": (
        lambda: TorchTask(net, lambda: Path("/no").read_bytes(), SET),
        "train_set: FileNotFoundError",
    ),
    "shapes that differ": (lambda: TorchTask(net, Ragged(), SET), r"input of example 2 has shape \(4,\)"),
    "an example that cannot be read": (
        lambda: TorchTask(net, Broken(), SET),
        r"train_set\[0\]: OSError: no such picture \(at .*test_own.py",
    ),
    "examples without target": (
        lambda: TorchTask(net, X, SET),
        r"train_set\[0\] is a Tensor; an example is \(input",
    ),
    "texts": (lambda: TorchTask(net, [("a", 0)], SET), "input of train_set.0. is a str; allowed are tensors"),
    "sets that differ": (lambda: TorchTask(net, SET, TensorDataset(X[:, :4], Y)), "examples of test_set are"),
    "too few groups": (lambda: TorchTask(net, SET, SET, groups=[1, 2]), r"groups has shape \(2,\); give one"),
    "nothing to keep": (
        lambda: TorchTask(net, SET, SET, local=["norm*"]),
        "nothing in the model is 'norm.'; its",
    ),
    "no layer to keep": (lambda: TorchTask(net, SET, SET, local=[nn.LSTM]), "nothing in the model is 'LSTM'"),
    "no number of operations": (
        lambda: TorchTask(net, SET, SET, flop=(0.0, 1.0)),
        "flop is .*; give two numbers",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_fail_in_a_run_is_refused_in_a_sentence(case: str) -> None:
    make, words = REFUSED[case]

    def tried() -> None:
        task = make()
        task.check(1 if "normalisation" in case else 8)
        task.kept()

    with pytest.raises(TaskError, match=words) as error:
        tried()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["mnist-mlp", "mnist-cnn", "shakespeare-lstm-plain", "tiny-gpt"])
def test_operations_are_those_of_the_hand_count(name: str) -> None:
    """Fused LSTM and fused attention included. The hand count of attention leaves out what a causal mask hides, and
    that of an LSTM has the gradient of the first step's state, which is zero."""
    ours = find_task(name)
    data = ours.dataset(ours.default_data).train
    x, y = ours.inputs({key: array[:4] for key, array in data.items()})
    task = TorchTask(ours.model, TensorDataset(x, y), TensorDataset(x, y), loss=ours.loss)
    by_hand = count_flop(ours.model(), x[:1])
    tolerance = {"tiny-gpt": 0.05, "shakespeare-lstm-plain": 0.003}.get(name, 1e-9)
    assert task.flop().forward == pytest.approx(by_hand.forward, rel=tolerance)
    assert task.flop().train == pytest.approx(by_hand.train, rel=tolerance)
    assert torch.backends.mkldnn.enabled


def test_operations_may_be_given_and_frozen_layers_cost_less() -> None:
    given = TorchTask(Looks, SET, SET, flop=(10.0, 30.0))
    given.check(4)
    assert (given.flop().forward, given.flop().train) == (10.0, 30.0)

    def half() -> nn.Module:
        return nn.Sequential(nn.Linear(5, 64).requires_grad_(False), nn.Linear(64, 3))

    whole = TorchTask(lambda: nn.Sequential(nn.Linear(5, 64), nn.Linear(64, 3)), SET, SET).flop()
    part = TorchTask(half, SET, SET).flop()
    assert part.forward == whole.forward == 2 * 64 * (5 + 3)
    assert part.train == 2 * 64 * (5 + 3 + 3)
    assert whole.train == 2 * 64 * (5 + 3 + 5 + 3 + 3)


def test_a_model_of_numpys_generator_repeats() -> None:
    def drawn() -> nn.Module:
        model = net()
        with torch.no_grad():
            model.bias.copy_(torch.from_numpy(np.random.randn(3).astype(np.float32)))  # noqa: NPY002
        return model

    task = TorchTask(drawn, SET, SET)
    task.check(4)
    one, other = task.initial_parameters(4), task.initial_parameters(5)
    assert np.array_equal(one["bias"], task.initial_parameters(4)["bias"])
    assert not np.array_equal(one["bias"], other["bias"])


def test_a_check_draws_nothing_and_changes_no_model() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    task = TorchTask(Normed, *(TensorDataset(torch.rand(9, 3, 8, 8), torch.arange(9) % 4),) * 2)
    torch.manual_seed(0)
    before = task.initial_parameters(0)
    task.check(5)
    assert torch.equal(torch.rand(1), expected)
    assert all(np.array_equal(array, task.initial_parameters(0)[name]) for name, array in before.items())


def test_a_node_may_serve_before_it_learns() -> None:
    task = TorchTask(net, SET, SET)
    with torch.inference_mode():
        assert task.flop().forward == 30
        assert not task._trial.draws
        task.check(3)


def test_examples_keep_their_kind_and_lose_their_double_precision() -> None:
    numbers = [((np.float64(k), np.uint8(k)), k % 2 == 0) for k in range(3)]
    form, arrays = read_examples(numbers, "train_set")
    assert form == Form("tuple", ("input0", "input1"))
    assert [array.dtype for array in arrays.values()] == [np.float32, np.uint8, np.int64]
    assert arrays["target"].tolist() == [1, 0, 1]
    form, arrays = read_examples(Sentences(torch.arange(27).reshape(3, 9)), "train_set")
    assert form.names == ("input.tokens", "input.mask")
    given = form.input({name: torch.from_numpy(array) for name, array in arrays.items()})
    assert list(given) == ["tokens", "mask"]
    assert given["tokens"].dtype is torch.int64


@pytest.mark.parametrize(
    ("output", "target", "right", "size"),
    [
        (torch.eye(3), torch.tensor([0, 1, 1]), (2, 3), 1),
        (torch.eye(3)[:, :, None].expand(3, 3, 4), torch.zeros(3, 4, dtype=torch.int64), (4, 12), 4),
        (torch.eye(300)[:2, None], torch.tensor([[0], [-100]]), (1, 1), 2),
        (torch.zeros(2, 5), torch.zeros(2, 5), (0, 0), 20),
        ((torch.zeros(2, 5), {"more": torch.zeros(2)}), torch.zeros(2, dtype=torch.int64), (0, 0), 24),
    ],
    ids=["classes", "classes in dimension 1", "classes last, one left out", "numbers", "several outputs"],
)
def test_answers_are_judged_where_they_are_classes(output, target, right, size) -> None:
    assert right_answers(output, target) == right
    assert answer_bytes(output, target) == size


def test_a_judge_of_ones_own_is_asked() -> None:
    task = TorchTask(
        lambda: rows(3),
        *TABLE,
        loss=F.l1_loss,
        correct=lambda output, target: (((output - target).abs() < 9).sum(), 8),
    )
    assert task.correct(torch.zeros(8, 1), torch.zeros(8, 1)) == (8, 8)


def test_data_are_read_when_they_are_needed_and_once() -> None:
    asked = []

    def make():
        asked.append(time.monotonic())
        return SET

    task = TorchTask(net, make, make)
    assert not asked
    assert task.dataset("own") is task.dataset("own")
    assert len(asked) == 2
    with pytest.raises(TaskError, match="has data own and second, got 'mnist'"):
        task.dataset("mnist")
