"""A node's board as it sleeps and wakes by an actuator: wishes from decisions, and what is reported of each slot."""

from __future__ import annotations

from edge_node.actuators.sleeper import Outcome, Sleeper, Wake
from edge_node.meters.base import Slot
from edge_node.slots.slot import SlotState
from edge_node.slots.state import NodeState
from protos.messages.slot import SleepReport
from protos.validation import safe_text


class Sleeping:
    """Of one node; without an actuator nothing is switched, and a slot is as it was decided."""

    def __init__(self, node: NodeState, sleeper: Sleeper | None) -> None:
        self._node, self._sleeper = node, sleeper
        if sleeper is not None:
            node.on_open.append(lambda: node.savepoint.later(sleeper.begin_slot))

    def follow_plan(self) -> None:
        """The slot's plan, or the fate of its last parcel, is known: a board sleeps once its own batches have left."""
        slot = self._node.current
        if self._sleeper is None or slot is None or slot.decision is None:
            return
        if slot.decision.awake:
            self._sleeper.wish(awake=True)
        elif not slot.pending_parcels():
            self._sleeper.wish(awake=False)

    def wait_until_awake(self) -> str:
        """Blocks. Returns why the board is not awake; empty where it is."""
        return "" if self._sleeper is None else self._sleeper.wait_until_awake()

    def settle(self) -> None:
        """Block until the board is as wished, or could not be."""
        if self._sleeper is not None:
            self._sleeper.settle()

    def look(self, slot: SlotState) -> tuple[Slot, SleepReport | None]:
        """The slot for the meter, as it was, and its report. ``slot`` is corrected where it went another way than
        decided."""
        if self._sleeper is None:
            return Slot(slot.slot, slot.stage, slot.awake, slot.woke), None
        outcome = self._sleeper.outcome()
        slot.awake, slot.woke = not outcome.asleep, outcome.wake is not None
        metered = Slot(slot.slot, slot.stage, slot.awake, slot.woke, awake_s=outcome.awake_s)
        if outcome.wake is None:
            return metered, _report(outcome)
        return _with_wake(metered, outcome.wake), _report(outcome)

    def close(self) -> None:
        """Leave the board awake."""
        if self._sleeper is not None:
            self._sleeper.close()


def _with_wake(slot: Slot, wake: Wake) -> Slot:
    return Slot(
        *(slot.slot, slot.stage, slot.awake, slot.woke, slot.awake_s),
        wake_s=wake.seconds,
        wake_uj=None if wake.reading is None else wake.reading.energy_uj,
    )


def _report(outcome: Outcome) -> SleepReport:
    wake = outcome.wake
    reading = None if wake is None else wake.reading
    return SleepReport(
        asleep=outcome.asleep,
        failed=safe_text(outcome.failed),
        wake_s=None if wake is None else wake.seconds,
        wake_uj=None if reading is None else reading.energy_uj,
        wake_half_width_uj=None if reading is None else reading.metered.half_width_uj,
        provenance=None if reading is None else str(reading.kind.provenance),
    )
