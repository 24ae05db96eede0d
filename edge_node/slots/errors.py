"""Errors of a node, by kind of action that it cannot do now."""

from __future__ import annotations


class NodeError(RuntimeError):
    """An action that a node cannot do now; ``code`` is for programs."""

    code = "node"


class StaleDecision(NodeError):
    """Older than what was accepted, or the same (epoch, slot) with other content: never executed."""

    code = "stale"


class InvalidDecision(NodeError):
    """Understood and impossible for this node."""

    code = "invalid"


class NotReady(NodeError):
    """The slot's decision, parcels or offloaded batches are not there yet, or the slot is over."""

    code = "not-ready"


class NoWork(NodeError):
    """The decision leaves this node nothing to run."""

    code = "no-work"


class NoModel(NodeError):
    """Outside clients cannot be answered now."""

    code = "no-model"
