"""Energy harvested by a node, slot by slot, from its configured power series."""

from __future__ import annotations

from carbon_data.types import MissingDataError
from carbon_data.units import to_micro
from edge_node.config import HarvestConfig
from protos.messages.slot import Metered

SHINING_SHARE = 0.05
"""The sun shines where a clear sky would give more than this share of the series' highest value (choice)."""
UNKNOWN_CLEARNESS = 0.7
"""Clearness index before the sun has shone at all (a middling sky; choice)."""


class Harvest:
    """Harvest of a node in integer microjoules. A slot beyond the series raises, it is never zero."""

    def __init__(self, config: HarvestConfig, slot_s: float) -> None:
        """Raises MissingDataError for a negative power."""
        for name in ("power_w", "forecast_w", "clear_sky_w"):
            series = getattr(config, name)
            for slot, power in enumerate(series):
                if power < 0:
                    raise MissingDataError(f"harvest {name}[{slot}] is {power} W; allowed is 0 or more")
        self._config = config
        self._slot_s = slot_s

    metered: Metered | None = None
    """How well the last window is known, where a sensor measured it."""

    def restart(self) -> None:
        """The window begins now: of a series nothing has to begin."""

    def mark(self) -> None:
        """The window ends now, and the next begins; ``over_uj`` then reads it."""

    def stop(self) -> None:
        """Let go of what is open: nothing."""

    def energy_uj(self, slot: int) -> int:
        """What is really harvested in ``slot``: h_i(t). Raises MissingDataError beyond the series."""
        return self._energy(self._config.power_w, "power_w", slot)

    def over_uj(self, slot: int, duration_s: float) -> int:
        """Likewise of a slot that lasted ``duration_s``. Raises MissingDataError beyond the series."""
        return self._energy(self._config.power_w, "power_w", slot, duration_s)

    def forecast_uj(self, slot: int, horizon: int) -> tuple[int, ...]:
        """What the node expects for ``slot`` and the following ones, ``horizon`` values.

        The first is the slot itself, which is known, as its intensity is: (D6) caps a share of h_i(t). Raises
        MissingDataError beyond the series.
        """
        if self._config.clear_sky_w:
            index = self._clearness(slot)
            clear = (
                self._energy(self._config.clear_sky_w, "clear_sky_w", slot + k) for k in range(1, horizon)
            )
            return (self.energy_uj(slot), *(round(index * energy_uj) for energy_uj in clear))
        series, name = (
            (self._config.forecast_w, "forecast_w")
            if self._config.forecast_w
            else (self._config.power_w, "power_w")
        )
        later = (self._energy(series, name, slot + ahead) for ahead in range(1, horizon))
        return (self.energy_uj(slot), *later)

    def _clearness(self, slot: int) -> float:
        """Harvest over clear-sky harvest when the sun last shone, up to ``slot`` (methods.md section 1)."""
        clear = self._config.clear_sky_w
        bright = SHINING_SHARE * max(clear)
        for at in range(min(slot, len(clear) - 1), -1, -1):
            if clear[at] > bright:
                return self._config.power_w[at] / clear[at]
        return UNKNOWN_CLEARNESS

    def _energy(
        self, series: tuple[float, ...], name: str, slot: int, duration_s: float | None = None
    ) -> int:
        if not 0 <= slot < len(series):
            raise MissingDataError(
                f"no harvest for slot {slot}: {name} of source {self._config.source!r} covers slots "
                f"0..{len(series) - 1}; give a longer series (run and look-ahead)"
            )
        return to_micro(series[slot] * (self._slot_s if duration_s is None else duration_s))
