"""Live intensities of a slot: frozen before it is decided, as an entry of the ledger. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from coordinator.config import LiveSignal
from coordinator.ledger.entry import Entry, Kind
from coordinator.slots.books import Books
from coordinator.slots.protocol import Effects

if TYPE_CHECKING:
    from carbon_data.live.feed import Frozen


class Freezing:
    """``due`` says whether the next slot needs values, ``freeze`` makes them part of the books."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def due(self) -> int | None:
        """Slots after the next one of which a forecast is needed; None where nothing is live, or the next slot has its
        values already. A day at least, so that other policies can be run on the recording."""
        config, slot = self._books.config, self._books.next_slot
        if config.live is None or self._books.frozen_slots > slot:
            return None
        return min(max(config.look_ahead_slots, config.day_slots), len(config.stages) - slot) - 1

    def freeze(self, at: datetime, frozen: Sequence[Frozen]) -> Effects:
        """``frozen``: one for each signal of the configuration, in its order, as known at ``at``."""
        live, slot = self._books.config.live, self._books.next_slot
        assert live is not None
        pairs = list(zip(live.signals, frozen, strict=True))
        body = {
            "at": at.isoformat(),
            "zones": [_with_issue(signal, each, slot) for signal, each in pairs if not signal.marginal],
            "marginal": [_reading(signal, each) for signal, each in pairs if signal.marginal],
        }
        return self._books.enter([Entry(Kind.SIGNAL, f"signal/{slot}", body, slot=slot)])


def _reading(signal: LiveSignal, frozen: Frozen) -> dict[str, Any]:
    seen = frozen.observation
    return {
        "zone": signal.zone,
        "g_per_kwh": seen.g_per_kwh,
        "of": seen.start.isoformat(),
        "until": seen.end.isoformat(),
        "received": frozen.received.isoformat(),
        "age_s": frozen.age_s,
        "stale": frozen.stale,
        "kept": frozen.kept,
        "estimated": seen.estimated,
    }


def _with_issue(signal: LiveSignal, frozen: Frozen, slot: int) -> dict[str, Any]:
    expected = frozen.expected
    issue = {
        "issued": expected.issued.isoformat(),
        "from_slot": slot,
        "g_per_kwh": list(expected.g_per_kwh),
        "given_slots": expected.given_slots,
    }
    return {**_reading(signal, frozen), "issue": issue}
