"""Representative site of each packaged zone, so that the zone's name is enough for solar harvest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from carbon_data.profiles.sidecar import read_table
from carbon_data.sources.names import unknown_zone
from carbon_data.types import DataError


@dataclass(frozen=True, slots=True)
class Site:
    """A place: degrees north and east, metres above the sea."""

    name: str
    latitude_deg: float
    longitude_deg: float
    altitude_m: float

    def __post_init__(self) -> None:
        # Written so that NaN fails.
        if not -90.0 <= self.latitude_deg <= 90.0:
            raise DataError(f"latitude_deg is {self.latitude_deg}; allowed is -90..90")
        if not -180.0 <= self.longitude_deg <= 180.0:
            raise DataError(f"longitude_deg is {self.longitude_deg}; allowed is -180..180")
        if not -450.0 <= self.altitude_m <= 9000.0:
            raise DataError(f"altitude_m is {self.altitude_m}; allowed is -450..9000")


def site_of_zone(zone: str) -> Site:
    """Representative site of a packaged zone ([C]: largest city). Raises UnknownZoneError."""
    sites = zone_sites()
    if zone not in sites:
        raise unknown_zone(zone, sites, "the table of zone sites")
    return sites[zone]


@cache
def zone_sites() -> dict[str, Site]:
    """Every packaged zone's site."""
    return {
        row["zone"]: Site(
            name=row["place"],
            latitude_deg=float(row["latitude_deg"]),
            longitude_deg=float(row["longitude_deg"]),
            altitude_m=float(row["altitude_m"]),
        )
        for row in read_table("zone_sites").rows
    }
