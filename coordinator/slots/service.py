"""The coordinator's protocol, without any input or output: messages in, effects out, the clock injected.

The service puts the parts together and routes; each part has one task:

===============  ======================================================================================
``books``        what is durable, as a fold over the ledger; its states and moves are in ``state.py``
``sessions``     which nodes are connected, under which lease
``schedule``     when slots on the wall clock are due, and how long they lasted
``clocks``       how far nodes' clocks are off, and how well that is known
``windows``      how long nodes' windows can have been
``prompts``      which nodes wait in vain for prompts that others were to read
``joining``      registration of a node: the Welcome, and the messages of the open slot
``intake``       which records of nodes may enter the books
``freezing``     live intensities of a slot, before it is decided
``deciding``     a slot decided with complete information
``negotiating``  a slot decided by a market
``closing``      a slot ended: traded, booked, summed up
``reporting``    totals for people
===============  ======================================================================================

Every part checks, turns what happened into ledger entries, applies them to the books and returns ``Effects``: what
must be durable first, and which messages may be sent afterwards. The caller (gRPC server, in-process fleet,
simulator) commits the entries in the order of the calls, and only then sends the messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from coordinator.config import CoordinatorConfig
from coordinator.ledger.entry import Entry, Kind
from coordinator.policies.base import Policy
from coordinator.slots.awaited_prompts import AwaitedPrompts
from coordinator.slots.books import Books
from coordinator.slots.clocks import Clocks
from coordinator.slots.closing import Closing
from coordinator.slots.deciding import Deciding
from coordinator.slots.freezing import Freezing
from coordinator.slots.intake import Intake
from coordinator.slots.joining import Joining
from coordinator.slots.negotiating import MarketHost
from coordinator.slots.protocol import Effects, Refused
from coordinator.slots.reporting import report
from coordinator.slots.schedule import Schedule
from coordinator.slots.sessions import Sessions
from coordinator.slots.settings import check_config, require_same_config, told_config
from coordinator.slots.stateful_policy import StatefulPolicy
from coordinator.slots.window_bounds import WindowBounds
from protos.messages.market import Offers
from protos.messages.runner import Report, ReportQuery, Status
from protos.messages.slot import CloseSlot
from protos.messages.stream import (
    ClockAnswer,
    ClockQuestion,
    DownMessage,
    Heard,
    Heartbeat,
    Heartbeats,
    Refusal,
    Register,
    UpMessage,
)


class CoordinatorService:
    """State machine of one run. Not thread-safe: one caller at a time.

    ``recorded`` are the entries of the run's ledger (empty for a new one): books and policy are rebuilt from them.
    ``digest_of`` gives the content digest under a ledger key, queued or committed, None when the key is new.
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
        wall_clock: Callable[[], float] | None = None,
    ) -> None:
        """``clock`` of leases; ``wall_clock`` of slots, where it is another."""
        check_config(config)
        self.config = config
        self._pid = pid
        self.books = Books(config)
        self.policy = StatefulPolicy(policy, self.books)
        for entry in recorded:
            self._replay(entry)
        self.sessions = Sessions(config.node_ids, self.books.nodes, config.lease_s, clock)
        self.schedule = Schedule(lambda: self.books.run_time, wall_clock or clock)
        self.clocks = Clocks(self.books, wall_clock or clock)
        self.freezing = Freezing(self.books)
        self.deciding = Deciding(self.books, self.sessions, self.policy, self.schedule, clock)
        self.negotiating = MarketHost(self.books, self.sessions, self.policy, self.schedule)
        self.closing = Closing(self.books, self.sessions, self.schedule)
        earlier = [(node, boot) for node, known in self.books.nodes.items() for boot in known.boots]
        self.prompts = AwaitedPrompts(self.books, self.sessions)
        self.windows = WindowBounds(config.slot_s, wall_clock or clock, earlier)
        self.intake = Intake(self.books, digest_of, self.policy.negotiates, self.windows)
        self.joining = Joining(
            self.books,
            self.sessions,
            self.intake,
            self.closing,
            self.negotiating,
            self.policy.negotiates,
        )

    def _replay(self, entry: Entry) -> None:
        if entry.kind is Kind.START and "config" in entry.body:
            require_same_config(entry.body["config"], told_config(self.config))
        self.policy.replay(entry)
        self.books.apply(entry)

    def start(self) -> Effects:
        """Raise the epoch. To be durable before anything else happens."""
        epoch = self.books.epoch + 1
        told = {"config": told_config(self.config)} if epoch == 1 else {}
        return self.books.enter([Entry(Kind.START, f"start/{epoch}", {"epoch": epoch, **told})])

    def register(self, message: Register) -> tuple[int, Effects]:
        """The first message of a node's stream: (session number, effects). Raises Refused."""
        with self.books.together():
            session, effects = self.joining.register(message)
            self.windows.came(message.node_id, message.boot_id)
            return session, _and(effects, self.clocks.open(message.node_id))

    def receive(self, node: str, session: int, message: UpMessage) -> Effects:
        """Any later message of a node's stream. Raises Refused; its alarms are to be made durable as well."""
        if not self.sessions.is_current(node, session):
            raise Refused("fenced", f"a newer stream of {node} took over; this one is closed")
        self.sessions.renew(node)
        if isinstance(message, Refusal):
            self.prompts.refused(node)
            return Effects()
        if isinstance(message, Register):
            raise Refused("already_registered", f"{node} is registered on this stream; open a new one")
        if isinstance(message, Heartbeats):
            return self._beats(node, message)
        if message.node_id != node:
            raise Refused("wrong_node", f"message of {message.node_id} on the stream of {node}")
        if isinstance(message, ClockAnswer):
            return self.clocks.take(message)
        with self.books.together():
            try:
                if isinstance(message, Offers):
                    effects = self.negotiating.take(message)
                else:
                    effects = self.intake.take(message)
            except Refused as error:
                refused = error  # its alarm stands
            else:
                more = self.prompts.hear(message) if isinstance(message, Heartbeat) else ()
                return _and(effects, (*self.clocks.due(node), *more))
        raise refused

    def _beats(self, node: str, message: Heartbeats) -> Effects:
        """Heartbeats of several nodes, on the stream of ``node``. One counts where a stream of its node is open, and of
        the same start; any other node hears nothing, and opens a new stream."""
        heard = []
        for beat in message.beats:
            known = self.books.nodes.get(beat.node_id)
            if known is not None and known.boot_id == beat.boot_id and self.sessions.is_open(beat.node_id):
                self.sessions.renew(beat.node_id)
                heard.append(beat)
        effects = Effects((), ((node, Heard(tuple(each.node_id for each in heard))),))
        for each in heard:
            effects = _and(effects, (*self.clocks.due(each.node_id), *self.prompts.hear(each)))
        return effects

    def leaving(self, message: DownMessage) -> DownMessage:
        """A message that is sent to a node now, once what it rests on is durable: times in it are of now."""
        if isinstance(message, ClockQuestion):
            self.clocks.leaves(message)
        elif isinstance(message, CloseSlot):
            self.windows.leaves(message)
        return self.schedule.leaving(message)

    def unknown_clocks(self, among: Sequence[str] | None = None) -> tuple[str, ...]:
        """Nodes of the next slot whose clocks are not known well enough yet; ``among``: of these alone."""
        return self.clocks.unknown(self._next_nodes() if among is None else self.sessions.living(among))

    def require_clocks(self) -> None:
        """Raises TryLaterError where the next slot is refused because of a node's clock."""
        self.clocks.require(self._next_nodes())

    def _next_nodes(self) -> tuple[str, ...]:
        return self.sessions.came() if self.policy.negotiates else self.deciding.ready()

    def status(self) -> Status:
        return Status(
            run_id=self.config.run_id,
            epoch=self.books.epoch,
            next_slot=self.books.next_slot,
            nodes=tuple(self.books.nodes),
            live_nodes=self.sessions.came(),
            pid=self._pid,
        )

    def report(self, query: ReportQuery) -> Report:
        """Totals of the run so far, of all nodes or of one. Raises RequestError."""
        return report(self.books, query)


def _and(effects: Effects, more: Sequence[tuple[str, DownMessage]]) -> Effects:
    """``effects``, and messages to be sent after them."""
    return Effects(effects.entries, (*effects.sends, *more)) if more else effects
