"""Time stamps of a table as microseconds since 1970 UTC. A stamp whose zone is not stated is refused, never guessed.

Read: ISO 8601 with ``Z``, ``+01:00``, ``+01`` or `` UTC`` behind it; stamps without a zone where ``timezone`` gives
it or the column's name says UTC; seconds or milliseconds since 1970; seconds from ``time_start``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from carbon_data.sources.resample import EPOCH, microseconds
from carbon_data.types import DataError

if TYPE_CHECKING:
    import pandas as pd

_ZONED = r"(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$"
_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_EPOCH_S = (3e8, 1e10)
"""Seconds since 1970 from 1979 to 2286; smaller numbers are seconds from a start that must be given."""
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """Options that define the meaning of time stamps."""

    timezone: str | None = None
    """IANA zone of stamps that state none, e.g. ``UTC`` or ``Europe/Berlin``."""
    time_start: str | None = None
    """Moment that relative seconds count from: ISO 8601 with its zone."""

    def __post_init__(self) -> None:
        if self.timezone is not None:
            try:
                ZoneInfo(self.timezone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise DataError(
                    f'timezone {self.timezone!r} is not known; allowed are IANA names, e.g. "UTC" or "Europe/Berlin"'
                ) from None
        if self.time_start is not None:
            self.start()

    def start(self) -> datetime:
        """``time_start`` as a moment."""
        assert self.time_start is not None
        try:
            moment = datetime.fromisoformat(self.time_start)
        except ValueError as error:
            raise DataError(
                f'time_start is {self.time_start!r} ({error}); write e.g. "2022-06-21T00:00:00Z"'
            ) from None
        if moment.tzinfo is None:
            raise DataError(
                f'time_start is {self.time_start!r} without a time zone; write e.g. "...T00:00:00Z"'
            )
        return moment


def to_utc_us(column: pd.Series, clock: Clock, where: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """(K,) microseconds since 1970 UTC of the stamps in ``column``, and notes on the origin of their time zone.

    ``where`` names the file in errors. Raises DataError and names the option that would help.
    """
    import pandas as pd

    if clock.time_start is not None and not _plain_numbers(column):
        raise DataError(
            f"{where}: time_start = {clock.time_start!r} is for time in seconds, and has no effect on time stamps such "
            f"as {str(column.iloc[0])!r}; remove it"
        )
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return _integers(column.dt.tz_convert("UTC"), where), ()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return _localised(column, clock, where)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _from_numbers(column.to_numpy(dtype=np.float64, na_value=np.nan), clock, where)
    text = column.astype("string").fillna("").str.strip()
    if (text == "").any():
        raise DataError(f"{where}: row {int(np.argmax((text == '').to_numpy()))} has no time stamp")
    if _plain_numbers(text):
        return _from_numbers(text.to_numpy(dtype=np.float64), clock, where)
    zoned = text.str.contains(_ZONED, regex=True) & text.str.contains(":", regex=False)
    if zoned.all():
        plain = text.str.replace(r"\s*(?:UTC|GMT)$", "Z", regex=True)
        return _integers(_parsed(plain, where, utc=True), where), ()
    if zoned.any():
        row = int(np.argmax(~zoned.to_numpy()))
        raise DataError(
            f"{where}: time stamp {text.iloc[row]!r} in row {row} has no time zone, others have one; give all of them "
            "one"
        )
    return _localised(_parsed(text, where, utc=False), clock, where, column.name)


def _plain_numbers(column: pd.Series) -> bool:
    """Whether time is written as numbers, not as stamps."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype):
        return True
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return False
    return bool(column.astype("string").fillna("").str.strip().str.fullmatch(_NUMBER).all())


def _parsed(text: pd.Series, where: str, *, utc: bool) -> pd.Series:
    import pandas as pd

    try:
        return pd.to_datetime(text, utc=utc, format="ISO8601")
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{where}: a time stamp cannot be read ({error}); write ISO 8601, e.g. 2022-06-21T13:00:00Z, or seconds "
            "since 1970, or seconds from a start given as time_start"
        ) from None


def _localised(
    column: pd.Series, clock: Clock, where: str, name: Any = None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Stamps without a zone, in the zone that is given or that the column's name states."""
    name = column.name if name is None else name
    zone, note = clock.timezone, f"time stamps without a zone read as {clock.timezone}, as timezone says"
    if zone is None and "utc" in str(name).casefold():
        zone, note = "UTC", f"time stamps without a zone read as UTC, as the column's name {name!r} says"
    if zone is None:
        raise DataError(
            f"{where}: time stamp {str(column.iloc[0])!r} has no time zone; write ...T00:00Z or ...+01:00, or give "
            'timezone, e.g. timezone = "UTC" or "Europe/Berlin"'
        )
    try:
        stamps = column.dt.tz_localize(ZoneInfo(zone), ambiguous="raise", nonexistent="raise")
    except ValueError as error:
        raise DataError(
            f"{where}: a stamp does not exist, or occurs twice, in {zone} where clocks change ({error}); export the "
            "file in UTC, or with offsets"
        ) from None
    return _integers(stamps.dt.tz_convert("UTC"), where), (note,)


def _from_numbers(
    values: NDArray[np.float64], clock: Clock, where: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Seconds since 1970, milliseconds since 1970, or seconds from ``time_start``."""
    if np.isnan(values).any():
        raise DataError(f"{where}: row {int(np.argmax(np.isnan(values)))} has no time stamp")
    if clock.time_start is not None:
        offset_us, scale = microseconds(clock.start()), _MICRO
        note = f"time in seconds from {clock.time_start}, as time_start says"
    elif (values >= _EPOCH_S[0]).all() and (values < _EPOCH_S[1]).all():
        offset_us, scale, note = 0, _MICRO, "time in seconds since 1970 UTC"
    elif (values >= 1e3 * _EPOCH_S[0]).all() and (values < 1e3 * _EPOCH_S[1]).all():
        offset_us, scale, note = 0, _MICRO // 1000, "time in milliseconds since 1970 UTC"
    else:
        raise DataError(
            f"{where}: time {values[0]:g} is a plain number; if it is seconds from a beginning, give it: "
            'time_start = "2022-06-21T00:00:00Z"'
        )
    return np.round(values * scale).astype(np.int64) + offset_us, (note,)


def _integers(stamps: pd.Series, where: str) -> NDArray[np.int64]:
    missing = stamps.isna().to_numpy()
    if missing.any():
        raise DataError(f"{where}: row {int(np.argmax(missing))} has no time stamp")
    return stamps.dt.tz_localize(None).astype("datetime64[us]").to_numpy().astype(np.int64)


def moment(microseconds_: int | np.int64) -> datetime:
    """Microseconds since 1970 as aware UTC."""
    return EPOCH + timedelta(microseconds=int(microseconds_))
