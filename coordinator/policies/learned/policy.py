"""Learned: transfers, offloads and batteries by a small network that was trained on other zones and days.

It decides as soon as it sees the fleet, without a solver. Weights and the training's record ship with the package
(rl.safetensors, rl.json); experiments.studies.learned.train makes them. The record has the weights' hash, which is
checked; so is that of other weights with a record beside them. Actions are projected onto the limits
(action.py), so that every decision keeps them. Nodes stay awake, and work that does not move runs at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.market.layout import Restrictions
from coordinator.policies.learned.action import decision_of
from coordinator.policies.learned.network import WEIGHTS, Network
from coordinator.policies.learned.observation import DAY, observed
from coordinator.policies.learned.record import beside, record_of

SHIPPED = Path(__file__).parent / WEIGHTS


class Learned:
    """A network trained by reinforcement decides transfers, offloads and batteries.

    weights: a safetensors file of another training; empty: what ships.
    """

    name: ClassVar[str] = "rl"
    restrictions: ClassVar[Restrictions] = Restrictions(transfers=True, offloading=True, harvest=True)

    def __init__(self, weights: str = "") -> None:
        """Raises DataError for a file that holds no such network, and for weights that are not those of the record
        beside them; what ships has one."""
        path = Path(weights) if weights else SHIPPED
        if path == SHIPPED or beside(path).exists():
            record_of(path)
        self._network = Network.read(path)

    @staticmethod
    def wants_slots(deadline_slots: int) -> int:
        """The slot and the day after it: what was seen in training."""
        return DAY

    def init(self, seed: int) -> None:
        """No state: the mean action is taken, nothing is drawn."""

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        return decision_of(fleet, self._network.action(observed(fleet))), state
