"""FedZero's blocklist: recent participants wait, the more often a client took part the longer. Pure.

Re-implemented from the published behaviour of dos-group/fedzero and compared with its decisions
(docs/decisions/0008-published-baselines.md). Two habits of the original's list are kept, because its decisions follow
from them: the entry after a released one is passed over until the next round, and a client that joined twice (while no
round was feasible) comes off twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

_DAY_S = 86400.0
_TRANSITION_S = 43200.0
"""In the second half of a cycle its mean goes over linearly to that of the clients active in it."""


class Uniform(Protocol):
    """The one method of a random generator that release needs."""

    def random(self) -> float: ...


@dataclass(frozen=True)
class Cycle:
    """Mean participation that a client's own is compared with, renewed once a day."""

    begun_s: float | None = None
    mean: float | None = 0.0
    """None: no client was active in the cycle before, and every listed client is released."""
    active: tuple[str, ...] = ()
    """Clients that had energy and capacity at some selection of this cycle."""

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Cycle:
        return cls(**{**state, "active": tuple(state["active"])})

    def to_state(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "active": list(self.active)}

    def at(self, now_s: float, rounds: Mapping[str, int]) -> tuple[float | None, Cycle]:
        """(mean that counts at ``now_s``, cycle from then on). The call that begins a cycle still uses the old mean."""
        if self.begun_s is None:
            return self.mean, replace(self, begun_s=now_s)
        if now_s >= self.begun_s + _DAY_S:
            return self.mean, Cycle(now_s, self._mean_of_active(rounds))
        into_s = now_s - (self.begun_s + _DAY_S - _TRANSITION_S)
        if into_s < 0:
            return self.mean, self
        current = self._mean_of_active(rounds)
        if self.mean is None or current is None:
            return None, self
        return self.mean + (current - self.mean) * into_s / _TRANSITION_S, self

    def with_active(self, clients: Sequence[str]) -> Cycle:
        return replace(self, active=tuple(dict.fromkeys((*self.active, *clients))))

    def _mean_of_active(self, rounds: Mapping[str, int]) -> float | None:
        counts = [rounds.get(client, 0) for client in self.active]
        return float(np.mean(counts)) if counts else None


def with_participants(
    blocked: Sequence[str], participants: Mapping[str, float], exclusion_share: float
) -> list[str]:
    """The list with those ``participants`` whose utility is at or below the quantile ``exclusion_share`` of theirs."""
    threshold = np.quantile(list(participants.values()), exclusion_share)
    return [*blocked, *(client for client, utility in participants.items() if utility <= threshold)]


def released(
    blocked: Sequence[str], rounds: Mapping[str, int], mean: float | None, alpha: float, rng: Uniform
) -> list[str]:
    """The list after every entry had its chance to come off it."""
    left, place = list(blocked), 0
    while place < len(left):
        client = left[place]
        if rng.random() <= release_probability(rounds.get(client, 0), mean, alpha):
            left.remove(client)
        place += 1
    return left


def release_probability(participations: int, mean: float | None, alpha: float) -> float:
    """alpha / (p_i - mean p), at most 1; 1 at or below the mean."""
    above = 0.0 if mean is None else participations - mean
    return min(alpha / above, 1.0) if above > 0 else 1.0
