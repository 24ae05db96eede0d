"""Live intensity: services that the coordinator polls while the run lasts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from experiments.scenario.keys import YEAR_S, Strict

LIVE = "live"
"""Name of the source, where a table names one."""
RECORDED = "recorded"
"""Likewise of what a live run left."""
MOST_WAIT_S = 60.0
"""Longest wait of a slot: below the runner's patience for a decision."""
Service = Literal["uk-carbon-intensity", "electricity-maps", "eia", "watttime"]


class LiveZone(Strict):
    """A zone with a service of its own."""

    service: Service
    place: str | None = None
    scope: Literal["direct", "life-cycle"] | None = None
    base_url: str | None = None


class LiveSpec(Strict):
    """Which services are polled, and how old a value may be."""

    service: Service | None = None
    """live: service of all zones that ``zones`` does not name. Keys are read from the environment or the keys' file,
    never from a scenario."""
    scope: Literal["direct", "life-cycle"] | None = None
    """live: scope of ``service``, where it offers more than one."""
    base_url: str | None = None
    """live: address of a mirror of ``service``: https, or http on this machine."""
    zones: dict[str, LiveZone] = Field(default={})
    """live: zones with another service, place, scope or base_url: { US-CAL-CISO = { service = "eia", place = "CISO" }
    }; ``place``: the service's own name of the zone."""
    poll_s: float = Field(default=300.0, ge=0, le=86_400)
    """live: wall seconds between two polls of a zone; 0: once for every slot, which waits for the answer."""
    wait_s: float = Field(default=30.0, ge=0, le=MOST_WAIT_S)
    """live: wall seconds for which a slot waits for a value that is missing, e.g. the first."""
    stale_after_s: float = Field(default=7200.0, ge=0, le=YEAR_S)
    """live: age from which a value is marked as stale, counted from the end of the interval that it is for."""
    refuse_after_s: float = Field(default=21_600.0, ge=0, le=YEAR_S)
    """live: age above which a value is not used."""
    beyond: Literal["refuse", "keep"] = "refuse"
    """live: above ``refuse_after_s``: end the run (``refuse``; it can be resumed), or use the last value and mark it
    as kept (``keep``)."""

    @model_validator(mode="after")
    def _consistent(self) -> LiveSpec:
        if self.service is None and not self.zones:
            raise ValueError('needs a service, e.g. service = "electricity-maps", or zones with one each')
        if self.service is None and (self.scope is not None or self.base_url is not None):
            raise ValueError("scope and base_url are of service, which is not given; write them into zones")
        if self.stale_after_s > self.refuse_after_s:
            raise ValueError(
                f"stale_after_s is {self.stale_after_s:g}, refuse_after_s {self.refuse_after_s:g}; a value is stale "
                "before it is refused: allowed is stale_after_s <= refuse_after_s"
            )
        return self

    def of(self, zone: str) -> LiveZone | None:
        """Service of a zone; None where it has none."""
        if zone in self.zones:
            return self.zones[zone]
        if self.service is None:
            return None
        return LiveZone(service=self.service, scope=self.scope, base_url=self.base_url)
