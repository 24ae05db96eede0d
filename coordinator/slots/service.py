"""The coordinator's protocol, without any input or output: messages in, effects out, the clock injected.

Every handler checks a message, turns it into ledger entries, applies them to the books and returns
``Effects``: what must be durable first, and what may be said afterwards. The caller (gRPC server,
in-process fleet, simulator) commits the entries in the order in which the handlers were called, and only
then sends the messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from carbon_data.types import DataError
from coordinator.config import CoordinatorConfig
from coordinator.ledger.entry import Entry, Kind
from coordinator.market.fleet import Fleet
from coordinator.negotiation.table import Negotiating, Table
from coordinator.policies.base import Policy
from coordinator.policies.guard import REPLACED, Choice, choose, first_state
from coordinator.slots.bookkeeping import gap, message_key, slot_end
from coordinator.slots.books import Books, SlotState
from coordinator.slots.closing import Closing
from coordinator.slots.deciding import Draft, decision_entry, market_entry
from coordinator.slots.fleet_view import NodeView, build_fleet, build_table, work_of
from coordinator.slots.intake import Intake, grant
from coordinator.slots.negotiating import Conversation
from coordinator.slots.protocol import Effects, Refused, RequestError
from coordinator.slots.reporting import node_report, run_labels
from coordinator.slots.sessions import Sessions
from coordinator.slots.settings import check_config, require_same_config, told_config
from protos.messages import (
    Ack,
    BeginSlot,
    CloseSlot,
    DownMessage,
    EndSlot,
    Heartbeat,
    Offers,
    Refusal,
    Register,
    Report,
    ReportQuery,
    Settlement,
    SlotPlan,
    SlotSummary,
    Status,
    Telemetry,
    UpMessage,
    Usage,
    Welcome,
)

RECORDS = {Telemetry: Kind.TELEMETRY, Usage: Kind.USAGE, Settlement: Kind.SETTLEMENT}
"""Messages of nodes that enter the ledger, under (node, boot_id, seq)."""


class CoordinatorService:
    """State machine of one run. Not thread-safe: one caller at a time.

    ``recorded`` are the entries of the run's ledger (empty for a new one): the books are rebuilt from them,
    and a policy with state is asked again for every past slot, so that it goes on as if nothing had
    happened. ``digest_of`` gives the content digest under a ledger key, queued or committed, None when the
    key is new.
    Raises DataError for a configuration that cannot run, or is not the one the ledger was begun with.
    """

    def __init__(
        self,
        config: CoordinatorConfig,
        policy: Policy,
        clock: Callable[[], float],
        digest_of: Callable[[str], str | None],
        recorded: Iterable[Entry] = (),
        pid: int = 0,
    ) -> None:
        check_config(config)
        self.config = config
        self.books = Books(config)
        self._policy = policy
        self._clock = clock
        self._pid = pid
        self._intensity = {zone.zone: zone.intensity_g_per_kwh for zone in config.zones}
        self._closing = Closing(self.books, self._intensity)
        self._intake = Intake(self.books, self._closing, digest_of)
        self._slot_closing = False
        self._market: Conversation | None = None
        self._state = first_state(policy, config.seed)
        for entry in recorded:
            self._replay(entry)
        self.sessions = Sessions(config.node_ids, self.books.nodes, config.lease_s, clock)

    def _replay(self, entry: Entry) -> None:
        if entry.kind is Kind.START and "config" in entry.body:
            require_same_config(entry.body["config"], told_config(self.config))
        if entry.kind is Kind.DECISION and entry.body.get("market") is not None:
            self._recall(entry)
        elif entry.kind is Kind.DECISION:
            self._find_state(entry)
        self.books.apply(entry)

    def _find_state(self, decided: Entry) -> None:
        """The policy's state after a past decision; the choice itself is in the ledger. A policy that can ``follow``
        is not asked to decide again."""
        follow = getattr(self._policy, "follow", None)
        if follow is None and self._state is None:
            return
        fleet = self._fleet(decided.body["node_ids"])
        if follow is None:
            _, self._state = choose(self._policy, self._state, fleet, lambda: 0.0)
        elif not decided.body["plan"]["status"].startswith(REPLACED):
            self._state = follow(fleet, self._state)

    def _recall(self, decided: Entry) -> None:
        """The policy's state after a negotiated slot, from what the market left on record."""
        assert isinstance(self._policy, Negotiating)
        assert decided.slot is not None
        ids, record = tuple(decided.body["node_ids"]), decided.body["market"]["record"]
        self._state = self._policy.recall(ids, decided.slot, self._state, record)

    @property
    def negotiates(self) -> bool:
        """Whether the policy does without complete information: nodes are then asked, and send no telemetry."""
        return isinstance(self._policy, Negotiating)

    # --- start, streams, leases ----------------------------------------------------------------------------

    def start(self) -> Effects:
        """Raise the epoch. To be durable before anything else happens."""
        epoch = self.books.epoch + 1
        body: dict[str, Any] = {"epoch": epoch}
        if epoch == 1:
            body["config"] = told_config(self.config)
        return self._apply([Entry(Kind.START, f"start/{epoch}", body)])

    def register(self, message: Register) -> tuple[int, Effects]:
        """A node came (or came back): (session number, effects). Fences the node's older stream.

        Raises Refused for a node that does not belong to the run, or a start of it that was superseded.
        """
        node = message.node_id
        if node not in self.config.node_ids:
            raise Refused(
                "unknown_node", f"{node} is not of this run; its nodes are {self.config.node_ids[:20]}"
            )
        key = f"registration/{node}/{message.boot_id}"
        entry = Entry(Kind.REGISTRATION, key, asdict(message), node_id=node)
        known = self.books.nodes.get(node)
        if known is not None and message.boot_id in known.boots and message.boot_id != known.boot_id:
            raise Refused(
                "stale_boot", f"start {message.boot_id} of {node} was superseded by {known.boot_id}"
            )
        new = self._intake.is_new(entry)
        if new:
            self._check_profile(message)
            if self._market is not None and known is not None:
                self._market.leave(node)
        effects = self._apply([entry] if new else [])
        return self.sessions.open(node), Effects(
            effects.entries, tuple((node, m) for m in self._greeting(node))
        )

    def _check_profile(self, message: Register) -> None:
        zone = message.profile.zone
        if zone not in self._intensity:
            raise Refused(
                "unknown_zone", f"{message.node_id} is in {zone}; this run has {sorted(self._intensity)}"
            )
        try:
            for stage in dict.fromkeys(self.config.stages):
                work_of(message.profile, stage)
        except DataError as error:
            raise Refused("bad_profile", f"{message.node_id}: {error}") from error

    def _welcome(self, node: str) -> Welcome:
        return Welcome(
            run_id=self.config.run_id,
            epoch=self.books.epoch,
            heartbeat_s=self.config.heartbeat_s,
            lease_s=self.config.lease_s,
            next_slot=self.books.next_slot,
            battery_uj=self.books.battery_uj(node) if self.books.nodes[node].opened else None,
            negotiates=self.negotiates,
        )

    def _greeting(self, node: str) -> list[DownMessage]:
        """Welcome, then all that the node may have missed of the open slot."""
        messages: list[DownMessage] = [self._welcome(node)]
        state = self.books.nodes[node]
        if state.acked_seq is not None:
            messages.append(Ack(node, state.acked_seq))
        slot = self.books.open_slot
        # A new start of a node knows nothing of the old one's slot, and must not run its work twice.
        if slot is not None and node in slot.decisions and self._same_boot(slot, node):
            if node not in slot.usage:
                messages.append(slot.decisions[node])
                if self._slot_closing:
                    messages.append(CloseSlot(slot.epoch, slot.slot))
            elif slot.trade is not None and node not in slot.booked:
                messages.append(grant(slot, node))
        if self._market is not None and (question := self._market.question_for(node)) is not None:
            messages.append(question)
        return messages

    # --- messages of nodes ---------------------------------------------------------------------------------

    def receive(self, node: str, session: int, message: UpMessage) -> Effects:
        """Anything a registered node says. Raises Refused; its alarms are to be made durable as well."""
        if not self.sessions.is_current(node, session):
            raise Refused("fenced", f"a newer stream of {node} took over; this one is closed")
        self.sessions.renew(node)
        if isinstance(message, Refusal):
            return Effects()
        if isinstance(message, Register):
            raise Refused("already_registered", f"{node} is registered on this stream; open a new one")
        if message.node_id != node:
            raise Refused("wrong_node", f"message of {message.node_id} on the stream of {node}")
        if isinstance(message, Offers):
            return self._take_offers(message)
        current = self.books.nodes[node]
        if message.boot_id != current.boot_id:
            raise Refused("stale_boot", f"start {message.boot_id} of {node}, registered is {current.boot_id}")
        if isinstance(message, Heartbeat):
            # Numbers begin at 1: an acknowledgement of 0 is a sign of life and no more.
            return Effects((), ((node, self._ack(node, 0)),))
        key = message_key(node, message.boot_id, message.seq)
        entry = Entry(RECORDS[type(message)], key, asdict(message), slot=message.slot, node_id=node)
        answers: list[DownMessage] = []
        applied = Effects()
        try:
            if self._intake.is_new(entry):
                entries, answers = self._take_in(message, entry)
                applied = self._apply(entries)
        except Refused as refused:
            if refused.refusal.code != "not_traded":
                # Refused for good: acknowledged too, lest the node sends it again for ever.
                refused.follow = (self._ack(node, message.seq), *refused.follow)
            raise
        return Effects(applied.entries, tuple((node, m) for m in (self._ack(node, message.seq), *answers)))

    def _take_offers(self, message: Offers) -> Effects:
        if self._market is None:
            raise Refused("no_market", f"no market is open; offers of {message.node_id} came too late")
        self._market.take(message)
        return Effects()

    def _ack(self, node: str, seq: int) -> Ack:
        acked = self.books.nodes[node].acked_seq
        return Ack(node, seq if acked is None else max(seq, acked))

    def _take_in(
        self, message: Telemetry | Usage | Settlement, entry: Entry
    ) -> tuple[list[Entry], list[DownMessage]]:
        if isinstance(message, Usage):
            return self._intake.usage(message, entry)
        if isinstance(message, Settlement):
            return self._intake.settlement(message, entry)
        try:
            return self._intake.telemetry(message, entry)
        except Refused as refused:
            if refused.refusal.code == "stale_slot":
                refused.follow = (self._welcome(message.node_id),)  # which slot to speak of instead
            raise

    # --- the runner's calls: begin -------------------------------------------------------------------------

    def begin(self, request: BeginSlot) -> tuple[SlotPlan, Effects] | None:
        """The stored plan of a slot decided before, with what is to be sent again; None: to be decided now.

        Raises RequestError when the slot is not the next one.
        """
        slot = self.books.slots.get(request.slot)
        if slot is not None:
            if slot.stage is not request.stage:
                raise RequestError(
                    "wrong_stage", f"slot {request.slot} was decided for {slot.stage}, not {request.stage}"
                )
            again = [n for n in slot.decisions if n not in slot.usage and self._same_boot(slot, n)]
            sends = tuple((node, slot.decisions[node]) for node in again) if slot.summary is None else ()
            return slot.plan, Effects((), sends)
        if request.slot != self.books.next_slot:
            raise RequestError(
                "wrong_slot", f"slot {request.slot} asked for; the next is {self.books.next_slot}"
            )
        if request.slot >= len(self.config.stages):
            raise RequestError(
                "run_over", f"the run has {len(self.config.stages)} slots; {request.slot} is beyond"
            )
        if self.config.stages[request.slot] is not request.stage:
            planned = self.config.stages[request.slot]
            raise RequestError(
                "wrong_stage", f"slot {request.slot} is {planned} in this run, not {request.stage}"
            )
        if self.books.open_slot is not None:
            raise RequestError("slot_open", f"slot {request.slot - 1} is not ended; call EndSlot first")
        return None

    def _same_boot(self, slot: SlotState, node: str) -> bool:
        return slot.boots[node] == self.books.nodes[node].boot_id

    def awaiting_telemetry(self) -> tuple[str, ...]:
        """Live nodes without telemetry of the next slot; before the first slot, any node of the run."""
        expected = self.sessions.live() if self.books.next_slot else self.config.node_ids
        return tuple(node for node in expected if node not in self.books.waiting)

    def draft(self) -> Draft:
        """What is to be decided upon: live nodes with telemetry. Raises RequestError when there is none."""
        live = set(self.sessions.live())
        ready = [node for node in self.config.node_ids if node in live and node in self.books.waiting]
        if not ready:
            raise RequestError(
                "no_nodes",
                f"no live node has sent telemetry of slot {self.books.next_slot}; live are {sorted(live)}",
            )
        return Draft(self._fleet(ready), {node: self.books.waiting[node] for node in ready})

    def _fleet(self, nodes: list[str]) -> Fleet:
        views = {}
        for node in nodes:
            state, telemetry = self.books.nodes[node], self.books.waiting[node]
            views[node] = NodeView(
                profile=state.profile,
                telemetry=telemetry,
                asleep=state.asleep,
                participations=state.participations,
                harvested_uj=state.harvested_uj,
                given_uj=state.given_uj,
                offload_room=self.books.offload_room(node, telemetry),
            )
        return build_fleet(self.config, self.books.next_slot, views, self._intensity)

    def choose(self, draft: Draft) -> tuple[Choice, Any]:
        """Ask the policy, and check what it says. Pure: may run in a thread while messages are handled."""
        return choose(self._policy, self._state, draft.fleet, self._clock)

    def adopt(
        self, request: BeginSlot, draft: Draft, choice: Choice, state: Any
    ) -> tuple[SlotPlan, Effects] | None:
        """Make a choice the slot's decision: durable first, then sent.

        None when a node of the draft came anew meanwhile: then draft and choose again.
        """
        if any(self.books.waiting.get(node) is not told for node, told in draft.telemetry.items()):
            return None
        self._state = state
        self._slot_closing = False
        effects = self._apply([decision_entry(self.books, request, draft, choice)])
        plan = self.books.slots[request.slot].plan
        return plan, Effects(effects.entries, tuple((d.node_id, d) for d in plan.decisions))

    # --- the runner's calls: begin, without complete information -------------------------------------------

    def awaiting_nodes(self) -> tuple[str, ...]:
        """Before the first slot, nodes of the run that have not come yet; afterwards nobody is waited for."""
        live = set(self.sessions.live())
        return () if self.books.next_slot else tuple(n for n in self.config.node_ids if n not in live)

    def open_market(self) -> Effects:
        """Call all live nodes to the next slot's market. Raises RequestError when there is none."""
        assert isinstance(self._policy, Negotiating)
        nodes = tuple(node for node in self.sessions.live() if node in self.books.nodes)
        if not nodes:
            raise RequestError("no_nodes", "no live node is registered; the market has nobody to ask")
        self._market = Conversation(self._policy, self._state, self._table, nodes)
        return self._market.questions()

    def _table(self, nodes: Sequence[str], attempt: int) -> Table:
        profiles = {node: self.books.nodes[node].profile for node in nodes}
        slot, epoch = self.books.next_slot, self.books.epoch
        return build_table(self.config, slot, profiles, self._intensity, epoch, attempt)

    def awaiting_offers(self) -> tuple[str, ...]:
        """Live nodes that owe the market an answer."""
        live = set(self.sessions.live())
        return () if self._market is None else tuple(n for n in self._market.awaiting() if n in live)

    def step_market(self, out_of_time: bool = False) -> Effects | None:
        """Go on with the answers that came; None once the market has closed. Who has not answered is out."""
        assert self._market is not None
        if out_of_time:
            self._market.give_up("the time for negotiating is over")
            return None
        return self._market.questions() if self._market.step() else None

    def adopt_market(self, request: BeginSlot) -> tuple[SlotPlan, Effects]:
        """Make what was agreed the slot's decision: durable first, then sent. Raises RequestError without nodes."""
        market = self._market
        assert market is not None
        assert market.agreed is not None
        self._market = None
        if not market.nodes:
            raise RequestError("no_nodes", f"no node answered the market of slot {request.slot}")
        self._slot_closing = False
        entry = market_entry(self.books, request, market)
        effects = self._apply([entry])
        self._recall(entry)
        plan = self.books.slots[request.slot].plan
        return plan, Effects(effects.entries, tuple((d.node_id, d) for d in plan.decisions))

    # --- the runner's calls: end ---------------------------------------------------------------------------

    def close(self, request: EndSlot) -> tuple[SlotSummary | None, Effects]:
        """Tell the nodes that the slot is over. A slot ended before gives its stored summary."""
        slot = self.books.slots.get(request.slot)
        if slot is None:
            raise RequestError(
                "not_begun", f"slot {request.slot} was not begun; the next is {self.books.next_slot}"
            )
        if slot.summary is not None:
            return slot.summary, Effects()
        self._slot_closing = True
        return None, Effects((), tuple((n, CloseSlot(slot.epoch, slot.slot)) for n in self.awaiting_usage()))

    def awaiting_usage(self) -> tuple[str, ...]:
        """Live nodes of the open slot that have not reported their usage."""
        slot = self._open()
        live = set(self.sessions.live())
        return tuple(
            n for n in slot.decisions if n not in slot.usage and n in live and self._same_boot(slot, n)
        )

    def awaiting_settlement(self) -> tuple[str, ...]:
        """Live nodes of the open slot that reported their usage and have not settled."""
        slot = self._open()
        live = set(self.sessions.live())
        return tuple(n for n in slot.usage if n not in slot.booked and n in live and self._same_boot(slot, n))

    def _open(self) -> SlotState:
        slot = self.books.open_slot
        if slot is None:
            raise RequestError("not_begun", f"no slot is open; the next is {self.books.next_slot}")
        return slot

    def trade(self) -> Effects:
        """Settle the decided transfers with those who reported, and tell them. Repeated: only tells again."""
        slot = self._open()
        effects = self._apply([self._closing.trade(slot)] if slot.trade is None else [])
        waiting = [node for node in slot.usage if node not in slot.booked]
        return Effects(effects.entries, tuple((node, grant(slot, node)) for node in waiting))

    def finish(self, request: EndSlot) -> tuple[SlotSummary, Effects]:
        """End the open slot: gaps for the silent, cautious bookings for the half-silent, shared lines."""
        slot = self._open()
        entries: list[Entry] = []
        for node in self.config.node_ids:
            if node not in slot.usage:
                reason = (
                    "no reading" if node in slot.decisions else "no lease or telemetry when it was decided"
                )
                entries.append(gap(node, slot.slot, reason))
            elif node not in slot.booked:
                entries.append(self._closing.estimated(slot, slot.usage[node]))
        done = self._apply(entries)
        lines, parcels = self._closing.shared(slot, request)
        summary = self._closing.summary(slot, lines)
        ended = self._apply([slot_end(summary, lines, parcels)])
        self._slot_closing = False
        return summary, Effects((*done.entries, *ended.entries))

    # --- questions -----------------------------------------------------------------------------------------

    def status(self) -> Status:
        return Status(
            run_id=self.config.run_id,
            epoch=self.books.epoch,
            next_slot=self.books.next_slot,
            nodes=tuple(self.books.nodes),
            live_nodes=self.sessions.live(),
            pid=self._pid,
        )

    def report(self, query: ReportQuery) -> Report:
        """Totals of the run so far, of all nodes or of one."""
        if query.node_id and query.node_id not in self.config.node_ids:
            raise RequestError(
                "unknown_node", f"no node {query.node_id}; nodes are {list(self.config.node_ids)}"
            )
        return Report(
            run_id=self.config.run_id,
            lines=node_report(self.books, query.node_id),
            **self.books.delivered,
            labels=run_labels(self.books),
        )

    def _apply(self, entries: list[Entry]) -> Effects:
        for entry in entries:
            self.books.apply(entry)
        return Effects(tuple(entries))
