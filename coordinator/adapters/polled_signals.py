"""Live intensities from the services of a configuration, polled by the coordinator. Nodes ask nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from carbon_data.live.feed import Feed, Frozen, Limits, NoValueError
from carbon_data.live.keys import Keys
from carbon_data.live.poller import Polled, Poller
from carbon_data.live.service import Asked, LiveService
from carbon_data.live.services import open_service
from coordinator.config import LiveConfig, LiveSignal
from coordinator.slots.protocol import TryLaterError

NO_VALUE = "no_intensity"
"""Code of a slot that cannot begin, because a live intensity is missing or too old."""


class PolledSignals:
    """Polls from its making until ``close``. Raises DataError for keys that are missing."""

    def __init__(self, live: LiveConfig) -> None:
        keys = Keys()
        self._poller = Poller([_polled(signal, live, keys) for signal in live.signals], keys, live.wait_s)
        self._poller.start()

    def freeze(self, slots: int) -> tuple[datetime, tuple[Frozen, ...]]:
        """See LiveSignals."""
        try:
            return self._poller.freeze(slots)
        except NoValueError as error:
            raise TryLaterError(NO_VALUE, str(error)) from None

    def close(self) -> None:
        """See LiveSignals."""
        self._poller.close()


def service_of(signal: LiveSignal, keys: Keys) -> LiveService:
    """The service of a signal, with its keys found. Raises DataError."""
    service = open_service(
        signal.service, Asked(signal.zone, signal.place, signal.scope, signal.base_url), keys
    )
    for name in service.keys_needed:
        keys.get(name)
    return service


def _polled(signal: LiveSignal, live: LiveConfig, keys: Keys) -> Polled:
    limits = Limits(signal.stale_after_s, signal.refuse_after_s, signal.keep)
    feed = Feed(signal.zone, limits, timedelta(seconds=live.step_s), live.own_forecast)
    return Polled(f"{signal.service} {signal.zone}", service_of(signal, keys), feed, signal.poll_s)
