"""A node's state beyond one slot, and its transitions from slot to slot."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial

from carbon_data.storage import Battery
from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.clock_speed import ClockSpeed
from edge_node.config import NodeConfig
from edge_node.energy.battery import battery_of
from edge_node.energy.harvest import Harvest
from edge_node.meters.base import Meter, MeterError, run_at, sensor_of
from edge_node.meters.charge import Charge
from edge_node.serving.request_times import TimedUse
from edge_node.serving.requests import RequestWorkload, Services
from edge_node.slots.backlog import Backlog
from edge_node.slots.errors import InvalidDecision, NotReady
from edge_node.slots.learned import LearnedCost
from edge_node.slots.outbox import Outbox
from edge_node.slots.phases import Phase
from edge_node.slots.profile import released_batches, sleep_of
from edge_node.slots.savepoint import Together
from edge_node.slots.serving import SlotServing
from edge_node.slots.slot import SlotState
from edge_node.slots.windows import Windows
from edge_node.workload import Workload
from protos.messages.terms import Sleep, Stage

log = logging.getLogger(__name__)


class NodeState:
    """Shared by all parts of a node. Not thread-safe: the node holds the lock.

    Args:
        config: What the node was told.
        workloads: The task's workload for every stage of the run.
        meter: Its meter.
        outbox: Where messages wait for their acknowledgement.
        services: What the application stage serves beside the task.
        windows: Its windows on the wall clock; None on the virtual one.
        harvest: Where a sensor measures it; None: as configured.
        charge: Gauge of its battery; None: what it holds follows from its flows.
        clock: Sets the board's clock, where operating points are real; None: they are by the model.
    """

    def __init__(
        self,
        config: NodeConfig,
        workloads: Mapping[Stage, Workload],
        meter: Meter,
        outbox: Outbox,
        services: Services,
        windows: Windows | None = None,
        harvest: Harvest | None = None,
        charge: Charge | None = None,
        clock: ClockSpeed | None = None,
    ) -> None:
        if missing := sorted(set(config.stages) - {Stage.UNALLOCATED} - set(workloads)):
            raise InvalidDecision(f"{config.node_id}: no workload for stages {missing}")
        self.config, self.meter, self.outbox, self.windows = config, meter, outbox, windows
        self.sleep = sleep_of(config, meter)
        if config.inference.between != "awake" and (self.sleep is not Sleep.MODELLED or windows is not None):
            raise ValueError(
                f'{config.node_id}: between = "{config.inference.between}" is by the model, on the virtual clock, and '
                f'sleep is {self.sleep} here; give between = "awake"'
            )
        self.workloads = dict(workloads)
        self.serving = SlotServing(config, measured=bool(getattr(meter, "measures_time", False)))
        if Stage.APPLICATION in self.workloads and Stage.APPLICATION in config.stages:
            inner = self.workloads[Stage.APPLICATION]
            self.workloads[Stage.APPLICATION] = RequestWorkload(inner, self.serving.plan, services)
        self.battery = battery_of(config.battery, config.slot_s)
        initial = 0.0 if config.battery is None else config.battery.initial_fraction
        self.battery_uj = min(round(self.battery.capacity_uj * initial), self.battery.capacity_uj)
        """Stored energy before the slot that the node is in."""
        self.charge, self._clock = charge, clock
        self.clock_failed = ""
        """Why the board does not run at the slot's operating point; empty: it does."""
        self.harvest = harvest or Harvest(config.harvest, config.slot_s)
        self.backlog = Backlog(
            config.stages,
            config.deadline_slots,
            partial(released_batches, config),
            requests=self.serving.plan.released,
            requests_deadline_slots=self.serving.deadline_slots,
            demand=None if config.demand is None else config.demand.batches,
        )
        self.boot_id = ""
        self.negotiates = False
        """Set by the coordinator's Welcome: no telemetry, but answers to a market."""
        self.learned = None if config.app is None else LearnedCost(config)
        """What rounds of a user's app cost here; None with a task, whose work is counted."""
        self.mean_loss: float | None = None
        """Of the last training."""
        self.current: SlotState | None = None
        """The slot that the node is in; None before the first Welcome and once the run is over."""
        self.last: SlotState | None = None
        self.read_late: list[TimedUse] = []
        """Prompts for other nodes whose reading ended after their slot was closed: told with the window they are in."""
        self.in_doubt = False
        """Whether the coordinator is in a later slot and has sent nothing about this one since."""
        self.heard_all = False
        """Whether an acknowledgement came since the last Welcome: it comes after everything that the coordinator has to
        say about a slot that it still waits for."""
        self._coordinator_slot = 0
        self.on_open: list[Callable[[], None]] = []
        """Called whenever a slot has been opened, or the run is over."""
        self.savepoint = Together(self)
        own = ("battery_uj", "boot_id", "negotiates", "mean_loss", "current", "last", "in_doubt", "heard_all")
        self.savepoint.keep(self, *own, "_coordinator_slot", "read_late")
        self.savepoint.keep(self.backlog, "_waiting")
        self.savepoint.keep(self.serving, "free_s")
        if windows is not None:
            self.savepoint.keep(windows, "is_read")

    @property
    def node_id(self) -> str:
        return self.config.node_id

    @property
    def slot(self) -> int:
        """Number of the current slot; the number of slots once the run is over. -1 before the first Welcome."""
        if self.current is not None:
            return self.current.slot
        return -1 if self.last is None else self.last.slot + 1

    def find(self, slot: int) -> SlotState | None:
        """The current slot or the last one, by number."""
        for state in (self.current, self.last):
            if state is not None and state.slot == slot:
                return state
        return None

    def require_current(self) -> SlotState:
        """Raises NotReady where no slot is open."""
        if self.current is None:
            raise NotReady(f"{self.node_id}: no slot is open (before the first Welcome, or the run is over)")
        return self.current

    def slept(self) -> bool:
        """Whether the node slept through the slot before."""
        return self.last is not None and not self.last.awake

    def battery_over(self, lasted_s: float | None) -> Battery:
        """Constants of the battery for a slot that was so long; None: as long as configured."""
        if lasted_s is None:
            return self.battery
        return battery_of(self.config.battery, self.config.slot_s, lasted_s)

    def read_battery(self) -> bool:
        """Take over what the battery's gauge shows. False where there is none, or it has no reading: then it holds
        what follows from its flows."""
        if self.charge is None:
            return False
        try:
            self.battery_uj = self.charge.stored_uj()
        except MeterError as error:
            log.warning("%s: %s; booked is what follows from its flows", self.node_id, error)
            return False
        return True

    def run_at(self, point: int) -> None:
        """The board works at this operating point from here on; it has several. What the clock refuses is noted."""
        board, points = self.config.board, self.config.board.points
        stretch = 1.0 if self._clock is not None else 1.0 / points[point].speed_fraction
        run_at(self.meter, board.at(point), stretch)
        self.serving.run_at(board.at(point), stretch)
        if self._clock is None:
            return
        try:
            self._clock.run_at(points[point].frequency_khz)
            self.clock_failed = ""
        except ActuatorError as error:
            log.error("%s: %s", self.node_id, error)
            self.clock_failed = str(error)

    def stop_meter(self) -> None:
        """The node ends: its meter's sensor may be opened by another, as by this process's next run."""
        if (sensor := sensor_of(self.meter)) is not None:
            sensor.stop()

    def stop_clock(self) -> None:
        """The node ends: the board's clock is as it was before."""
        if self._clock is not None:
            self._clock.close()

    # --- from slot to slot -------------------------------------------------------------------------------

    def open(self, slot: int, awake: bool = True) -> None:
        """Begin ``slot``, or end the run."""
        if slot < len(self.config.stages):
            self.backlog.release(slot)
            self.current = SlotState(slot, self.config.stages[slot], awake)
            self.open_window(slot)
        else:
            self.current = None
            if self.last is None:  # registered after the end
                self.last = SlotState(
                    len(self.config.stages) - 1, self.config.stages[-1], awake, phase=Phase.MISSED
                )
        for opened in self.on_open:
            opened()

    def open_window(self, slot: int) -> None:
        """The meter's window of ``slot``. On the wall clock, one that was not read goes on: no joule of it is lost."""
        if self.windows is None or self.windows.is_read:
            self.savepoint.later(self.meter.open, slot)
        if self.windows is not None:
            self.windows.is_read = False

    def leave(self, slot: SlotState) -> None:
        """Go on to the next slot. A slot left without a reading is missed."""
        if slot.phase not in (Phase.REPORTED, Phase.SETTLED):
            slot.enter(Phase.MISSED)
        self.last = slot
        slot.incoming = {}
        self.open(slot.slot + 1, slot.awake)
        self._doubt()

    def skip_to(self, number: int) -> None:
        """Leave the slots before ``number``, which went by without this node: their unserved work expires."""
        while self.current is not None and self.current.slot < number:
            slot = self.current
            self.backlog.put_back(slot.left_over())
            self.backlog.expire(slot.slot)
            self.leave(slot)
        self.in_doubt = False

    # --- where the coordinator is --------------------------------------------------------------------------

    def coordinator_at(self, slot: int) -> None:
        """The coordinator has announced its next slot."""
        self._coordinator_slot = slot
        self._doubt()

    def skip_to_coordinator(self) -> None:
        """Leave the slots that the coordinator decided without this node."""
        self.skip_to(self._coordinator_slot)

    def _doubt(self) -> None:
        self.in_doubt = self.current is not None and self.current.slot < self._coordinator_slot
