"""Registry of live services by name: one line a service."""

from __future__ import annotations

from carbon_data.files.http import HttpClient
from carbon_data.live.eia import LiveEia
from carbon_data.live.electricity_maps import LiveElectricityMaps
from carbon_data.live.keys import Keys
from carbon_data.live.service import Asked, LiveService
from carbon_data.live.uk_carbon_intensity import LiveUkCarbonIntensity
from carbon_data.live.watttime import LiveWattTime
from carbon_data.types import DataError

SERVICES: dict[str, type[LiveService]] = {
    "uk-carbon-intensity": LiveUkCarbonIntensity,
    "electricity-maps": LiveElectricityMaps,
    "eia": LiveEia,
    "watttime": LiveWattTime,
}
CLIENT = HttpClient(timeout_s=10.0, attempts=1)
"""One attempt: the poller decides when to ask again."""


def open_service(
    name: str, asked: Asked, keys: Keys | None = None, client: HttpClient = CLIENT
) -> LiveService:
    """The service called ``name`` for one zone. Raises DataError; asks nothing yet."""
    if name not in SERVICES:
        raise DataError(f"no live service is called {name!r}; there are {', '.join(SERVICES)}")
    return SERVICES[name](asked, keys or Keys(), client)
