"""Welcome: the message about the run that a node gets when it registers. Pure."""

from __future__ import annotations

from coordinator.slots.books import Books
from protos.messages.stream import Welcome


def welcome(books: Books, node: str, negotiates: bool) -> Welcome:
    """The next slot, the terms of the lease, and the battery as the books hold it."""
    config = books.config
    return Welcome(
        run_id=config.run_id,
        epoch=books.epoch,
        heartbeat_s=config.heartbeat_s,
        lease_s=config.lease_s,
        next_slot=books.next_slot,
        battery_uj=books.battery_uj(node) if books.nodes[node].opened else None,
        negotiates=negotiates,
    )
