"""A node as it was before a call: a failure in the middle of the call changes nothing, in memory and in the outbox."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from edge_node.serving.tally import Tally
from edge_node.slots.slot import Outgoing, SlotState

if TYPE_CHECKING:
    from edge_node.slots.state import NodeState

_SLOT = tuple(field.name for field in fields(SlotState) if field.name != "read")
"""Of a slot. What a meter has read is not put back: it cannot be read again."""


class Together:
    """Calls of one node whose changes stand together. Not thread-safe: the node holds the lock."""

    def __init__(self, node: NodeState) -> None:
        self._node = node
        self._parts: list[tuple[Any, tuple[str, ...]]] = []
        self._later: list[tuple[Callable[..., None], Any]] | None = None
        """What follows the commit; None outside of a call."""

    def keep(self, part: Any, *names: str) -> None:
        """Attributes of a part that calls change."""
        self._parts.append((part, names))

    def later(self, call: Callable[..., None], *arguments: Any) -> None:
        """Do what cannot be taken back, e.g. count in the meter, once the call's changes stand. It must not fail."""
        if self._later is None:
            call(*arguments)
        else:
            self._later.append((call, arguments))

    @contextmanager
    def together(self, *outcomes: type[BaseException]) -> Iterator[None]:
        """A call: all its changes stand when it ends, or none where it raises, but for ``outcomes``. A call within a
        call is part of it."""
        if self._later is not None:
            yield
            return
        kept, self._later, raised = self._keep(), [], None
        try:
            with self._node.outbox.together():
                try:
                    yield
                except outcomes as error:
                    raised = error
            later = self._later
        except BaseException:
            _restore(kept)
            raise
        finally:
            self._later = None
        for call, arguments in later:
            call(*arguments)
        if raised is not None:
            raise raised

    def do_later(self) -> None:
        """Do now what was to follow the commit: the meter is about to be read."""
        if self._later is not None:
            later, self._later = self._later, []
            for call, arguments in later:
                call(*arguments)

    def _keep(self) -> list[tuple[Any, tuple[str, ...], list[Any]]]:
        slots = ((slot, _SLOT) for slot in (self._node.current, self._node.last) if slot is not None)
        return [
            (part, names, [_own(value) if type(value) in _CHANGING else value for value in _all(names)(part)])
            for part, names in (*self._parts, *slots)
        ]


def _restore(kept: list[tuple[Any, tuple[str, ...], list[Any]]]) -> None:
    for part, names, values in kept:
        for name, value in zip(names, values, strict=True):
            setattr(part, name, value)


_CHANGING = frozenset({dict, list, set, Tally})


@cache
def _all(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Several attributes at once."""
    if len(names) == 1:
        return lambda part: (getattr(part, names[0]),)
    return attrgetter(*names)


def _own(value: Any) -> Any:
    """A container of its own; what it holds does not change, but for deliveries and tallies."""
    if type(value) is Tally:
        return replace(value, latency_s=[*value.latency_s])
    if not value:
        return type(value)()
    if type(value) is not dict:
        return value.copy()
    one = next(iter(value.values()))
    if type(one) is Outgoing:
        return {key: copy.copy(each) for key, each in value.items()}
    return {key: _own(each) for key, each in value.items()} if type(one) is Tally else value.copy()


FIELDS = (
    *(
        "phase",
        "undone",
        "result",
        "flop",
        "executed",
        "users",
        "model_bytes",
        "mean_loss",
        "serving",
        "language",
    ),
)
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
