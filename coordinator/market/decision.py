"""Decision for one slot, and its proven quality."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from coordinator.market.fleet import Bools, Floats, Ints
from coordinator.market.pairs import Moves, Pairs, Transfers, no_moves


@dataclass(frozen=True, slots=True)
class Optimal:
    """Proven optimal (to the solver's tolerance) for the program that was asked."""

    objective_g: float


@dataclass(frozen=True, slots=True)
class Feasible:
    """Keeps every limit; at most ``gap_fraction`` above the optimum (None: no bound known, e.g. a rule)."""

    gap_fraction: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Infeasible:
    """No plan keeps these limits together; ``excess`` is the amount by which each is missed, in its own unit."""

    conflicts: tuple[str, ...]
    excess: dict[str, float] = field(default_factory=dict)


TIME_LIMIT = "time limit reached"
"""Begins the reason of every ``Feasible`` that a solver's time-out gave rise to, or stands in it: reports count it."""

WIDE_FORM = "wide form"
"""Begins the reason of every ``Feasible`` of a large fleet's hub form (market/wide/decide.py)."""


PAIRWISE_FORM = "pairwise_form: "
"""Begins the note of a large fleet's decision that the pairwise form made; why the hub form could not follows."""


Outcome = Optimal | Feasible | Infeasible


DENSE_NODES = 1_000
"""Nodes up to which a decision shows (N, N) matrices: 8 MB each."""


@dataclass(frozen=True)
class FleetDecision:
    """Decision for one slot and all N nodes; its size grows with the nodes and the pairs that exchange something.

    ``FleetDecision.dense`` makes it from (N, N) matrices, ``batches`` and ``transfer_j`` show it as such."""

    home_batches: Ints
    """(N,) own batches run at home."""
    moves: Moves
    """Batches of an owner (source) that another node (target) runs."""
    transfers: Transfers
    """Energy, J, as it leaves a donor's (source) green bus for a recipient (target)."""
    charge_j: Floats
    """(N,) harvest to store before serving the own load; surplus is stored in any case while there is
    room."""
    discharge_j: Floats
    """(N,) most that may be drawn from the battery for load and exports."""
    awake: Bools
    """(N,) a_i."""
    outcome: Outcome
    unserved_batches: Ints
    """(N,) own batches at their deadline that no limit-keeping plan could serve: reported, never dropped
    silently."""
    selected: Bools | None = None
    """(N,) nodes chosen to take part in the round, where the policy is a client-selection rule. None: all
    awake."""
    notes: dict[str, float] = field(default_factory=dict)
    """Figures for the report, e.g. messages of a negotiation."""
    handed: Moves = field(default_factory=no_moves)
    """Of ``moves``, batches whose prompts their owner reads; the other node answers them with the caches. Only of
    requests to a language model (``Fleet.split``)."""
    points: Ints | None = None
    """(N,) operating point of each node, by its number in ``Fleet.points``. None: all run at full speed."""

    @classmethod
    def dense(cls, batches: Ints, transfer_j: Floats, **others: Any) -> FleetDecision:
        """From (N, N) matrices: batches of owner i run by executor j, whose diagonal runs at home, and energy leaving
        donor i's green bus for recipient j. ``others``: the other fields.

        Raises:
            ValueError: a matrix is not square, or not of whole batches and floating joules.
        """
        home, moves = home_and_moves(batches)
        _require_square("transfer_j", transfer_j, np.floating)
        return cls(home_batches=home, moves=moves, transfers=Pairs.of_matrix(transfer_j), **others)

    def with_dense(self, batches: Ints | None = None, transfer_j: Floats | None = None) -> FleetDecision:
        """This decision with other (N, N) matrices; None: as they are. Of other batches none is handed over."""
        changes: dict[str, Any] = {}
        if batches is not None:
            changes["home_batches"], changes["moves"] = home_and_moves(batches)
            changes["handed"] = no_moves()
        if transfer_j is not None:
            _require_square("transfer_j", transfer_j, np.floating)
            changes["transfers"] = Pairs.of_matrix(transfer_j)
        return replace(self, **changes)

    @property
    def size(self) -> int:
        """N."""
        return len(self.home_batches)

    @property
    def batches(self) -> Ints:
        """(N, N) batches of owner i run by executor j; the diagonal runs at home. Read-only, up to DENSE_NODES."""
        matrix = self.moves.matrix(self._small())
        matrix[np.diag_indices(self.size)] += self.home_batches
        matrix.setflags(write=False)
        return matrix

    @property
    def transfer_j(self) -> Floats:
        """(N, N) energy leaving donor i's green bus for recipient j. Read-only, up to DENSE_NODES."""
        matrix = self.transfers.matrix(self._small())
        matrix.setflags(write=False)
        return matrix

    def _small(self) -> int:
        if self.size > DENSE_NODES:
            raise ValueError(
                f"a decision for {self.size} nodes as a matrix; allowed are up to {DENSE_NODES} nodes: "
                "use home_batches, moves and transfers"
            )
        return self.size

    def own_batches(self) -> Ints:
        """(N,) batches each owner has run somewhere."""
        return self.home_batches + self.away_batches()

    def away_batches(self) -> Ints:
        """(N,) batches of each owner that other nodes run."""
        return self.moves.given(self.size)

    def guest_batches(self) -> Ints:
        """(N,) batches of others that each node runs."""
        return self.moves.taken(self.size)

    def run_batches(self) -> Ints:
        """(N,) batches each node runs."""
        return self.home_batches + self.guest_batches()

    def offloaded_batches(self) -> int:
        return int(self.moves.amount.sum())


def home_and_moves(batches: Ints) -> tuple[Ints, Moves]:
    """What (N, N) batches of owner i run by executor j leave at home, and what they move. Raises ValueError for another
    shape or kind."""
    _require_square("batches", batches, np.integer)
    home = np.diag(batches).copy()
    every: Moves = Pairs.of_matrix(batches)
    return home, every.only(~every.to_itself)


def _require_square(name: str, matrix: Any, kind: Any) -> None:
    if not isinstance(matrix, np.ndarray):
        raise ValueError(f"{name} is a {type(matrix).__name__}, expected an array (N, N)")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.issubdtype(matrix.dtype, kind):
        raise ValueError(
            f"{name} has shape {matrix.shape} of {matrix.dtype}, expected (N, N) of {kind.__name__}"
        )
