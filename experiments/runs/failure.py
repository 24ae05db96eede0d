"""When a run that came to its end may not count as done, and why.

A figure of such a run would be compared with others and mean nothing: work that is not done emits nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from experiments.runs.unanswered import Unanswered
from experiments.wording import few
from protos.messages.terms import Stage

if TYPE_CHECKING:
    import pandas as pd

    from coordinator.adapters.flower_server import SlotOutcome
    from experiments.resolve.resolved import Resolved

NODES_AT_MOST = 6


def reasons_to_fail(
    resolved: Resolved,
    outcomes: Sequence[SlotOutcome],
    slots: pd.DataFrame,
    unanswered: Sequence[Unanswered] = (),
) -> tuple[str, ...]:
    """Sentences without full stops, causes before what followed from them; none for a run that counts. ``slots``:
    ``released_batches`` and ``unserved_batches`` by ``slot`` and ``node_id``; ``unanswered``: turns of
    conversations."""
    unserved = _unserved(resolved, outcomes, slots, unanswered)
    raised, lost = _exceptions(outcomes), _lost(resolved, outcomes)
    found = [
        raised,
        lost,
        first_trouble(outcomes) if unserved and not (raised or lost) else "",
        _fallbacks(resolved, outcomes),
        _no_model(resolved, outcomes),
        unserved,
    ]
    return tuple(text for text in found if text)


def troubles(outcomes: Sequence[SlotOutcome]) -> list[tuple[int, str, str]]:
    """(slot, node, reason) of nodes that did not answer in a slot, or answered with an exception."""
    return [
        (outcome.slot, node_id, reason)
        for outcome in outcomes
        for node_id, reason in [
            *outcome.replies.failed.items(),
            *((name, _silence(outcome)) for name in outcome.replies.missing),
            *((name, "its process was dead") for name in outcome.replies.unreachable),
        ]
    ]


def _silence(outcome: SlotOutcome) -> str:
    return "the run was broken off" if outcome.interrupted else "no answer by the deadline"


def first_trouble(outcomes: Sequence[SlotOutcome]) -> str:
    """The first node that failed, when and why, and how many did; empty where none did. A slot in which the run itself
    was broken off does not count."""
    found = troubles([outcome for outcome in outcomes if not outcome.interrupted])
    if not found:
        return ""
    slot, name, reason = found[0]
    nodes = {decision.node_id for outcome in outcomes for decision in outcome.plan.decisions}
    failed = {node for _, node, _ in found}
    return f"{len(failed)} of {len(nodes | failed)} nodes failed; the first, {name}, in slot {slot}: {reason}"


def lost_nodes(outcome: SlotOutcome) -> set[str]:
    """Nodes that were lost to a slot: without a lease, with a dead process, or silent to the end. None is where the run
    itself was broken off."""
    if outcome.interrupted:
        return set()
    replies = outcome.replies
    gone = set(replies.failed) - set(replies.raised)
    silent = set(replies.missing) & set(outcome.summary.missing_nodes)
    return {*outcome.plan.lost_nodes, *replies.unreachable, *gone, *silent}


def _exceptions(outcomes: Sequence[SlotOutcome]) -> str:
    raised = [(outcome, name) for outcome in outcomes for name in outcome.replies.raised]
    if not raised:
        return ""
    first, name = raised[0]
    nodes = len({name for _, name in raised})
    return (
        f"{nodes} of the nodes answered with exceptions, {len(raised)} in all; the first in slot {first.slot}: "
        f"{first.replies.failed[name]}"
    )


def _lost(resolved: Resolved, outcomes: Sequence[SlotOutcome]) -> str:
    if resolved.scenario.tolerance.lost_nodes:
        return ""
    for outcome in outcomes:
        if lost := lost_nodes(outcome):
            return (
                f"{', '.join(sorted(lost)[:NODES_AT_MOST])} lost in slot {outcome.slot}, and tolerance.lost_nodes "
                "is false"
            )
    return ""


def _unserved(
    resolved: Resolved,
    outcomes: Sequence[SlotOutcome],
    slots: pd.DataFrame,
    unanswered: Sequence[Unanswered],
) -> str:
    """More of the due batches unserved than the scenario tolerates, apart from what lost nodes left undone. Turns of
    conversations are asked again after the loss of a node: those that nobody answered count."""
    asked = slots[["slot", "node_id", "released_batches", "unserved_batches"]].dropna()
    due = int(asked["released_batches"].sum())
    by_node: dict[str, int] = {}
    lossy = resolved.scenario.tolerance.lost_nodes
    excused = _excused(outcome for outcome in outcomes if lossy or outcome.interrupted)
    columns = (asked[name].tolist() for name in ("slot", "node_id", "unserved_batches"))
    for slot, node, unserved in zip(*columns, strict=True):
        missed = int(unserved) - excused.get((int(slot), str(node)), 0)
        if missed > 0:
            by_node[node] = by_node.get(node, 0) + missed
    for turn in unanswered:
        if excused.get((turn.slot, turn.asked_at), 0):  # else it is among the batches above
            by_node[turn.asked_at] = by_node.get(turn.asked_at, 0) + 1
    missed = sum(by_node.values())
    allowed = resolved.scenario.tolerance.unserved_fraction
    if missed <= allowed * due:
        return ""
    worst = sorted(by_node.items(), key=lambda item: -item[1])
    named = ", ".join(f"{node} {count}" for node, count in worst[:NODES_AT_MOST])
    more = f", and {len(worst) - NODES_AT_MOST} more nodes" if len(worst) > NODES_AT_MOST else ""
    if unanswered:
        more += f"; lost with a node, and no later slot answered them: {few([str(t) for t in unanswered], 6, '; ')}"
    return (
        f"{missed} of {due} batches stayed unserved ({named}{more}), which is more than the share of {allowed:g} that "
        "tolerance.unserved_fraction allows; lower the load, lengthen time.slot_s, take a policy whose rule does all "
        "work, or raise that key"
    )


def _excused(outcomes: Iterable[SlotOutcome]) -> dict[tuple[int, str], int]:
    """Batches that lost nodes left undone, by slot and owner: their own, and those of others that they had taken;
    and all of a slot in which the run was broken off."""
    found: dict[tuple[int, str], int] = {}
    for outcome in outcomes:
        if outcome.interrupted:
            found |= {(outcome.slot, decision.node_id): EVERYTHING for decision in outcome.plan.decisions}
        found |= {(outcome.slot, name): EVERYTHING for name in outcome.not_asked}
        lost = lost_nodes(outcome)
        for decision in outcome.plan.decisions if lost else ():
            taken = sum(send.batches for send in decision.sends if send.executor in lost)
            found[outcome.slot, decision.node_id] = EVERYTHING if decision.node_id in lost else taken
    return found


EVERYTHING = 2**62


def _fallbacks(resolved: Resolved, outcomes: Sequence[SlotOutcome]) -> str:
    if not outcomes or not all(outcome.plan.status.startswith("fallback") for outcome in outcomes):
        return ""
    reasons = list(dict.fromkeys(outcome.plan.status for outcome in outcomes))
    more = f" (and {len(reasons) - 1} other reasons)" if len(reasons) > 1 else ""
    return (
        f"policy {resolved.scenario.policy} decided nothing: LOCAL's rule stood in for it in all "
        f"{len(outcomes)} slots; "
        f"{reasons[0].removeprefix('fallback: ')}{more}"
    )


def _no_model(resolved: Resolved, outcomes: Sequence[SlotOutcome]) -> str:
    """A stage in which nodes trained and no round made a model of it."""
    for stage in (Stage.DEVELOPMENT, Stage.RECYCLING):
        made = [
            outcome.replies.aggregated
            for outcome in outcomes
            if outcome.stage is stage and outcome.replies.aggregated is not None
        ]
        if made and not any(made):
            return (
                f"strategy {resolved.scenario.task.strategy} made no model of the nodes' answers in any of {len(made)} "
                f"rounds of stage {stage.value}; it may need more nodes than took part (flower.log says)"
            )
    return ""
