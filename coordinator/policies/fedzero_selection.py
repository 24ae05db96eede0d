"""FedZero's selection: the clients of the shortest feasible round, by a mixed-integer program. Pure."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from coordinator.market.fleet import Bools, Floats, Ints


def shortest_round(
    utility: Floats,
    count: int,
    least: Floats,
    most: Floats,
    capacity: Floats,
    joules_per_batch: Floats,
    energy_j: Floats,
    domain: Ints,
    allowed: Bools,
) -> tuple[Bools, int] | None:
    """(chosen clients, slots) of the first duration in which ``count`` clients can reach their minimum; None where no
    duration up to the look-ahead is long enough. Arguments as in ``best_selection``, over all slots."""
    alone = _most_alone(capacity, joules_per_batch, energy_j, domain)
    for slots in range(1, capacity.shape[1] + 1):
        able = allowed & (alone[:, :slots].sum(axis=1) >= least)
        if int(able.sum()) < count:
            continue
        seen = np.s_[:, :slots]
        chosen = best_selection(
            utility, count, least, most, capacity[seen], joules_per_batch[seen], energy_j[seen], domain, able
        )
        if chosen is not None:
            return chosen, slots
    return None


def best_selection(
    utility: Floats,
    count: int,
    least: Floats,
    most: Floats,
    capacity: Floats,
    joules_per_batch: Floats,
    energy_j: Floats,
    domain: Ints,
    allowed: Bools,
) -> Bools | None:
    """(N,) the chosen clients, or None where ``count`` clients cannot all reach their minimum.

    max sum sigma_i m_it over 0 <= m_it <= capacity_it b_i, least_i b_i <= sum_t m_it <= most_i b_i, sum b = count, and
    in every slot and domain the work's energy within what the domain's nodes have together. ``capacity``,
    ``joules_per_batch`` and ``energy_j`` are (N, T)."""
    if int(allowed.sum()) < count:
        return None
    n, slots = capacity.shape
    each, work = sparse.identity(n, format="csr"), sparse.identity(n * slots, format="csr")
    total = sparse.kron(each, np.ones((1, slots)), format="csr")
    same = sparse.csr_matrix(
        (np.ones(n), (np.unique(domain, return_inverse=True)[1].ravel(), np.arange(n))),
        shape=(len(np.unique(domain)), n),
    )
    paid = sparse.kron(same, sparse.identity(slots)) @ sparse.diags(joules_per_batch.ravel())
    within = np.minimum(
        capacity, most[:, None]
    )  # no slot's share is above the round's: keeps the numbers small
    per_slot = sparse.diags(within.ravel()) @ sparse.kron(each, np.ones((slots, 1)))
    unchosen = sparse.csr_matrix((paid.shape[0], n))
    constraints = [
        LinearConstraint(sparse.hstack([work, -per_slot]), -np.inf, 0.0),
        LinearConstraint(sparse.hstack([total, -sparse.diags(least)]), 0.0, np.inf),
        LinearConstraint(sparse.hstack([total, -sparse.diags(most)]), -np.inf, 0.0),
        LinearConstraint(
            sparse.hstack([sparse.csr_matrix((1, n * slots)), np.ones((1, n))]), float(count), float(count)
        ),
        LinearConstraint(sparse.hstack([paid, unchosen]), -np.inf, np.asarray(same @ energy_j).ravel()),
    ]
    result = milp(
        -np.concatenate([np.repeat(utility, slots), np.zeros(n)]),
        integrality=np.concatenate([np.zeros(n * slots), np.ones(n)]),
        bounds=Bounds(np.zeros(n * slots + n), np.concatenate([within.ravel(), allowed.astype(float)])),
        constraints=constraints,
        options={"mip_rel_gap": 0.0},
    )
    return None if result.x is None else np.asarray(result.x[n * slots :] > 0.5)


def scaled_utility(utility: Floats) -> Floats:
    """(N,) brought to 0..1 by its range, 1 where all are alike."""
    low, high = float(utility.min()), float(utility.max())
    return np.ones(len(utility)) if high == low else (utility - low) / (high - low)


def _most_alone(capacity: Floats, joules_per_batch: Floats, energy_j: Floats, domain: Ints) -> Floats:
    """(N, T) batches a client could run in each slot if its domain's energy were all its own."""
    energy = np.zeros_like(energy_j)
    for label in np.unique(domain):
        energy[domain == label] = energy_j[domain == label].sum(axis=0)
    paid = np.divide(energy, joules_per_batch, out=np.full_like(energy, np.inf), where=joules_per_batch > 0)
    return np.asarray(np.minimum(capacity, paid))
