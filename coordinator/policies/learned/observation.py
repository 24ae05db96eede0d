"""What a learner sees of a node before a slot: numbers without a unit, cut to -10..10, in float32.

Energies are shares of the node's demand in the slot under LOCAL, as log(1 + share); intensities are shares of the mean
over all nodes and slots that are known. ``OWN`` is what the node knows itself, with public intensities; ``FLEET`` is
known to the coordinator alone, and the same for all nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.market.fleet import Fleet, Floats
from coordinator.policies.learned.energy import deliverable_j
from coordinator.policies.learned.work import WorkRoom

OWN = (
    "intensity now",
    "mean intensity of the next 6 slots",
    "mean intensity of the next 24 slots",
    "highest intensity of the next 24 slots",
    "lowest intensity of the next 24 slots",
    "rank of its intensity now, 0 (lowest) to 1",
    "highest intensity in the fleet now",
    "lowest intensity in the fleet now",
    "mean intensity of the fleet now",
    "harvest now",
    "mean harvest of the next 6 slots",
    "mean harvest of the next 24 slots",
    "harvest now less demand, share of the demand, at most 5",
    "state of charge",
    "what the battery can deliver now",
    "room in the battery",
    "what may be given away",
    "share of a sent joule that arrives, by its own losses out and in",
    "work, share of the demand",
    "work that may leave",
    "work for which there is room",
    "energy of moving a batch, share of the batch's own, at most 5",
    "slots left, share of 24, at most 1",
)
FLEET = (
    "harvest now, whole fleet",
    "mean harvest of the next 6 slots, whole fleet",
    "what all batteries can deliver",
    "share of nodes with less harvest than demand",
)
OBSERVED = len(OWN) + len(FLEET)
"""Numbers of a node."""
SOON, DAY = 6, 24
HIGHEST = 10.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """What no decision changes of a slot's fleet: an environment that comes back to the slot keeps it."""

    intensities: Floats
    """(N, 9) the first of ``OWN``."""
    soon_j: Floats
    """(N,) mean harvest of the next SOON slots."""
    day_j: Floats
    """(N,) mean harvest of the next DAY slots."""

    @classmethod
    def of(cls, fleet: Fleet, fleets: int = 1) -> Outlook:
        """Where nothing is known of later slots they are taken to be like this one. ``fleets``: of equally many nodes,
        one after the other, that know nothing of each other."""
        n = fleet.size // fleets
        intensity, harvest = fleet.intensity_g_per_kwh[:, : DAY + 1], fleet.harvest_j[:, : DAY + 1]
        later = intensity[:, 1:] if intensity.shape[1] > 1 else intensity
        coming = harvest[:, 1:] if harvest.shape[1] > 1 else harvest
        level = np.repeat(np.maximum(intensity.reshape(fleets, -1).mean(axis=1), 1e-9), n)
        now = intensity[:, 0]
        apart = now.reshape(fleets, n)
        rank = np.argsort(np.argsort(apart, axis=1, kind="stable"), axis=1) / max(n - 1, 1)
        columns = (
            now / level,
            later[:, :SOON].mean(axis=1) / level,
            later.mean(axis=1) / level,
            later.max(axis=1) / level,
            later.min(axis=1) / level,
            rank.ravel(),
            np.repeat(apart.max(axis=1), n) / level,
            np.repeat(apart.min(axis=1), n) / level,
            np.repeat(apart.mean(axis=1), n) / level,
        )
        return cls(np.stack(columns, axis=1), coming[:, :SOON].mean(axis=1), coming.mean(axis=1))


def observed(
    fleet: Fleet, outlook: Outlook | None = None, room: WorkRoom | None = None, fleets: int = 1
) -> NDArray[np.float32]:
    """(N, OBSERVED) before the slot of ``fleet``. ``outlook``, ``room``: of the same slot where they are known already;
    None: they are found here. ``fleets``: as of ``Outlook.of``."""
    n = fleet.size
    seen = Outlook.of(fleet, fleets) if outlook is None else outlook
    room = WorkRoom.of(fleet, fleets) if room is None else room
    harvest, given = fleet.harvest_j[:, 0], deliverable_j(fleet)
    work_j = fleet.joules_per_batch[:, 0]
    own_j = fleet.backlog_batches.sum(axis=1) * work_j
    demand = np.maximum(fleet.slot_s * fleet.static_w + own_j, 1e-9)
    capacity = fleet.battery_capacity_j
    charge = np.divide(fleet.battery_j, capacity, out=np.zeros(n), where=capacity > 0)
    move_j = (
        fleet.guest_j()[:, 0] + fleet.owner_j()[:, 0] + fleet.bytes_per_batch[0] * fleet.limits.net_j_per_byte
    )

    def of_all(values: Floats) -> Floats:
        """(N,) the sum over the node's fleet."""
        return np.repeat(values.reshape(fleets, -1).sum(axis=1), n // fleets)

    all_j = of_all(demand)
    columns: tuple[Floats | float, ...] = (
        np.log1p(harvest / demand),
        np.log1p(seen.soon_j / demand),
        np.log1p(seen.day_j / demand),
        np.minimum(harvest / demand - 1.0, 5.0),
        charge,
        np.log1p(given / demand),
        np.log1p(np.maximum(capacity - fleet.battery_j, 0.0) / demand),
        np.log1p(fleet.transfer_caps_j()[:, 0] / demand),
        fleet.export_efficiency * fleet.import_efficiency,
        own_j / demand,
        np.log1p(room.may_send * work_j / demand),
        np.log1p(room.may_take * work_j / demand),
        np.clip(np.divide(move_j, work_j, out=np.full(n, 5.0), where=work_j > 0), -5.0, 5.0),
        min((fleet.horizon + fleet.later_slots) / DAY, 1.0),
        np.log1p(of_all(harvest) / all_j),
        np.log1p(of_all(seen.soon_j) / all_j),
        np.log1p(of_all(given) / all_j),
        of_all((harvest < demand) * (fleets / n)),
    )
    found = np.empty((n, OBSERVED))
    first = seen.intensities.shape[1]
    found[:, :first] = seen.intensities
    for place, values in enumerate(columns, first):
        found[:, place] = values
    return np.clip(found, -HIGHEST, HIGHEST).astype(np.float32)
