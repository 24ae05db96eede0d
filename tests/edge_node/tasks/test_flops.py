"""The hand count of operations against torch's own counter, which sees what is executed here and now.

The two differ where torch's counter does not know a kernel (the fused LSTM, fused attention on a CPU) or a variant of
one (a product in place), and where the hand count follows the formula and not the execution. Each difference is stated
to the operation.
"""

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from edge_node.tasks import tiny_gpt
from edge_node.tasks.data.text import LENGTH
from edge_node.tasks.flops import count_flop
from edge_node.tasks.registry import find_task
from edge_node.tasks.shakespeare_lstm import EMBEDDED, HIDDEN, LAYERS
from edge_node.tasks.text import VOCABULARY
from tests.edge_node.tasks.shipped import SHIPPED

STEP = 2 * 4 * HIDDEN * HIDDEN
"""One step of one layer: its four gates times the output before."""
OUTPUT = 2 * LENGTH * HIDDEN * VOCABULARY


def counted_by_torch(name: str) -> tuple[int, int]:
    """Operations of one example, forward and for training."""
    task = find_task(name)
    text = name not in ("mnist-mlp", "mnist-cnn", "mnist-cnn-62")
    model = task.model()
    x = torch.zeros(1, LENGTH, dtype=torch.int64) if text else torch.zeros(1, 1, 28, 28)
    with FlopCounterMode(display=False) as forward:
        output = model(x)
    target = torch.zeros(1, LENGTH, dtype=torch.int64) if text else torch.zeros(1, dtype=torch.int64)
    with FlopCounterMode(display=False) as backward:
        task.loss(output, target).backward()
    return forward.get_total_flops(), forward.get_total_flops() + backward.get_total_flops()


@pytest.mark.parametrize("name", ["mnist-mlp", "mnist-cnn", "mnist-cnn-62"])
def test_images_count_as_torch_counts(name):
    flop = find_task(name).flop()
    assert (flop.forward, flop.train) == counted_by_torch(name)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_count_is_the_same_while_a_node_serves(name):
    task = find_task(name)
    example = next(iter(task.inputs({k: a[:1] for k, a in task.dataset(task.default_data).test.items()})))
    model = task.model()
    expected = count_flop(model, example)
    with torch.inference_mode():
        assert count_flop(task.model(), example.clone()) == expected == count_flop(model, example)


def test_peephole_cells_count_what_torch_misses_in_place():
    """torch's counter does not see ``addmm_``, the product with the output before, in any step of the forward pass.
    The hand count's backward pass is twice the forward: the last step's output has no gradient from a step after it,
    so that one product per layer is counted and not executed.
    """
    flop = find_task("shakespeare-lstm").flop()
    forward, train = counted_by_torch("shakespeare-lstm")
    in_place = LAYERS * LENGTH * STEP
    assert flop.forward - forward == in_place
    assert flop.train - train == in_place + LAYERS * STEP


def test_torchs_cells_count_though_its_counter_sees_none_of_them():
    """torch's counter does not know the fused LSTM and counts the output layer alone. Of the same cells called step by
    step it counts what the hand count says.
    """
    flop = find_task("shakespeare-lstm-plain").flop()
    forward, train = counted_by_torch("shakespeare-lstm-plain")
    assert (forward, train) == (OUTPUT, 3 * OUTPUT)
    with FlopCounterMode(display=False) as cells:
        for k in range(LAYERS):
            cell, state = nn.LSTMCell(EMBEDDED if k == 0 else HIDDEN, HIDDEN), None
            for _ in range(LENGTH):
                state = cell(torch.zeros(1, cell.input_size), state)
    assert flop.forward == cells.get_total_flops() + OUTPUT
    assert flop.train == 3 * flop.forward


def test_attention_counts_the_half_that_a_token_may_see():
    """torch's counter does not know fused attention on a CPU. Of attention written out it counts all pairs of tokens;
    the hand count takes the pairs of a token with itself and those before it.
    """
    flop = find_task("tiny-gpt").flop()
    forward, train = counted_by_torch("tiny-gpt")
    a_pair = tiny_gpt.BLOCKS * 4 * tiny_gpt.WIDTH
    seen = LENGTH * (LENGTH + 1) // 2
    assert flop.forward - forward == a_pair * seen
    assert flop.train - train == 3 * a_pair * seen
    with sdpa_kernel(SDPBackend.MATH):
        forward, train = counted_by_torch("tiny-gpt")
    assert forward - flop.forward == a_pair * (LENGTH**2 - seen)
    assert train - flop.train == 3 * a_pair * (LENGTH**2 - seen)


def test_every_task_is_compared_above():
    compared = {
        "mnist-mlp",
        "mnist-cnn",
        "mnist-cnn-62",
        "shakespeare-lstm",
        "shakespeare-lstm-plain",
        "tiny-gpt",
    }
    assert set(SHIPPED) == compared


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(5, 3), (2, 7, 5)),
        (nn.Linear(5, 3, bias=False), (4, 5)),
        (nn.Conv2d(4, 6, (3, 5), stride=2, padding=1), (1, 4, 9, 11)),
        (nn.Conv2d(4, 8, 3, groups=4, bias=False), (2, 4, 8, 8)),
    ],
)
def test_a_layers_operations_are_those_torch_counts(layer, shape):
    x = torch.zeros(shape, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        output = layer(x)
    forward = counter.get_total_flops()
    with counter:
        output.sum().backward()
    assert count_flop(layer, x).forward == forward
    assert count_flop(layer, x.detach()).train == 2 * forward
    assert count_flop(layer, x).train == 3 * forward


def test_layers_that_cannot_be_counted_are_named():
    with pytest.raises(TypeError, match="Bilinear"):
        count_flop(nn.Bilinear(2, 2, 2), torch.zeros(1, 2))
