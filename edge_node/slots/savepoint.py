"""What counting the result of a slot's work changes, so that a failure in the middle of it changes nothing."""

from __future__ import annotations

import copy

from edge_node.slots.slot import SlotState
from edge_node.slots.state import NodeState

FIELDS = (*("phase", "undone", "result", "flop", "executed", "users", "model_bytes", "mean_loss", "serving"),)
"""Of a slot. What was metered is not put back: it was spent."""


class Savepoint:
    """A slot before its work."""

    def __init__(self, node: NodeState, slot: SlotState) -> None:
        self._node, self._slot = node, slot
        self._fields = {name: copy.deepcopy(getattr(slot, name)) for name in FIELDS}
        self._mean_loss, self._free_s = node.mean_loss, node.serving.free_s

    def restore(self) -> None:
        """Forget the work. May be called once."""
        for name, value in self._fields.items():
            setattr(self._slot, name, value)
        self._node.mean_loss, self._node.serving.free_s = self._mean_loss, self._free_s
