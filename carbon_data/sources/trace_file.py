"""Reading a trace file: CSV(.gz) or Parquet, long or wide, into one clean series a zone.

What is checked here: columns, time stamps that say their zone, no stamp twice, stamps on one regular grid.
Rows may come in any order. Gaps stay gaps (NaN): what becomes of them is decided where the series is asked
for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carbon_data.sources.names import unknown_zone
from carbon_data.types import DataError, MissingDataError

if TYPE_CHECKING:
    import pandas as pd

TIME_COLUMNS = ("timestamp", "datetime", "time")
ZONE_COLUMNS = ("zone", "region", "zone_key")


@dataclass(frozen=True)
class ZoneTrace:
    """Values of one zone on a regular grid from ``start``; NaN is a gap."""

    zone: str
    start: datetime
    interval: timedelta
    values: NDArray[np.float64]

    @property
    def end(self) -> datetime:
        """End of the last interval."""
        return self.start + self.values.size * self.interval


class TraceFile:
    """A trace file in memory.

    Long: one row a zone and time (time, zone, value). Wide: one column a zone. Names of the time and zone
    columns are found among the usual ones unless given; a wide file has no zone column, and every other
    column is a zone.
    """

    def __init__(
        self,
        path: Path,
        value_column: str,
        *,
        time_column: str | None = None,
        zone_column: str | None = None,
        interval: timedelta | None = None,
    ) -> None:
        self.path = path
        self.sha256 = _digest(path)
        self._interval = interval
        frame = _read(path)
        self._time_column = _column(frame, time_column, TIME_COLUMNS, path)
        self._zone_column = zone_column or next((c for c in ZONE_COLUMNS if c in frame.columns), None)
        self._value_column = value_column
        if zone_column is not None and zone_column not in frame.columns:
            raise DataError(
                f"{path} has no column {zone_column!r}; it has {', '.join(map(str, frame.columns))}"
            )
        if self._zone_column is not None and value_column not in frame.columns:
            raise DataError(
                f"{path} has no column {value_column!r}; it has {', '.join(map(str, frame.columns))}: "
                "name it in value_column"
            )
        self._frame = frame
        self._stamps = _utc(frame[self._time_column], path)
        if self._zone_column is not None:
            labels = frame[self._zone_column].astype("string")
            if labels.isna().any():
                raise DataError(f"{path}: row {int(np.argmax(labels.isna()))} has no {self._zone_column}")
            self._groups: dict[str, Any] = {
                str(k): v for k, v in frame.groupby(labels, observed=True).indices.items()
            }
        else:
            self._groups = {str(c): None for c in frame.columns if c != self._time_column}
        if not self._groups:
            raise DataError(f"{path} holds no zone")
        self._traces: dict[str, ZoneTrace] = {}

    def zones(self) -> list[str]:
        """Zones of the file, sorted."""
        return sorted(self._groups)

    def trace(self, zone: str) -> ZoneTrace:
        """The whole series of ``zone``. Raises UnknownZoneError, or MissingDataError when its stamps are
        not usable.
        """
        if zone not in self._groups:
            raise unknown_zone(zone, self._groups, str(self.path))
        if zone not in self._traces:
            self._traces[zone] = self._regular(zone)
        return self._traces[zone]

    def _regular(self, zone: str) -> ZoneTrace:
        import pandas as pd

        rows = self._groups[zone]
        stamps = self._stamps if rows is None else self._stamps[rows]
        column = self._frame[zone] if rows is None else self._frame[self._value_column].iloc[rows]
        try:
            numbers = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
        except (ValueError, TypeError) as error:
            raise DataError(f"{self.path}, zone {zone}: a value is not a number ({error})") from error
        order = np.argsort(stamps, kind="stable")
        stamps, numbers = stamps[order], numbers[order]
        steps = np.diff(stamps)
        if (steps == 0).any():
            twice = _moment(stamps[int(np.argmax(steps == 0))])
            raise MissingDataError(
                f"{self.path}, zone {zone}: {twice.isoformat()} occurs twice; remove one of the rows, the "
                "file cannot say which"
            )
        if np.isinf(numbers).any():
            where = _moment(stamps[int(np.argmax(np.isinf(numbers)))])
            raise MissingDataError(f"{self.path}, zone {zone}: infinite value at {where.isoformat()}")
        interval_us = self._interval_us(zone, steps)
        offsets = stamps - stamps[0]
        if (offsets % interval_us != 0).any():
            where = _moment(stamps[int(np.argmax(offsets % interval_us != 0))])
            raise MissingDataError(
                f"{self.path}, zone {zone}: {where.isoformat()} is off the grid of "
                f"{timedelta(microseconds=interval_us)} from "
                f"{_moment(stamps[0]).isoformat()}; give regular stamps (each names the start of its "
                "interval)"
            )
        values = np.full(int(offsets[-1] // interval_us) + 1, np.nan)
        values[offsets // interval_us] = numbers
        return ZoneTrace(zone, _moment(stamps[0]), timedelta(microseconds=interval_us), values)

    def _interval_us(self, zone: str, steps: NDArray[np.int64]) -> int:
        """The given interval, or the commonest distance of two stamps."""
        if self._interval is not None:
            return self._interval // timedelta(microseconds=1)
        if steps.size == 0:
            raise MissingDataError(f"{self.path}, zone {zone}: one row only; give the interval it stands for")
        sizes, counts = np.unique(steps, return_counts=True)
        return int(sizes[np.argmax(counts)])


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"cannot read trace file {path}: {error.strerror}; give the path of a CSV or Parquet file"
        ) from error


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
            if isinstance(frame.index, pd.DatetimeIndex):
                frame = frame.rename_axis(index=str(frame.index.name or TIME_COLUMNS[0])).reset_index()
        elif path.name.endswith((".csv", ".csv.gz")):
            frame = pd.read_csv(path)
        else:
            raise DataError(f"{path} is neither .csv, .csv.gz nor .parquet")
    except DataError:
        raise
    except (ValueError, OSError, EOFError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error
    if frame.empty:
        raise DataError(f"{path} has no rows")
    return frame


def _column(frame: pd.DataFrame, named: str | None, usual: tuple[str, ...], path: Path) -> str:
    """The column called ``named``, or the first of the usual ones."""
    for candidate in (named,) if named is not None else usual:
        if candidate in frame.columns:
            return candidate
    raise DataError(
        f"{path} has no column {named or ' or '.join(usual)!r}; it has "
        f"{', '.join(map(str, frame.columns))}: name it"
    )


def _utc(column: Any, path: Path) -> NDArray[np.int64]:
    """Time stamps as microseconds since 1970 UTC; a stamp without a zone is refused, since its zone would
    be a guess.
    """
    import pandas as pd

    if isinstance(column.dtype, pd.DatetimeTZDtype):
        stamps = column.dt.tz_convert("UTC")
    else:
        text = column.astype("string")
        vague = ~text.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", regex=True, na=False)
        if vague.any():
            row = int(np.argmax(vague.to_numpy()))
            raise DataError(
                f"{path}: time stamp {column.iloc[row]!r} in row {row} has no time zone; write ...T00:00Z "
                "or ...+01:00"
            )
        try:
            stamps = pd.to_datetime(text, utc=True, format="ISO8601")
        except (ValueError, OverflowError) as error:
            raise DataError(f"{path}: a time stamp cannot be read: {error}") from error
    if stamps.isna().any():
        raise DataError(f"{path}: row {int(np.argmax(stamps.isna().to_numpy()))} has no time stamp")
    return stamps.dt.tz_localize(None).astype("datetime64[us]").to_numpy().astype(np.int64)


def _moment(microseconds: int | np.int64) -> datetime:
    """Microseconds since 1970 as aware UTC."""
    from carbon_data.sources.resample import EPOCH

    return EPOCH + timedelta(microseconds=int(microseconds))
