"""Terms that several conversations share: life-cycle stages, components, and holders other than nodes."""

from __future__ import annotations

from enum import StrEnum

from carbon_data.types import Provenance


class Stage(StrEnum):
    """Life-cycle stages of a network AI service (software stages, methods.md section 4), and energy of no task."""

    PREPARATION = "preparation"
    DEVELOPMENT = "development"
    APPLICATION = "application"
    RECYCLING = "recycling"
    UNALLOCATED = "unallocated"


class Component(StrEnum):
    """Components of a reading: the part of a node (or of the testbed) that used the joules."""

    COMPUTE = "compute"
    STATIC = "static"
    SLEEP = "sleep"
    WAKE = "wake"
    RADIO_TX = "radio_tx"
    RADIO_RX = "radio_rx"
    NETWORK = "network"
    COORDINATOR = "coordinator"
    ROUTER = "router"
    WASTE = "waste"
    """Work done twice or discarded: it uses energy and contributes to no result."""
    NEGOTIATION = "negotiation"
    """Bytes of a market's messages over radio and network."""


class Overrun(StrEnum):
    """What becomes of a slot on the wall clock whose work takes longer than the slot."""

    STRETCH = "stretch"
    """It lasts until its work is done, and all later slots move."""
    SKIP = "skip"
    """Likewise, and slots whose time went by meanwhile are missed."""
    CUT = "cut"
    """It ends when it is due; what is not done by then is left undone."""


class MeterKind(StrEnum):
    """How a sensor's joules came about."""

    COUNTER = "counter"
    """Difference of a sensor's own cumulative energy."""
    POWER = "power"
    """Integral of power samples."""
    ESTIMATE = "estimate"
    """Integral of samples that leave out a part of the board."""

    @property
    def provenance(self) -> Provenance:
        """What is booked for it: an estimate is not measured."""
        return Provenance.MODELLED if self is MeterKind.ESTIMATE else Provenance.MEASURED


class RequestPart(StrEnum):
    """What a node did of a request to a language model."""

    WHOLE = "whole"
    """Read its prompt and answered it."""
    READ = "read"
    """Read its prompt, for another node to answer."""
    WRITE = "write"
    """Answered it with the cache of the node that had read its prompt."""
    KEPT = "kept"
    """Answered a later turn of a conversation with the cache that this node kept of it."""
    CONTINUED = "continued"
    """Likewise, with the cache of the node that the user had left."""
    READ_AGAIN = "read-again"
    """Answered a later turn of a user who had moved here, and read the conversation again, as was decided."""
    FELL_BACK = "fell-back"
    """Likewise, because the cache that was to be used did not come, was dropped, or could not be used."""
    RECALLED = "recalled"
    """Likewise, with the earlier answers from the ledger: the node that had them was lost, or has started again."""
    LOST = "lost"
    """Likewise, where the text of its earlier answers was lost: passages of the same lengths stand in for them."""


class Sleep(StrEnum):
    """What a node's sleep is."""

    NONE = "none"
    """It cannot sleep: at rest it draws its idle power, and that is booked."""
    MODELLED = "modelled"
    """Nothing is switched: the board's profile says what sleep would draw."""
    COMMAND = "command"
    """A program on the node's machine puts it to sleep and wakes it."""
    SUPPLY = "supply"
    """Its supply is switched off and on."""

    @property
    def possible(self) -> bool:
        return self is not Sleep.NONE

    @property
    def real(self) -> bool:
        """Whether something is switched."""
        return self in (Sleep.COMMAND, Sleep.SUPPLY)


class Holder(StrEnum):
    """Holders of lines in the ledger other than nodes; reserved names, which no node may have."""

    NETWORK = "network"
    COORDINATOR = "coordinator"
    ROUTER = "router"
    DEVICES = "devices"
    """The users' devices, which send requests and data and receive answers."""


HOLDERS = tuple(str(holder) for holder in Holder)
"""Names of all holders."""
