"""Tasks of a user's, small: images, tokens, tables."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset, TensorDataset

from edge_node.tasks.own.torch_task import TorchTask

_g = torch.Generator().manual_seed(0)


def _drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=_g)


PIXELS = torch.randint(0, 256, (120, 3, 8, 8), generator=_g, dtype=torch.uint8)
LABELS = (PIXELS.float().mean((1, 2, 3)) > 127).long() + 2 * (PIXELS[:, 0, 0, 0] > 127).long()
TOKENS = torch.randint(0, 20, (96, 9), generator=_g)
ROWS = _drawn(96, 5)
PRICES = ROWS @ _drawn(5, 1) + 0.1


class Normed(nn.Module):
    """Convolution with batch and group normalisation, a frozen layer, a scalar parameter and one that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.batch = nn.BatchNorm2d(8)
        self.group = nn.GroupNorm(2, 8)
        self.frozen = nn.Conv2d(8, 8, 1).requires_grad_(False)
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.unused = nn.Parameter(torch.ones(2))
        self.out = nn.Linear(8 * 36, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.group(self.batch(self.conv(x))))
        return self.scale * self.out(self.frozen(x).flatten(1))


class Attends(nn.Module):
    """One block of attention over tokens; input and output embedding are tied."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 16)
        self.block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.out = nn.Linear(16, 20, bias=False)
        self.out.weight = self.embedding.weight

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.out(self.block(self.embedding(tokens), src_mask=mask[0]))


class Sentences(Dataset):
    """Next tokens: arguments of the model by name."""

    def __init__(self, tokens: torch.Tensor) -> None:
        self.tokens = tokens
        self.mask = torch.triu(torch.full((8, 8), -torch.inf), 1)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, k: int):
        return {"tokens": self.tokens[k, :-1], "mask": self.mask}, self.tokens[k, 1:]


def dropping() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 1))


def rows(count: int) -> nn.Module:
    return nn.Sequential(nn.Linear(5, count), nn.Tanh(), nn.Linear(count, 1))


def tokens_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


IMAGES = TensorDataset(PIXELS[:100], LABELS[:100]), TensorDataset(PIXELS[100:], LABELS[100:])
TABLE = TensorDataset(ROWS[:80], PRICES[:80]), TensorDataset(ROWS[80:], PRICES[80:])
to_unit = lambda x: x.float() / 255  # noqa: E731

images = TorchTask(Normed, *IMAGES, optimizer=torch.optim.Adam, transform=to_unit)
local = TorchTask(Normed, *IMAGES, transform=to_unit, local=[nn.BatchNorm2d, "scale"])
tokens = TorchTask(
    Attends, Sentences(TOKENS[:80]), Sentences(TOKENS[80:]), optimizer=torch.optim.AdamW, loss=tokens_loss
)
table = TorchTask(
    partial(rows, 7),
    *TABLE,
    loss=nn.MSELoss(),
    optimizer=partial(torch.optim.SGD, momentum=0.9, nesterov=True),
)
plain = TorchTask(partial(rows, 7), *TABLE, loss=nn.MSELoss())
drops = TorchTask(dropping, *TABLE, loss=nn.MSELoss())
