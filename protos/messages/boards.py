"""A board's stream to the runner's machine: its place in a run, and Flower messages in pieces.

A *letter* is what travels in pieces: the assignment of a node, a Flower message, or the answer to one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protos.messages.stream import Refusal

ASSIGNMENT, FLOWER, MEMORY = "assignment", "flower", "memory"
"""Kinds of letters; MEMORY asks, with an empty letter, what another start of the node needs to go on from here."""
BEAT_S = 1.0
"""Between signs of life in either direction."""
SILENT_S = 4.0
"""A side that has heard nothing for so long gives the stream up."""


@dataclass(frozen=True, slots=True)
class Present:
    """First message of a board: who it is, and what runs there."""

    node_id: str
    boot_id: str
    """New at every start of its process."""
    session: str
    """Of the run that it hosts a node for; empty: none."""
    pid: int
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hosting:
    """The board's node is built (or why it could not be); also said again on a new stream."""

    session: str
    peer_address: str
    infer_address: str
    failure: str = ""
    """Empty: it is built."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a letter. Pieces of a letter come in order, and no other letter's in between."""

    letter_id: str
    """Of a Flower message: that of the message, and of its answer too."""
    kind: str
    total_bytes: int
    """Of the whole letter."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life."""


@dataclass(frozen=True, slots=True)
class Release:
    """The run is over, or there is none: the board closes its node and waits for the next."""


FromBoard = Present | Hosting | Piece | Beat
ToBoard = Piece | Beat | Release | Refusal
