"""A node's side of one round of secure aggregation: Bonawitz et al. 2017, figure 4, rounds 0 to 3, curious server."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from protos.masking import keys, masks, shamir

LEAST_NODES = 3
"""Of two nodes each would know the other's update from the sum."""


def about(slot: int) -> str:
    """Name of a round. All keys are of one round, so that it need not name the run."""
    return f"slot {slot}"


class MaskingError(ValueError):
    """A message of the server that a node must not act on."""


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """What a node tells all others."""

    sealing: bytes
    """To encrypt shares for it."""
    masking: bytes
    """To agree on a mask with it."""


class Party:
    """One node in one round. Its methods are called in the order below, each once.

    Args:
        me: The node's number.
        about: Names run and round: keys of one round open nothing of another.
    """

    def __init__(self, me: int, about: str) -> None:
        self.me, self._about = me, about
        self._sealing, self._masking, self._own = keys.new_key(), keys.new_key(), secrets.token_bytes(32)
        self.public = PublicKeys(keys.public_of(self._sealing), keys.public_of(self._masking))
        self._others: dict[int, PublicKeys] = {}
        self._threshold = 0
        self._shares: dict[int, tuple[bytes, bytes]] = {}
        """By owner: its own seed's share and its masking key's."""
        self._masked_with: tuple[int, ...] = ()
        self._is_unmasked = False

    def share(self, others: Mapping[int, PublicKeys], threshold: int) -> dict[int, bytes]:
        """Sealed shares for each of ``others`` (all nodes of the round, this one included).

        Raises MaskingError where the threshold would protect nothing."""
        nodes = sorted(others)
        if self.me not in others or others[self.me] != self.public:
            raise MaskingError(
                f"node {self.me} is not among the nodes of the round with the keys that it sent"
            )
        if threshold < LEAST_NODES or not len(nodes) / 2 < threshold <= len(nodes):
            raise MaskingError(
                f"{len(nodes)} nodes and a threshold of {threshold}; needed are {LEAST_NODES} nodes, and more than "
                "half of them"
            )
        if len({key for each in others.values() for key in (each.sealing, each.masking)}) < 2 * len(nodes):
            raise MaskingError("two nodes have the same key")
        self._others, self._threshold = dict(others), threshold
        of_seed = shamir.split(self._own, len(nodes), threshold)
        of_key = shamir.split(self._masking, len(nodes), threshold)
        sealed = {}
        for place, node in enumerate(nodes):
            if node == self.me:
                self._shares[node] = of_seed[place], of_key[place]
                continue
            key = keys.agree(self._sealing, others[node].sealing, self._purpose("seal", self.me, node))
            sealed[node] = keys.seal(key, of_seed[place] + of_key[place], self._about)
        return sealed

    def masked(self, update: masks.Ring, sealed: Mapping[int, bytes]) -> masks.Ring:
        """The update under the node's own mask and one with every node that shared. ``sealed``: their shares for this
        node. Raises MaskingError for too few of them, or one that was changed."""
        if self._masked_with:
            raise MaskingError(f"node {self.me} has masked an update of this round already")
        unknown = set(sealed) - set(self._others)
        if unknown or len(sealed) + 1 < self._threshold:
            raise MaskingError(
                f"shares of {len(sealed)} nodes, {len(unknown)} unknown; needed are {self._threshold - 1}"
            )
        for node, text in sealed.items():
            key = keys.agree(self._sealing, self._others[node].sealing, self._purpose("seal", node, self.me))
            try:
                plain = keys.unseal(key, text, self._about)
            except ValueError as error:
                raise MaskingError(str(error)) from error
            self._shares[node] = plain[: shamir.SHARE_BYTES], plain[shamir.SHARE_BYTES :]
        self._masked_with = (self.me, *sorted(sealed))
        total = update + masks.mask(self._own, len(update))
        for node in sealed:
            shared = masks.mask(pair_key(self._masking, self._others[node].masking, self._about), len(update))
            total = total + shared if self.me < node else total - shared
        return total.astype(np.uint32, copy=False)

    def reveal(self, alive: Sequence[int], dropped: Sequence[int]) -> dict[int, bytes]:
        """Shares of the own seeds of nodes that answered, and of the masking keys of nodes that did not. Once a round,
        and never both of one node: with both its update would be bare.

        Raises MaskingError for a question that would bare an update."""
        asked = [*alive, *dropped]
        if self._is_unmasked:
            raise MaskingError(f"node {self.me} has revealed shares of this round already")
        if len(set(asked)) != len(asked) or set(asked) != set(self._masked_with):
            raise MaskingError("each node of the round is either alive or dropped, and no other is asked for")
        if len(alive) < self._threshold or self.me not in alive:
            raise MaskingError(f"{len(alive)} nodes answered; needed are {self._threshold}")
        self._is_unmasked = True
        return {node: self._shares[node][node in dropped] for node in asked}

    def _purpose(self, what: str, sender: int, receiver: int) -> str:
        return f"{self._about} {what} {sender} {receiver}"


def pair_key(private: bytes, public: bytes, about: str) -> bytes:
    """Key of the mask that two nodes share."""
    return keys.agree(private, public, f"{about} mask")


def unmask(
    total: masks.Ring,
    public: Mapping[int, PublicKeys],
    revealed: Mapping[int, Mapping[int, bytes]],
    alive: Sequence[int],
    dropped: Sequence[int],
    about: str,
) -> masks.Ring:
    """The sum of the updates of ``alive`` without their masks: the server's side of round 4.

    Args:
        total: Sum of the masked updates.
        public: Keys of all nodes of the round: points of the shares follow from their order.
        revealed: Shares by node that revealed them and by owner, of as many nodes as the threshold or more.
        alive: Nodes whose masked updates are in ``total``.
        dropped: Nodes that shared and did not answer.

    Raises ValueError for shares that do not fit together.
    """
    points = {node: place for place, node in enumerate(sorted(public), 1)}
    found = total.copy()

    def secret(owner: int) -> bytes:
        return shamir.combine({points[node]: told[owner] for node, told in revealed.items()})

    for node in alive:
        found -= masks.mask(secret(node), len(found))
    for node in dropped:
        private = secret(node)
        if keys.public_of(private) != public[node].masking:
            raise ValueError(f"the shares of node {node} give another key than it had")
        for other in alive:
            shared = masks.mask(pair_key(private, public[other].masking, about), len(found))
            # What ``other`` did with the mask that it shares with ``node`` is undone.
            found = found - shared if other < node else found + shared
    return found
