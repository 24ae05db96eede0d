"""Which own batches stay and which go where: those of users who have moved go to the node that the user is at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_node.slots.backlog import Batch
from protos.messages.slot import Send

At = Callable[[int], str | None]
"""Node that the user of a batch is at now; None: it does not matter."""


def divided(
    taken: Sequence[Batch], own_batches: int, sends: Sequence[Send], at: At
) -> tuple[list[Batch], list[list[Batch]]]:
    """(batches to run at home, those of each send). A send gets the batches whose users are at its executor, then what
    is left; of what is left the most urgent stay at home, because a parcel may fail."""
    rest, parts = list(taken), []
    for send in sends:
        wanted = [batch for batch in rest if at(batch.batch_id) == send.executor][: send.batches]
        rest = [batch for batch in rest if batch not in wanted]
        parts.append(wanted)
    own, rest = rest[:own_batches], rest[own_batches:]
    for send, part in zip(sends, parts, strict=True):
        missing = send.batches - len(part)
        part += rest[:missing]
        rest = rest[missing:]
    return own, parts
