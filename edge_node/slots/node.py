"""One edge node without any input or output: messages and parcels in, messages and parcels out.

The same object runs behind a gRPC stream, in a process with other nodes, and in a simulation. Calls may
come from several threads (the link's and the Flower client's); training itself runs outside the lock.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from carbon_data.storage import balance
from carbon_data.units import BITS_PER_BYTE
from edge_node.config import NodeConfig
from edge_node.energy.battery import battery_of
from edge_node.energy.harvest import Harvest
from edge_node.meters.base import Meter, MeterError, Slot, Work
from edge_node.serving.port import Answered, Answers
from edge_node.serving.requests import RequestWorkload, Services
from edge_node.slots.backlog import Backlog, Batch
from edge_node.slots.decided import check_decision
from edge_node.slots.errors import InvalidDecision, NotReady, NoWork, StaleDecision
from edge_node.slots.market import MarketSide
from edge_node.slots.offloaded import OffloadedBatches
from edge_node.slots.outbox import MemoryOutbox, Outbox, relabel
from edge_node.slots.outside import OutsideClients
from edge_node.slots.parcels import pack, payload_bytes
from edge_node.slots.profile import node_profile, released_batches
from edge_node.slots.serving import SlotServing
from edge_node.slots.slot import Delivery, Outgoing, Readiness, SlotState
from edge_node.slots.work import Result, count_result, gather, run_stage
from edge_node.workload import Arrays, InferResult, Parameters, Workload
from protos.messages import (
    Ack,
    CloseSlot,
    Decision,
    EnergyGrant,
    Executed,
    Heartbeat,
    MarketCall,
    MarketNews,
    NodeProfile,
    Parcel,
    Receipt,
    Refusal,
    Register,
    Settlement,
    Stage,
    Telemetry,
    UpMessage,
    Usage,
    Welcome,
)

log = logging.getLogger(__name__)

_DROPPED = frozenset({"no_decision", "stale_epoch", "bad_usage", "no_usage"})
"""Refusals after which a reported slot will never be settled: it is a gap in the books."""


class EdgeNode:
    """State machine of one node.

    Args:
        config: What the node was told.
        workloads: The task's workload for every stage of the run.
        meter: Its meter.
        outbox: Where messages wait for their acknowledgement; default: in memory.
        answers: How outside clients are answered; default: they are refused.
        services: What the application stage serves beside the task, in the order of ``config.inference.services``.
    """

    def __init__(
        self,
        config: NodeConfig,
        workloads: Mapping[Stage, Workload],
        meter: Meter,
        outbox: Outbox | None = None,
        answers: Answers | None = None,
        services: Services = (),
    ) -> None:
        if missing := sorted(set(config.stages) - {Stage.UNALLOCATED} - set(workloads)):
            raise InvalidDecision(f"{config.node_id}: no workload for stages {missing}")
        self.config = config
        self._workloads = dict(workloads)
        self._serving = SlotServing(config, measured=bool(getattr(meter, "measures_time", False)))
        if Stage.APPLICATION in self._workloads and Stage.APPLICATION in config.stages:
            inner = self._workloads[Stage.APPLICATION]
            self._workloads[Stage.APPLICATION] = RequestWorkload(inner, self._serving.plan, services)
        self._meter = meter
        self._outbox = outbox if outbox is not None else MemoryOutbox()
        self._battery = battery_of(config.battery, config.slot_s)
        self._harvest = Harvest(config.harvest, config.slot_s)
        self._backlog = Backlog(
            config.stages,
            config.deadline_slots,
            lambda stage: released_batches(config, stage),
            requests=self._serving.plan.released,
            requests_deadline_slots=self._serving.deadline_slots,
        )
        initial = 0.0 if config.battery is None else config.battery.initial_fraction
        self._battery_uj = min(round(self._battery.capacity_uj * initial), self._battery.capacity_uj)
        self._boot_id = ""
        self._state: SlotState | None = None
        self._last: SlotState | None = None
        self._coordinator_slot = 0
        self._in_doubt = False
        self._mean_loss: float | None = None
        self._offloaded = OffloadedBatches(config.board.storage_bytes, self._workloads, meter)
        self._negotiates = False
        """As the coordinator's Welcome says: no telemetry, but answers to a market."""
        self._market = MarketSide(config, self.profile, meter, self._harvest, self._backlog)
        self._lock = threading.RLock()
        self._work = threading.Lock()
        """The board does one piece of work at a time, as (L2)'s attribution of static power supposes."""
        self._outside = OutsideClients(
            config, answers, meter, self._serving, self._lock, self._work, lambda: self._state
        )

    # --- who and where -----------------------------------------------------------------------------------

    @property
    def node_id(self) -> str:
        return self.config.node_id

    @property
    def slot(self) -> int:
        """The slot the node is in; the number of slots once the run is over. -1 before the first Welcome."""
        with self._lock:
            if self._state is not None:
                return self._state.slot
            return -1 if self._last is None else self._last.slot + 1

    @property
    def battery_uj(self) -> int:
        return self._battery_uj

    @property
    def boot_id(self) -> str:
        return self._boot_id

    # --- registration and acknowledgement ----------------------------------------------------------------

    def register(self, boot_id: str, peer_address: str = "") -> Register:
        """First message of every stream. ``boot_id`` stays the same as long as this object lives."""
        with self._lock:
            if self._boot_id and boot_id != self._boot_id:
                raise InvalidDecision(
                    f"{self.node_id} runs as boot {self._boot_id}; a new boot needs a new object"
                )
            if not self._boot_id:
                self._boot_id = boot_id
                relabel(self._outbox, boot_id)
            return Register(self.node_id, boot_id, peer_address, self.profile())

    def profile(self) -> NodeProfile:
        """Constants of this node."""
        return node_profile(self.config, self._workloads, self._meter)

    def on_welcome(self, welcome: Welcome) -> None:
        """The coordinator knows this node. A fresh one takes up slot and battery as the ledger has them."""
        with self._lock:
            if welcome.run_id != self.config.run_id:
                raise InvalidDecision(f"{self.node_id} is of run {self.config.run_id}, not {welcome.run_id}")
            self._coordinator_slot = welcome.next_slot
            self._negotiates = welcome.negotiates
            if self._state is None and self._last is None:
                if welcome.battery_uj is not None:
                    self._battery_uj = min(welcome.battery_uj, self._battery.capacity_uj)
                self._open(welcome.next_slot, awake=True)
                return
            # The coordinator is further. It may still be waiting for us in our slot (then it says so right
            # after this welcome), or have ended it without us: settled by ``tick``.
            self._in_doubt = self._state is not None and self._state.slot < welcome.next_slot

    def acknowledged(self, ack: Ack) -> None:
        """Everything up to ``ack.seq`` is committed."""
        with self._lock:
            self._outbox.acknowledge(ack.seq)

    def unacknowledged(self) -> list[UpMessage]:
        """Readings to send again on a new stream, in order. Telemetry is made anew: see ``tick``."""
        with self._lock:
            return [message for message in self._outbox.pending() if not isinstance(message, Telemetry)]

    def heartbeat(self, monotonic_ns: int) -> Heartbeat:
        """Sign of life; carries the last number given, so that the coordinator can see what it lacks."""
        return Heartbeat(self.node_id, self._boot_id, self._outbox.last_seq, monotonic_ns)

    def tick(self) -> list[UpMessage]:
        """Once per heartbeat: settle doubts after a reconnection, and say again what was not acknowledged.

        Raises:
            MeterError: a slot that ended without this node has no reading.
        """
        with self._lock:
            pending = self._outbox.pending()
            if self._in_doubt and (late := self._resolve_doubt(pending)) is not None:
                return [late]
            if not self.expects_decision() or any(not isinstance(m, Telemetry) for m in pending):
                return []  # readings first: the coordinator's battery is behind ours until they are booked
            assert self._state is not None
            if self._negotiates:
                return self.before_slot()
            told = self._state.telemetry
            return [self.telemetry()] if told is None or told in pending else []

    def _resolve_doubt(self, pending: Sequence[UpMessage]) -> Usage | None:
        """The coordinator is ahead, and has said nothing of our slot since: it has ended the slot."""
        state = self._state
        if state is None:
            return None
        if state.decision is None:
            self._advance(self._coordinator_slot)  # decided without us: nothing of it to report
        elif state.usage is None:
            return self.close(CloseSlot(state.decision.epoch, state.slot))  # late, and still booked
        elif state.usage not in pending:
            self._finish(state)  # our reading is in the books, closed by the coordinator's own estimate
        return None

    def expects_decision(self) -> bool:
        """Whether telemetry of the slot is due: not at the run's end, nor while a slot is in doubt."""
        with self._lock:
            state = self._state
            return state is not None and state.decision is None and state.usage is None and not self._in_doubt

    # --- markets: what is said before a slot under a policy without complete information -------------------

    def before_slot(self) -> list[UpMessage]:
        """What a slot that waits for its decision has to say: telemetry, or the answer a market waits for."""
        with self._lock:
            if not self.expects_decision():
                return []
            if not self._negotiates:
                return [self.telemetry()]
            return [*self._market.answer(self._require_open(), self._battery_uj, self._asleep())]

    def _asleep(self) -> bool:
        """Whether the node slept through the slot before."""
        return self._last is not None and not self._last.awake

    def on_market(self, question: MarketCall | MarketNews) -> list[UpMessage]:
        """A market asks. Answered now, or once the node is in that slot; a repeat gets the same answer.

        Raises:
            InvalidDecision: not for this node.
        """
        with self._lock:
            if question.node_id != self.node_id:
                raise InvalidDecision(f"market's question to {question.node_id} came to {self.node_id}")
            self._market.hear(question)
            state = self._state
            if state is not None and question.slot > state.slot:
                self._coordinator_slot, self._in_doubt = question.slot, True
                if state.decision is None:
                    self._advance(question.slot)  # decided without us
            return self.before_slot()

    # --- telemetry ---------------------------------------------------------------------------------------

    def telemetry(self) -> Telemetry:
        """State before the current slot; the same message until it changes.

        Raises:
            NotReady: before the first Welcome, or when the run is over.
        """
        with self._lock:
            state = self._require_open()
            if state.telemetry is None:
                for message in self._outbox.pending():
                    if isinstance(message, Telemetry):
                        self._outbox.remove(message.seq)
                horizon = self.config.horizon_slots
                state.telemetry = Telemetry(
                    node_id=self.node_id,
                    boot_id=self._boot_id,
                    seq=self._outbox.next_seq(),
                    slot=state.slot,
                    battery_uj=self._battery_uj,
                    harvest_forecast_uj=self._harvest.forecast_uj(state.slot, horizon),
                    backlog_batches=self._backlog.counts(state.slot),
                    release_forecast_batches=self._backlog.forecast(state.slot, horizon),
                    mean_loss=self._mean_loss,
                )
                self._outbox.put(state.telemetry.seq, state.telemetry)
            return state.telemetry

    # --- decisions and parcels ---------------------------------------------------------------------------

    def on_decision(self, decision: Decision) -> list[Parcel]:
        """Accept the slot's decision; returns the parcels to send to executors.

        The same decision again, or again under a new epoch once work has begun, changes nothing: [].

        Raises:
            StaleDecision: older than the fence, or another content under the same (epoch, slot).
            InvalidDecision: not for this node, or impossible.
        """
        with self._lock:
            check_decision(self.config, decision)
            key, fence = (decision.epoch, decision.slot), self._outbox.fence
            state = self._find(decision.slot)
            known = state.decision if state is not None else None
            if state is not None and known is not None and decision.epoch >= known.epoch:
                same = replace(known, epoch=decision.epoch) == decision
                if same or (state.fixed and decision.epoch > known.epoch):
                    self._outbox.raise_fence(*key)
                    state.decision = replace(known, epoch=decision.epoch)
                    self._in_doubt = False
                    return []
            if fence is not None and key <= fence:
                raise StaleDecision(f"{self.node_id}: decision {key} is not above {fence}, the last accepted")
            if decision.slot < self.slot:
                raise StaleDecision(f"{self.node_id}: decision of slot {decision.slot}, node in {self.slot}")
            self._outbox.raise_fence(*key)
            self._in_doubt = False
            if decision.slot > self.slot:
                self._advance(decision.slot)
            return self._adopt(self._require_open(), decision)

    def _adopt(self, state: SlotState, decision: Decision) -> list[Parcel]:
        self._backlog.put_back(state.own)
        for outgoing in state.outgoing.values():
            if outgoing.delivery is not Delivery.FAILED:
                self._backlog.put_back(outgoing.batches)
        state.own, state.outgoing, state.given_up = [], {}, set()
        state.decision = decision
        state.awake, state.woke = decision.awake, decision.awake and self._asleep()
        state.charge_uj, state.discharge_uj = decision.charge_uj, decision.discharge_uj
        if decision.self_managed:
            body = self._battery_uj, self._battery.capacity_uj, self._asleep()
            state.own, rest = self._market.manage(state, decision, *body)
        else:
            wanted = decision.own_batches + sum(send.batches for send in decision.sends)
            taken = self._backlog.take(state.stage, wanted)
            # Most urgent at home: a parcel may fail.
            state.own, rest = taken[: decision.own_batches], taken[decision.own_batches :]
        for send in decision.sends:
            part, rest = rest[: send.batches], rest[send.batches :]
            if part:
                state.outgoing[send.executor] = Outgoing(self._pack(decision, send.executor, part), part)
        # What came before the decision and is not in it, or went out under the plan before, is nobody's any
        # more: its radio joules stay in the meter, but it moves no batches.
        guests, executors = state.expected_batches(), {send.executor for send in decision.sends}
        state.incoming = {o: g for o, g in state.incoming.items() if len(g.batch_ids) <= guests.get(o, 0)}
        state.received = {
            owner: counts for owner, counts in state.received.items() if owner in state.incoming
        }
        state.sent = {executor: counts for executor, counts in state.sent.items() if executor in executors}
        return [outgoing.parcel for outgoing in state.outgoing.values()]

    def _pack(self, decision: Decision, executor: str, batches: list[Batch]) -> Parcel:
        workload, stage = self._workloads[decision.stage], decision.stage.value
        return pack(
            run_id=self.config.run_id,
            epoch=decision.epoch,
            slot=decision.slot,
            owner=self.node_id,
            executor=executor,
            batch_ids=[batch.batch_id for batch in batches],
            batches=[workload.batch(batch.batch_id, stage) for batch in batches],
        )

    def parcel_delivered(self, parcel: Parcel) -> None:
        """The executor has it: its batches are the executor's to run."""
        with self._lock:
            outgoing = self._pending(parcel)
            if outgoing is None:
                return
            outgoing.delivery = Delivery.DELIVERED
            self._market.left(outgoing.batches)
            state = self._require_open()
            size = payload_bytes(parcel)
            batches, total = state.sent.get(parcel.executor, (0, 0))
            state.sent[parcel.executor] = (batches + len(parcel.batch_ids), total + size)
            self._meter.moved(state.stage, tx_bytes=size)
            # The owner's users send to their own node; it passes on what it had received.
            workload = self._workloads[state.stage]
            for batch in outgoing.batches:
                exchanged = workload.user_bytes(
                    workload.batch(batch.batch_id, state.stage.value), state.stage
                )
                self._exchange(state, self.node_id, exchanged.up_bytes, 0)

    def parcel_failed(self, parcel: Parcel) -> None:
        """The executor does not have it: the owner runs its batches itself."""
        with self._lock:
            outgoing = self._pending(parcel)
            if outgoing is not None:
                outgoing.delivery = Delivery.FAILED
                self._require_open().own.extend(outgoing.batches)

    def _pending(self, parcel: Parcel) -> Outgoing | None:
        # An outcome that comes after the slot was closed, or for a replaced plan, changes nothing any more.
        state = self._state
        if state is None or state.slot != parcel.slot or state.usage is not None:
            return None
        outgoing = state.outgoing.get(parcel.executor)
        if outgoing is None or outgoing.parcel is not parcel or outgoing.delivery is not Delivery.PENDING:
            return None
        return outgoing

    def on_parcel(self, parcel: Parcel) -> Receipt:
        """Guest batches arrive. Accepted once; a repeat of the same parcel is accepted and counted once."""
        with self._lock:
            if parcel.run_id != self.config.run_id or parcel.executor != self.node_id:
                return Receipt(False, 0, f"this is {self.node_id} of run {self.config.run_id}")
            state = self._state
            if state is not None and parcel.slot == state.slot + 1:
                return self._offloaded.keep_early(parcel)
            if state is None or parcel.slot != state.slot:
                return Receipt(False, 0, f"the node is in slot {self.slot}")
            return self._offloaded.take_in(state, parcel)

    # --- work --------------------------------------------------------------------------------------------

    def readiness(self, slot: int) -> Readiness:
        """What ``execute`` of ``slot`` still waits for."""
        with self._lock:
            state = self._state
            if state is None or state.slot != slot:
                return Readiness(False, (), (), over=slot < self.slot)
            decided = state.decision is not None
            return Readiness(
                decided, state.pending_parcels(), state.missing_owners(), state.usage is not None
            )

    def slot_deadline_s(self, slot: int) -> float:
        """Wall seconds that the decision of ``slot`` gives; infinite without one."""
        with self._lock:
            state = self._find(slot)
            return math.inf if state is None or state.decision is None else state.decision.deadline_s

    def give_up_missing(self, slot: int) -> tuple[str, ...]:
        """Wait no longer for guests of ``slot``: their parcels are refused from now. Returns their owners."""
        with self._lock:
            state = self._state
            if state is None or state.slot != slot:
                return ()
            missing = state.missing_owners()
            state.given_up.update(missing)
            return missing

    def execute(self, parameters: Parameters, options: Mapping[str, float] | None = None) -> Result:
        """Do the slot's work on own and guest batches; once: a repeat returns the first result.

        Raises:
            NotReady: something is still waited for, the work is under way in another thread, or the slot is
            over. NoWork: there is nothing to run.
        """
        with self._lock:
            state = self._require_open()
            if state.result is not None:
                return state.result  # type: ignore[no-any-return]
            readiness = self.readiness(state.slot)
            if not readiness.ready or state.running:
                why = "its work is under way" if state.running else readiness.describe()
                raise NotReady(f"{self.node_id} cannot run slot {state.slot}: {why}")
            owners, batches = gather(self.node_id, self._workloads[state.stage], state)
            if not batches:
                raise NoWork(f"{self.node_id} has no batches in slot {state.slot}")
            state.running = True
        with self._work:
            return self._run(state, parameters, owners, batches, options or {})

    def _run(
        self,
        state: SlotState,
        parameters: Parameters,
        owners: dict[str, int],
        batches: list[Arrays],
        options: Mapping[str, float],
    ) -> Result:
        try:
            self._meter.begin()
            result = run_stage(self._workloads[state.stage], state.stage, parameters, batches, options)
        except BaseException:
            with self._lock:
                state.running = False
                self._meter.add(Work(state.stage, 0.0, wasted=True))
            raise
        with self._lock:
            state.running = False
            late = state is not self._state or state.usage is not None
            self._meter.add(Work(state.stage, result.flop, wasted=late))
            if late:
                raise NotReady(f"slot {state.slot} was closed while {self.node_id} worked: too late")
            tx_bytes, rx_bytes = count_result(state, result, owners, parameters)
            if state.stage in (Stage.DEVELOPMENT, Stage.APPLICATION):
                self._outside.model = parameters  # outside clients are answered while others still train
            if isinstance(result, InferResult):
                self._serving.finish(state, result, owners, batches)
            self._meter.moved(state.stage, tx_bytes=tx_bytes, rx_bytes=rx_bytes)
            self._exchange_with_users(state, result, owners, batches)
            if state.mean_loss is not None:
                self._mean_loss = state.mean_loss
            return result

    def _exchange_with_users(
        self, state: SlotState, result: Result, owners: Mapping[str, int], batches: Sequence[Arrays]
    ) -> None:
        """Own users sent requests (or data) and get answers; users of guests' owners get answers from here.

        Raises ValueError when the task counts other bits as delivered than travelled.
        """
        workload = self._workloads[state.stage]
        names = [owner for owner, count in owners.items() for _ in range(count)]
        exchanged = [workload.user_bytes(batch, state.stage) for batch in batches]
        travelled = BITS_PER_BYTE * sum(each.up_bytes + each.down_bytes for each in exchanged)
        if isinstance(result, InferResult) and result.payload_bits != travelled:
            raise ValueError(
                f"the task counts {result.payload_bits} bits of requests and answers, {travelled} travelled; "
                "Served.payload_bits must be those of request_bytes() for every request"
            )
        for owner, each in zip(names, exchanged, strict=True):
            self._exchange(state, owner, each.up_bytes if owner == self.node_id else 0, each.down_bytes)

    def _exchange(self, state: SlotState, owner: str, up_bytes: int, down_bytes: int) -> None:
        state.exchange(owner, state.stage, up_bytes, down_bytes)
        self._meter.moved(state.stage, tx_bytes=down_bytes, rx_bytes=up_bytes)

    def discard_result(self, slot: int) -> None:
        """The result of ``slot`` was thrown away: its energy is waste, and its batches count for nobody."""
        with self._lock:
            state = self._state
            if state is None or state.slot != slot or state.result is None or state.usage is not None:
                return
            self._meter.waste(Work(state.stage, state.flop))
            self._backlog.put_back(state.own)
            state.own, state.executed = [], {}
            state.serving = {}

    # --- outside clients ---------------------------------------------------------------------------------

    def check_request(self, arrays: Arrays) -> None:
        """Whether outside requests of this form can be answered now. Raises as ``OutsideClients.check``."""
        self._outside.check(arrays)

    def answer(self, arrays: Arrays, waited_s: Sequence[float] = ()) -> Answered:
        """Answer outside requests; see ``OutsideClients.answer``."""
        return self._outside.answer(arrays, waited_s)

    def stop_answering(self) -> None:
        """Whoever waits for a slot to book answers in waits no longer: the process ends."""
        self._outside.stop()

    # --- the slot's end ----------------------------------------------------------------------------------

    def close(self, close: CloseSlot) -> Usage:
        """The slot is over: read the meter. Asked again, the same reading; under a new epoch, anew numbered.

        Raises:
            StaleDecision: the slot lies behind, or its epoch below the decision's.
            MeterError: the meter has no reading; the slot is then a gap and the node goes on to the next.
        """
        with self._lock:
            state = self._find(close.slot)
            if state is None and close.slot > self.slot:
                self._advance(close.slot)
                state = self._require_open()
            if state is None or (state.decision is not None and close.epoch < state.decision.epoch):
                raise StaleDecision(
                    f"{self.node_id}: close of {(close.epoch, close.slot)}, node in {self.slot}"
                )
            self._in_doubt = False
            if state.usage is None:
                self._read_meter(state, close.epoch)
            elif state.usage.epoch != close.epoch:
                self._outbox.remove(state.usage.seq)
                state.usage = replace(state.usage, epoch=close.epoch, seq=self._outbox.next_seq())
                self._outbox.put(state.usage.seq, state.usage)
            assert state.usage is not None
            return state.usage

    def _read_meter(self, state: SlotState, epoch: int) -> None:
        if state.result is None:
            self._backlog.put_back(state.own)
            state.own = []
        for executor in state.pending_parcels():
            state.outgoing[executor].delivery = Delivery.FAILED
            self._backlog.put_back(state.outgoing[executor].batches)
        expired = self._backlog.expire(state.slot)
        state.unserved_batches = len(expired)
        state.unserved_requests = self._serving.plan.requests_in(
            [batch.batch_id for batch in expired if batch.stage is Stage.APPLICATION]
        )
        try:
            lines = self._meter.close(Slot(state.slot, state.stage, state.awake, state.woke))
        except MeterError:
            self._finish(state)
            raise
        state.usage = Usage(
            node_id=self.node_id,
            boot_id=self._boot_id,
            seq=self._outbox.next_seq(),
            epoch=epoch,
            slot=state.slot,
            lines=lines,
            harvest_uj=self._harvest.energy_uj(state.slot),
            executed=tuple(Executed(owner, count) for owner, count in sorted(state.executed.items())),
            moved=state.moved(),
            model_bytes=state.model_bytes,
            mean_loss=state.mean_loss,
            serving=self._serving.reports(state.serving),
            outside=self._serving.report(state.outside),
            unserved_requests=state.unserved_requests,
            own_work=state.own_work,
            users=state.user_traffic(),
        )
        self._outbox.put(state.usage.seq, state.usage)

    def on_grant(self, grant: EnergyGrant) -> Settlement:
        """The slot's trade is known: balance the bus, move to the next slot. Asked again, the same
        settlement.

        Raises:
            StaleDecision: no reading of that slot was reported.
            EnergyError: more is to be exported than this bus can give.
        """
        with self._lock:
            state = self._find(grant.slot)
            if grant.node_id != self.node_id or state is None or state.usage is None:
                raise StaleDecision(f"grant of {grant.node_id} for slot {grant.slot} at {self.node_id}")
            self._in_doubt = False
            if state.settlement is not None and state.grant == grant:
                return state.settlement
            before = self._battery_uj if state.settlement is None else state.settlement.battery_before_uj
            demand = sum(line.energy_uj for line in state.usage.lines)
            decision = state.decision
            result = balance(
                self._battery,
                before,
                demand_uj=demand,
                harvest_uj=state.usage.harvest_uj,
                import_uj=grant.import_uj,
                export_uj=grant.export_uj,
                # Without a decision nothing is drawn: what is stored was meant for an hour that somebody
                # planned.
                charge_uj=0 if decision is None else state.charge_uj,
                discharge_uj=0 if decision is None else state.discharge_uj,
            )
            if state.settlement is not None:
                self._outbox.remove(state.settlement.seq)
            values: dict[str, int] = asdict(result)
            state.grant = grant
            state.settlement = Settlement(
                self.node_id, self._boot_id, self._outbox.next_seq(), grant.epoch, grant.slot, **values
            )
            self._outbox.put(state.settlement.seq, state.settlement)
            self._battery_uj = result.battery_after_uj
            if state is self._state:
                self._finish(state)
            elif self._state is not None:
                self._state.telemetry = None  # it named another battery
            return state.settlement

    def on_refusal(self, refusal: Refusal) -> None:
        """The coordinator will not have a message. A reading it refuses is dropped: its slot is a gap."""
        with self._lock:
            state = self._state
            if refusal.code in _DROPPED and state is not None and state.usage is not None:
                self._outbox.remove(state.usage.seq)
                self._finish(state)

    # --- slots -------------------------------------------------------------------------------------------

    def _find(self, slot: int) -> SlotState | None:
        for state in (self._state, self._last):
            if state is not None and state.slot == slot:
                return state
        return None

    def _require_open(self) -> SlotState:
        if self._state is None:
            raise NotReady(f"{self.node_id}: no slot is open (before the first Welcome, or the run is over)")
        return self._state

    def _open(self, slot: int, awake: bool) -> None:
        self._outside.slot_opened()
        if slot >= len(self.config.stages):
            self._state = None
            if self._last is None:  # registered after the end
                self._last = SlotState(len(self.config.stages) - 1, self.config.stages[-1], awake)
            return
        self._backlog.release(slot)
        self._state = SlotState(slot, self.config.stages[slot], awake)
        self._meter.open(slot)
        self._offloaded.open(self._state)

    def _finish(self, state: SlotState) -> None:
        self._last = state
        state.incoming = {}
        self._open(state.slot + 1, state.awake)
        self._in_doubt = self._state is not None and self._coordinator_slot > self._state.slot

    def _advance(self, slot: int) -> None:
        """Skip slots that went by without this node: nothing was read, their unserved work expires."""
        while self._state is not None and self._state.slot < slot:
            state = self._state
            self._backlog.put_back([] if state.result is not None else state.own)
            self._backlog.expire(state.slot)
            self._finish(state)
        self._in_doubt = False
