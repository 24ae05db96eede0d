"""Entry points of a node that fail at every step: before each real call, one attempt for every function it calls, in
which that function raises instead."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from edge_node.slots.node import EdgeNode
from tests.reliability.sabotage import SabotageError, fail_at

ENTRIES = (
    *("register", "on_welcome", "acknowledged", "tick"),
    *("before_slot", "on_market", "telemetry"),
    *("on_decision", "parcel_delivered", "parcel_failed", "on_parcel", "give_up_missing"),
    *("close", "on_grant", "on_refusal"),
)
"""Everything of a node that is called from outside and changes it, but for its work (test_fault_01_node.py)."""
WATCHED = ("edge_node", "protos", "carbon_data")
SPARED = ("edge_node/meters", "edge_node/energy/power_model.py")
"""What a meter counted was really spent, and it cannot be read again."""
CALLS = 3
"""Of each kind that are failed, at whatever node."""
EVERY, THEN = 120, 29
"""So many steps of a call are all failed, then one in so many: those of a market's mathematics are thousands."""
LEFT_OUT = ("read", "meter", "config", "outbox", "savepoint", "on_open", "workloads", "windows")


def picture(value: Any, depth: int = 0) -> Any:
    """By content, whatever it is made of; without what a meter has read."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: picture(each, depth + 1) for key, each in value.items() if key not in LEFT_OUT}
    if isinstance(value, list | tuple | set | frozenset):
        return [picture(each, depth + 1) for each in (sorted(value) if isinstance(value, set) else value)]
    if hasattr(value, "__dataclass_fields__"):
        names = value.__dataclass_fields__
        return [(name, picture(getattr(value, name), depth + 1)) for name in names if name not in LEFT_OUT]
    of_ours = type(value).__module__.partition(".")[0] in WATCHED and hasattr(value, "__dict__")
    if of_ours and not isinstance(value, FunctionType | MethodType) and depth < 12:
        return picture(vars(value), depth + 1)
    return value


def memory(node: EdgeNode) -> Any:
    """All that a node knows."""
    return picture([node._state, node._market.room, node._market._conversation, node._offloaded._early])


def rows(node: EdgeNode) -> Any:
    """Its outbox, in memory and on disk."""
    outbox: Any = node._state.outbox
    tables = [outbox._db.execute(f"SELECT * FROM {table}").fetchall() for table in ("outbox", "state")]
    return tables, dict(outbox._state), outbox._db.in_transaction


class WalkedNode:
    """Wraps the entries of ``node``; ``steps`` counts the failed attempts by entry and kind of message, ``calls`` the
    calls, of all nodes that share them."""

    def __init__(
        self, node: EdgeNode, steps: dict[tuple[str, str], int], calls: dict[tuple[str, str], int]
    ) -> None:
        self._node, self._steps, self._calls = node, steps, calls
        for name in ENTRIES:
            setattr(node, name, self._walked(name, getattr(node, name)))

    def _walked(self, name: str, entry: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            kind = name, type(arguments[-1]).__name__ if arguments else ""
            self._calls[kind] = self._calls.get(kind, 0) + 1
            if self._calls[kind] > CALLS:
                return entry(*arguments)
            before, kept, step = memory(self._node), rows(self._node), 0
            while True:
                step += 1 if step < EVERY else THEN
                sys.setprofile(fail_at(step, WATCHED, SPARED))
                try:
                    return entry(*arguments)  # where nothing fails, the real call
                except SabotageError as error:
                    failed_in = str(error)
                finally:
                    sys.setprofile(None)
                    self._steps.setdefault(kind, 0)
                assert memory(self._node) == before, f"{kind} changed memory, then failed in {failed_in}"
                assert rows(self._node) == kept, f"{kind} changed the outbox, then failed in {failed_in}"
                self._steps[kind] += 1

        return call
