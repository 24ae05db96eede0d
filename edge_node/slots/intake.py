"""Decisions: which are accepted, and the plan of own work and parcels that follows."""

from __future__ import annotations

from dataclasses import replace

from edge_node.config import NodeConfig
from edge_node.meters.base import restart
from edge_node.serving.requests import RequestWorkload
from edge_node.slots.backlog import Batch
from edge_node.slots.errors import InvalidDecision, StaleDecision
from edge_node.slots.going import divided
from edge_node.slots.market import MarketSide
from edge_node.slots.parcels import pack
from edge_node.slots.phases import Phase
from edge_node.slots.slot import Delivery, Outgoing, SlotState
from edge_node.slots.state import NodeState
from protos.messages.parcels import Parcel
from protos.messages.slot import Decision


class DecisionIntake:
    """Takes the coordinator's decisions in for one node."""

    def __init__(self, node: NodeState, market: MarketSide) -> None:
        self._node, self._market = node, market

    def accept(self, decision: Decision) -> list[Parcel]:
        """Take up the slot's decision; returns the parcels to send to executors.

        The same decision again, or again under a new epoch once work has begun, changes nothing: [].

        Raises:
            StaleDecision: not above the fence, of a slot behind, or of one that is closed.
            InvalidDecision: not for this node, or impossible.
        """
        node, key = self._node, (decision.epoch, decision.slot)
        check_decision(node.config, decision)
        if not (decision.awake or node.sleep.possible):
            raise InvalidDecision(f"{node.node_id} cannot sleep, and was told to in slot {decision.slot}")
        slot = node.find(decision.slot)
        known = None if slot is None else slot.decision
        if slot is not None and known is not None and _repeats(slot, known, decision):
            slot.decision = replace(known, epoch=decision.epoch, remaining_s=decision.remaining_s)
            self._time(decision)
            node.outbox.raise_fence(*key)
            node.in_doubt = False
            return []
        self._refuse_stale(slot, decision)
        node.outbox.raise_fence(*key)
        node.in_doubt = False
        node.skip_to(decision.slot)
        self._time(decision)
        return self._plan(node.require_current(), decision)

    def _time(self, decision: Decision) -> None:
        """On the wall clock: when the slot is due, counted from now."""
        node, left_s = self._node, decision.remaining_s
        if node.windows is None or left_s is None:
            return
        if not node.windows.is_begun:
            restart(node.meter)
            node.harvest.restart()
        node.windows.decided(left_s)

    def _refuse_stale(self, slot: SlotState | None, decision: Decision) -> None:
        node, key, fence = self._node, (decision.epoch, decision.slot), self._node.outbox.fence
        if fence is not None and key <= fence:
            raise StaleDecision(f"{node.node_id}: decision {key} is not above {fence}, the last accepted")
        if decision.slot < node.slot:
            raise StaleDecision(f"{node.node_id}: decision of slot {decision.slot}, node in {node.slot}")
        if slot is not None and slot.fixed:
            raise StaleDecision(f"{node.node_id}: decision of slot {decision.slot}, which is {slot.phase}")

    def _plan(self, slot: SlotState, decision: Decision) -> list[Parcel]:
        """Divide the backlog between home and executors; batches of a plan before this one come back first."""
        node = self._node
        node.backlog.put_back(slot.own)
        for outgoing in slot.outgoing.values():
            if outgoing.delivery is not Delivery.FAILED:
                node.backlog.put_back(outgoing.batches)
        slot.enter(Phase.DECIDED)
        slot.outgoing, slot.given_up = {}, set()
        slot.decision = decision
        if node.config.board.points:
            node.savepoint.later(node.run_at, decision.point)
        slot.awake, slot.woke = decision.awake, decision.awake and node.slept()
        self._recall(slot, decision)
        slot.charge_uj, slot.discharge_uj = decision.charge_uj, decision.discharge_uj
        slot.own, leaving = self._divide(slot, decision)
        for send, part in zip(decision.sends, leaving, strict=True):
            if part:
                parcel = self._pack(decision, send.executor, part)
                slot.outgoing[send.executor] = Outgoing(parcel, part, handed=send.handed)
        # What arrived before the decision and is not in it, or left under the plan before, counts as not moved;
        # its radio joules stay in the meter.
        expected, executors = slot.expected_batches(), {send.executor for send in decision.sends}
        slot.incoming = {o: i for o, i in slot.incoming.items() if len(i.batch_ids) <= expected.get(o, 0)}
        slot.received = {owner: counts for owner, counts in slot.received.items() if owner in slot.incoming}
        slot.sent = {executor: counts for executor, counts in slot.sent.items() if executor in executors}
        return [outgoing.parcel for outgoing in slot.outgoing.values()]

    def _divide(self, slot: SlotState, decision: Decision) -> tuple[list[Batch], list[list[Batch]]]:
        """(batches to run at home, those of each send)."""
        node = self._node
        if decision.self_managed:
            own, leaving = self._market.manage(slot, decision)
            return own, divided(leaving, 0, decision.sends, self._at)[1]
        wanted = decision.own_batches + sum(send.batches for send in decision.sends)
        taken = node.backlog.take(slot.stage, wanted)
        return divided(taken, decision.own_batches, decision.sends, self._at)

    def _recall(self, slot: SlotState, decision: Decision) -> None:
        """Take up turns of conversations that are not here; those of lost nodes join the backlog, the oldest first."""
        if not decision.recalled:
            return
        workload = self._node.workloads[slot.stage]
        assert isinstance(workload, RequestWorkload)  # check_decision
        workload.recall(decision.recalled)
        held = set(self._node.backlog.held())
        taken = [
            Batch(each.due, each.batch_id, slot.stage, slot.slot)
            for each in decision.recalled
            if each.lost_node
        ]
        self._node.backlog.put_back(batch for batch in taken if batch not in held)

    def _at(self, batch_id: int) -> str | None:
        """Node that the user of an own batch is at; None where users do not move."""
        language = self._node.config.language
        told = None if language is None else language.conversations
        return None if told is None or batch_id >= len(told.own) else told.own[batch_id].at

    def _pack(self, decision: Decision, executor: str, batches: list[Batch]) -> Parcel:
        workload, stage = self._node.workloads[decision.stage], decision.stage.value
        return pack(
            run_id=self._node.config.run_id,
            epoch=decision.epoch,
            slot=decision.slot,
            owner=self._node.node_id,
            executor=executor,
            batch_ids=[batch.batch_id for batch in batches],
            batches=[workload.batch(batch.batch_id, stage) for batch in batches],
        )


def _repeats(slot: SlotState, known: Decision, decision: Decision) -> bool:
    """Whether ``decision`` only confirms ``known``, the one that the slot goes by."""
    if decision.epoch < known.epoch:
        return False
    same = (
        replace(known, epoch=decision.epoch, remaining_s=decision.remaining_s, deadline_s=decision.deadline_s)
        == decision
    )
    return same or (slot.fixed and decision.epoch > known.epoch)


def check_decision(config: NodeConfig, decision: Decision) -> None:
    """Raises InvalidDecision for a decision that is another node's, of no slot of the run, or of impossible content."""
    name = config.node_id
    if decision.node_id != name:
        raise InvalidDecision(f"decision of {decision.node_id} reached {name}")
    if (decision.remaining_s is None) != (config.overrun is None):
        clock = "virtual" if config.overrun is None else "wall"
        raise InvalidDecision(
            f"{decision.remaining_s} s are left of slot {decision.slot}, on the {clock} clock"
        )
    if not 0 <= decision.slot < len(config.stages):
        raise InvalidDecision(f"slot {decision.slot} of a run of {len(config.stages)} slots")
    if decision.stage is not config.stages[decision.slot]:
        planned = config.stages[decision.slot]
        raise InvalidDecision(f"slot {decision.slot} is {planned} in this run, not {decision.stage}")
    # Its own work may leave before it sleeps.
    if not decision.awake and (decision.own_batches or decision.guests):
        raise InvalidDecision(f"{name} cannot sleep and work in slot {decision.slot}")
    if decision.point not in range(max(1, len(config.board.points))):
        raise InvalidDecision(
            f"{name} has {len(config.board.points)} operating points, and was told to run at number {decision.point}"
        )
    handed = [(s.handed, s.batches) for s in decision.sends] + [
        (g.handed, g.batches) for g in decision.guests
    ]
    if any(count > batches for count, batches in handed):
        raise InvalidDecision(f"{name} hands over or takes more batches than move: {handed}")
    if any(send.handed for send in decision.sends) and (config.language is None or not decision.awake):
        raise InvalidDecision(f"{name} cannot read prompts for other nodes in slot {decision.slot}")
    _check_recalled(config, decision)
    for names in ([s.executor for s in decision.sends], [g.owner for g in decision.guests]):
        if len(set(names)) != len(names) or name in names:
            raise InvalidDecision(f"peers of {name} are {names}; allowed is each other node once")


def _check_recalled(config: NodeConfig, decision: Decision) -> None:
    """Raises InvalidDecision for turns that are no turns of this node's users, nor of a lost node's."""
    if not decision.recalled:
        return
    told = None if config.language is None else config.language.conversations
    if told is None:
        raise InvalidDecision(
            f"{config.node_id} has no conversations, and was told of {decision.recalled[0]}"
        )
    for each in decision.recalled:
        if (each.batch_id < len(told.own)) == bool(each.lost_node) or each.due > decision.slot:
            raise InvalidDecision(
                f"{config.node_id} has {len(told.own)} turns of its own, and was told in slot {decision.slot} of turn "
                f"{each.turn} of conversation {each.conversation} as batch {each.batch_id}, due in {each.due}"
            )
