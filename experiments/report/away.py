"""What the books of a run on the wall clock lack where its coordinator was killed: the time until it was back.

A restarted coordinator's clock goes on from the last slot's end (decision 26), and boards meter on. So the windows of a
slot's boards are longer than the slot on the coordinator's clock by the time that is in no line of coordinator and
router.
"""

from __future__ import annotations

from dataclasses import dataclass

from experiments.report.read import Run

LONGER_FRACTION = 0.1
"""Share of a slot by which the boards' windows must be longer: clocks differ by less (decision 30)."""
SHARED = ("coordinator", "router")
"""Components whose power is booked by the coordinator's clock."""


@dataclass(frozen=True, slots=True)
class Away:
    """Time of the coordinator that is booked nowhere."""

    seconds: float
    energy_j: float
    """Of coordinator and router at their mean power in the run."""


def away(run: Run) -> Away | None:
    """Over all slots, by the median of each slot's boards. None on the virtual clock, where nothing is missing, and
    where no board told its windows."""
    slots, decisions = run.tables["slots"], run.tables["decisions"]
    if "duration_s" not in slots or "duration_s" not in decisions or slots["duration_s"].isna().all():
        return None
    windows = slots.groupby("slot")["duration_s"].median().astype("float64")
    told = decisions.set_index("slot")["duration_s"].astype("float64")
    longer = (windows - told).dropna()
    seconds = float(longer[longer > LONGER_FRACTION * run.slot_s].sum())
    lines = run.tables["lines"]
    shared_j = float(lines.loc[lines["component"].astype(str).isin(SHARED), "energy_j"].sum())
    booked_s = float(told.sum())
    return Away(seconds, seconds * shared_j / booked_s if booked_s else 0.0)
