"""One edge node without any input or output: messages and parcels in, messages and parcels out.

The same object runs behind a gRPC stream, in a process with other nodes, and in a simulation. Calls may come from
several threads (the link's and the Flower client's); training itself runs outside the lock.

Phases of a slot: phases.py. State, and its transitions from slot to slot: state.py. Then one file for each part,
in the order of a slot: registration, telemetry, intake (decisions), sending and offloaded (parcels), execution,
reading (the meter), settlement; recovery after a broken stream; outside (clients).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Mapping, Sequence

from edge_node.actuators.clock_speed import ClockSpeed
from edge_node.actuators.sleeper import Sleeper
from edge_node.config import NodeConfig, NodeMemory
from edge_node.energy.harvest import Harvest
from edge_node.meters.base import Meter, MeterError
from edge_node.meters.charge import Charge
from edge_node.serving.port import Answered, Answers
from edge_node.serving.requests import Services
from edge_node.slots.beside import BesideWork, Done
from edge_node.slots.conversation import Conversation
from edge_node.slots.execution import Execution, Job
from edge_node.slots.hand_over import HandOver
from edge_node.slots.intake import DecisionIntake
from edge_node.slots.learned import LearnedCost
from edge_node.slots.market import MarketSide
from edge_node.slots.memory import remember
from edge_node.slots.offloaded import OffloadedBatches
from edge_node.slots.outbox import MemoryOutbox, Outbox
from edge_node.slots.outside import OutsideClients
from edge_node.slots.reading import Reading
from edge_node.slots.recovery import Recovery
from edge_node.slots.registration import Registration
from edge_node.slots.sending import Sending
from edge_node.slots.settlement import Settling
from edge_node.slots.sleeping import Sleeping
from edge_node.slots.slot import Readiness
from edge_node.slots.state import NodeState
from edge_node.slots.telemetry import BeforeDecision
from edge_node.slots.windows import Windows
from edge_node.workload import Arrays, Parameters, Result, Workload
from protos.messages.market import MarketCall, MarketNews
from protos.messages.parcels import Parcel, ParcelHead, Receipt
from protos.messages.slot import CloseSlot, Decision, EnergyGrant, Settlement, Telemetry, Usage
from protos.messages.stream import (
    Ack,
    ClockAnswer,
    ClockQuestion,
    Heartbeat,
    NodeProfile,
    Refusal,
    Register,
    UpMessage,
    Welcome,
)
from protos.messages.terms import Stage


class EdgeNode:
    """The parts of one node behind one lock. Each method passes a call to the part that it names; what a call changes,
    in memory and in the outbox, stands when it returns, and nothing of it where it raises (savepoint.py).

    Args:
        config: The node's configuration.
        workloads: The task's workload for every stage of the run.
        meter: Its meter.
        outbox: Where messages wait for their acknowledgement; default: in memory.
        answers: How outside clients are answered; default: they are refused.
        services: What the application stage serves beside the task, in the order of ``config.inference.services``.
        sleeper: Its board, awake, where its sleep is real.
        clock_ns: Its monotonic clock, for slots on the wall clock.
        harvest: Where a sensor measures it; None: as configured.
        charge: Gauge of its battery; None: what it holds follows from its flows.
        ended: Called when the node ends.
        clock: Sets the board's clock, where operating points are real.
    """

    def __init__(
        self,
        config: NodeConfig,
        workloads: Mapping[Stage, Workload],
        meter: Meter,
        outbox: Outbox | None = None,
        answers: Answers | None = None,
        services: Services = (),
        sleeper: Sleeper | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        harvest: Harvest | None = None,
        charge: Charge | None = None,
        ended: Callable[[], None] = lambda: None,
        clock: ClockSpeed | None = None,
    ) -> None:
        self.config = config
        self._ended = ended
        self._lock = threading.RLock()
        self._board = threading.Lock()
        """The board does one piece of work at a time, as (L2)'s attribution of static power supposes."""
        self._clock_ns = clock_ns
        windows = None if config.overrun is None else Windows(clock_ns)
        kept = MemoryOutbox() if outbox is None else outbox
        state = NodeState(config, workloads, meter, kept, services, windows, harvest, charge, clock)
        self._state, self._together = state, state.savepoint.together
        self._registration = Registration(state)
        market = MarketSide(state, self._registration.profile)
        self._market = market
        if config.memory is not None:
            market.room.recall(config.memory.sent)
        self._before = BeforeDecision(state, market)
        self._intake = DecisionIntake(state, market)
        self._sending = Sending(state, market)
        self._offloaded = OffloadedBatches(state)
        self._outside = OutsideClients(state, answers, self._lock, self._board)
        self._sleeping = Sleeping(state, sleeper)
        self._beside = BesideWork(state, self._lock, self._board)
        self._execution = Execution(state, self._outside, self._sleeping, self._lock, self._board)
        self.conversation = Conversation(state, self._execution, self._beside, self._lock, self._board)
        """Of a model that is trained in parts."""
        self._hand_over = HandOver(state, self._sleeping, self._lock, self._board)
        self._reading = Reading(state, self._sleeping)
        self._settling = Settling(state)
        self._recovery = Recovery(state, self._before, self._reading)

    @property
    def node_id(self) -> str:
        return self.config.node_id

    @property
    def slot(self) -> int:
        """The slot the node is in; the number of slots once the run is over. -1 before the first Welcome."""
        with self._lock:
            return self._state.slot

    @property
    def switches(self) -> bool:
        """Whether its board really sleeps, so that ``close`` may wait."""
        return self._state.sleep.real

    @property
    def battery_uj(self) -> int:
        return self._state.battery_uj

    @property
    def boot_id(self) -> str:
        return self._state.boot_id

    # --- registration, acknowledgement, recovery -----------------------------------------------------------

    def register(self, boot_id: str, peer_address: str = "") -> Register:
        """First message of every stream. ``boot_id`` stays the same as long as this object lives."""
        with self._lock, self._together():
            return self._registration.register(boot_id, peer_address)

    def profile(self) -> NodeProfile:
        """Constants of this node."""
        return self._registration.profile()

    def on_welcome(self, welcome: Welcome) -> None:
        """The coordinator knows this node, and gives the next slot."""
        with self._lock, self._together():
            self._registration.welcome(welcome)

    def heartbeat(self, monotonic_ns: int) -> Heartbeat:
        """Heartbeat; carries the last number given, so that the coordinator can see what it lacks. Does not wait."""
        return self._registration.heartbeat(monotonic_ns, self._hand_over.handing())

    def clock(self, question: ClockQuestion) -> ClockAnswer:
        """What its clock shows. Without the lock: time spent waiting is no time of the way."""
        return ClockAnswer(self.node_id, self._state.boot_id, question.number, self._clock_ns())

    def acknowledged(self, ack: Ack) -> None:
        """Everything up to ``ack.seq`` is committed."""
        with self._lock:
            self._recovery.acknowledged(ack)

    def knows(self, ack: Ack) -> bool:
        """Whether ``acknowledged`` would change nothing, as with most answers to heartbeats. Does not wait."""
        return self._recovery.knows(ack)

    def has_nothing_to_say(self) -> bool:
        """Whether ``tick`` would do nothing, as while the node works. Does not wait."""
        return self._recovery.has_nothing_to_say()

    def unacknowledged(self) -> list[UpMessage]:
        """Readings to send again on a new stream, in order."""
        with self._lock:
            return self._recovery.unacknowledged()

    def tick(self) -> list[UpMessage]:
        """Once per heartbeat: messages to send, or to send again. Raises MeterError: see ``Recovery.tick``."""
        with self._lock, self._together(MeterError):
            return self._recovery.tick()

    def memory(self) -> NodeMemory:
        """What another start of this node needs to go on from here."""
        with self._lock:
            return remember(self._state, self._market.room)

    # --- before the decision -------------------------------------------------------------------------------

    def before_slot(self) -> list[UpMessage]:
        """Messages of a slot that waits for its decision: telemetry, or the answer that a market waits for."""
        with self._lock, self._together():
            return self._before.messages()

    def on_market(self, question: MarketCall | MarketNews) -> list[UpMessage]:
        """A market asks. Raises InvalidDecision for another node's question."""
        with self._lock, self._together():
            return self._before.hear(question)

    def telemetry(self) -> Telemetry:
        """State before the current slot. Raises NotReady before the first Welcome, or when the run is over."""
        with self._lock, self._together():
            return self._before.telemetry()

    # --- decision and parcels ------------------------------------------------------------------------------

    def on_decision(self, decision: Decision) -> list[Parcel]:
        """Accept the slot's decision; returns the parcels to send. Raises as ``DecisionIntake.accept``."""
        with self._lock, self._together():
            parcels = self._intake.accept(decision)
            self._sleeping.follow_plan()
            return parcels

    def reads_ahead(self, parcel: Parcel) -> bool:
        """Whether prompts of a parcel of ``on_decision`` are to be read here before it leaves."""
        return self._hand_over.is_due(parcel)

    def read_ahead(self, parcel: Parcel) -> Parcel:
        """A parcel of ``on_decision`` as it leaves: prompts that this node is to read have been read. It takes the
        board's time."""
        return self._hand_over.read(parcel)

    def parcel_delivered(self, parcel: Parcel) -> None:
        """The executor has it."""
        with self._lock, self._together():
            self._sending.delivered(parcel)
            self._sleeping.follow_plan()

    def parcel_failed(self, parcel: Parcel) -> None:
        """The executor does not have it."""
        with self._lock, self._together():
            self._sending.failed(parcel)
            self._sleeping.follow_plan()

    def refuse_parcel(self, head: ParcelHead) -> Receipt | None:
        """Why a parcel with this head would be refused; None: it is worth reading."""
        with self._lock:
            return self._offloaded.refuse(head)

    def on_parcel(self, parcel: Parcel) -> Receipt:
        """Batches of another node arrive."""
        with self._lock, self._together():
            return self._offloaded.accept(parcel)

    # --- work ----------------------------------------------------------------------------------------------

    def readiness(self, slot: int) -> Readiness:
        """What ``execute`` of ``slot`` still waits for."""
        return self._execution.readiness(slot)

    def slot_deadline_s(self, slot: int) -> float:
        """Wall seconds that the decision of ``slot`` gives; infinite without one."""
        return self._execution.deadline_s(slot)

    def give_up_missing(self, slot: int, owners: Container[str] | None = None) -> tuple[str, ...]:
        """Wait no longer for batches that others (``owners``: they alone) offload in ``slot``. Returns their owners."""
        return self._execution.give_up_missing(slot, owners)

    def execute(
        self,
        parameters: Parameters,
        options: Mapping[str, float] | None = None,
        job: Job | None = None,
    ) -> Result:
        """Do the slot's work on own and offloaded batches; once: a repeat returns the first result.

        ``job`` does it in place of the workload, where a user's app runs.

        Raises:
            NotReady: something is still waited for, the work is under way in another thread, or the slot is over.
            NoWork: there is nothing to run.
        """
        return self._execution.execute(parameters, options or {}, job)

    def beside(self, job: Callable[[], Done]) -> None:
        """Do work of an app that is no batch; see ``BesideWork.run``."""
        self._beside.run(job)

    @property
    def learned(self) -> LearnedCost:
        """What rounds of the app cost here. Raises RuntimeError where no app runs."""
        if self._state.learned is None:
            raise RuntimeError(f"{self.node_id} runs no app of a user's own")
        return self._state.learned

    # --- outside clients -----------------------------------------------------------------------------------

    def check_request(self, arrays: Arrays) -> None:
        """Whether outside requests of this form can be answered now. Raises as ``OutsideClients.check``."""
        self._outside.check(arrays)

    def answer(self, arrays: Arrays, waited_s: Sequence[float] = ()) -> Answered:
        """Answer outside requests; see ``OutsideClients.answer``."""
        return self._outside.answer(arrays, waited_s)

    def stop_answering(self) -> None:
        """Answers wait no longer for a slot in which they can be booked: the process ends."""
        self._outside.stop()

    # --- the slot's end ------------------------------------------------------------------------------------

    def close(self, close: CloseSlot) -> Usage:
        """The slot is over: read the meter, once the board is as wished, or cannot be. Raises as ``Reading.close``."""
        self._sleeping.settle()
        with self._lock, self._together(MeterError):
            return self._reading.close(close)

    def settle_sleep(self) -> None:
        """Block until the board sleeps or is awake, as wished, or could not be: ``close`` then does not wait."""
        self._sleeping.settle()

    def leave(self) -> None:
        """The node ends: its board is left awake, its sensors and clock as they were."""
        self._sleeping.close()
        self._state.harvest.stop()
        self._state.stop_meter()
        self._state.stop_clock()
        self._ended()

    def on_grant(self, grant: EnergyGrant) -> Settlement:
        """The slot's trade is known: settle it. Raises as ``Settling.settle``."""
        with self._lock, self._together():
            return self._settling.settle(grant)

    def on_refusal(self, refusal: Refusal) -> None:
        """The coordinator will not have a message."""
        with self._lock, self._together():
            self._reading.refused(refusal)
