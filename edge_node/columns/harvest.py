"""Harvest of many nodes, and what they expect: edge_node.energy.harvest row by row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from carbon_data.exact import Floats, Ints, to_micro
from carbon_data.types import MissingDataError
from edge_node.config import HarvestConfig
from edge_node.energy.harvest import SHINING_SHARE, UNKNOWN_CLEARNESS, Harvest


class HarvestColumns:
    """Harvest of N nodes by slot. Asked slot after slot: the clearness of a sky is the last one seen."""

    def __init__(self, configs: Sequence[HarvestConfig], slot_s: float) -> None:
        """Raises MissingDataError for a negative power or series of different lengths."""
        for config in dict.fromkeys(configs):
            Harvest(config, slot_s)
        series, place = _unique(configs)
        self._place = place
        self._energy_uj = _table([config.power_w for config in series], slot_s)
        self._expected_uj = _table([config.forecast_w or config.power_w for config in series], slot_s)
        self._clear_w = [np.array(config.clear_sky_w, dtype=np.float64) for config in series]
        self._power_w = [np.array(config.power_w, dtype=np.float64) for config in series]
        self._by_sky = np.array([bool(clear.size) for clear in self._clear_w])
        for row in np.flatnonzero(self._by_sky):
            self._expected_uj[row] = to_micro(self._clear_w[row] * slot_s)
        self.restart()

    def restart(self) -> None:
        """Forget the skies that were seen."""
        self._index: Floats = np.full(len(self._power_w), UNKNOWN_CLEARNESS)
        self._seen = -1

    def energy_uj(self, slot: int) -> Ints:
        """(N,) harvested in ``slot``."""
        return np.asarray(self._energy_uj[self._place, self._require(slot, slot)])

    def forecast_uj(self, slot: int, horizon: int) -> Ints:
        """(N, H) expected for ``slot``, which is known, and the following ones."""
        self._require(slot, slot + horizon - 1)
        self._look(slot)
        told = self._expected_uj[:, slot : slot + horizon].copy()
        if self._by_sky.any():
            clear = told[self._by_sky].astype(np.float64)
            told[self._by_sky] = np.rint(self._index[self._by_sky, None] * clear).astype(np.int64)
        told[:, 0] = self._energy_uj[:, slot]
        return np.asarray(told[self._place])

    def _look(self, slot: int) -> None:
        """Clearness up to ``slot``."""
        for at in range(self._seen + 1, slot + 1):
            for row in np.flatnonzero(self._by_sky):
                clear = self._clear_w[row]
                if at < clear.size and clear[at] > SHINING_SHARE * clear.max():
                    self._index[row] = self._power_w[row][at] / clear[at]
        self._seen = max(self._seen, slot)

    def _require(self, first: int, last: int) -> int:
        if not 0 <= first <= last < self._energy_uj.shape[1]:
            raise MissingDataError(
                f"no harvest for slot {last}: the series cover slots 0..{self._energy_uj.shape[1] - 1}; give a longer "
                "series (run and look-ahead)"
            )
        return first


def _unique(configs: Sequence[HarvestConfig]) -> tuple[list[HarvestConfig], Ints]:
    """Configurations that differ, and the one of each node: equal nodes share a series."""
    found: dict[HarvestConfig, int] = {}
    place = np.array([found.setdefault(config, len(found)) for config in configs], dtype=np.int64)
    return list(found), place


def _table(rows: Sequence[tuple[float, ...]], slot_s: float) -> Ints:
    lengths = {len(row) for row in rows}
    if len(lengths) != 1:
        raise MissingDataError(f"harvest series have {sorted(lengths)} slots; all need the same number")
    return to_micro(np.array(rows, dtype=np.float64) * slot_s)
