"""A network that treats all nodes alike, as stable-baselines3 trains it; the policy reads its weights."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from coordinator.policies.learned.action import ACTIONS
from coordinator.policies.learned.observation import OBSERVED

HIDDEN = 64
START = (0.0, 0.0, 0.5)
"""First mean of a node's action: no trade, a battery that gives half of what it can ([C]: close to LOCAL, and inside
the range)."""
START_DEVIATION = 0.4


class EachNode(nn.Module):
    """(B, N * OBSERVED) to (B, N * HIDDEN) for actions and (B, HIDDEN) for the value."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.latent_dim_pi, self.latent_dim_vf, self._nodes = nodes * HIDDEN, HIDDEN, nodes
        self.actor, self.critic = _layers(), _layers()

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: Tensor) -> Tensor:
        found: Tensor = self.actor(features.view(-1, self._nodes, OBSERVED))
        return found.flatten(1)

    def forward_critic(self, features: Tensor) -> Tensor:
        found: Tensor = self.critic(features.view(-1, self._nodes, OBSERVED))
        return found.mean(dim=1)


class ActionOfEach(nn.Module):
    """(B, N * HIDDEN) to (B, N * ACTIONS), the same for every node."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(HIDDEN, ACTIONS)
        nn.init.orthogonal_(self.last.weight, gain=0.01)
        with torch.no_grad():
            self.last.bias.copy_(torch.tensor(START))

    def forward(self, latent: Tensor) -> Tensor:
        found: Tensor = self.last(latent.view(latent.shape[0], -1, HIDDEN))
        return found.flatten(1)


class NodePolicy(ActorCriticPolicy):
    """Actor and critic with weights that all nodes share, for any number of nodes."""

    def _build_mlp_extractor(self) -> None:
        assert self.observation_space.shape is not None
        self.mlp_extractor: Any = EachNode(self.observation_space.shape[0])

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net = ActionOfEach()
        with torch.no_grad():
            self.log_std.fill_(torch.log(torch.tensor(START_DEVIATION)))
        made: Any = self.optimizer_class
        self.optimizer = made(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def weights(self) -> dict[str, Any]:
        """Arrays of the actor by name, as coordinator.policies.learned.network reads them."""
        found = {}
        last: Any = self.action_net
        layers = [one for one in self.mlp_extractor.actor if isinstance(one, nn.Linear)] + [last.last]
        for number, layer in enumerate(layers):
            found[f"weight_{number}"] = layer.weight.detach().numpy(force=True).copy()
            found[f"bias_{number}"] = layer.bias.detach().numpy(force=True).copy()
        return found


def _layers() -> nn.Sequential:
    return nn.Sequential(nn.Linear(OBSERVED, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh())
