"""Reader of tables: CSV in several dialects, or Parquet, as a DataFrame whose CSV cells are still text.

Encoding, separator and decimal mark are detected where the file is unambiguous; otherwise the error names the option.
``notes`` states what was detected.
"""

from __future__ import annotations

import csv
import gzip
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from carbon_data.types import DataError

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = (",", ";", "\t", "|")
DECIMALS = (".", ",")
BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""Byte order marks of files from Windows editors, with the encoding."""
WITHOUT_VALUE = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "#n/a", "nodata"})
"""Cells of a value column that mean a missing value. A zone may be called NA."""
_COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")


@dataclass(frozen=True, slots=True)
class Dialect:
    """Given format of a CSV file; None: detected."""

    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.separator is not None and len(self.separator) != 1:
            raise DataError(f'separator is {self.separator!r}; allowed is one character, e.g. ";" or "\\t"')
        if self.decimal is not None and self.decimal not in DECIMALS:
            raise DataError(f'decimal is {self.decimal!r}; allowed is "." or ","')
        if self.encoding is not None:
            try:
                "".encode(self.encoding)
            except LookupError:
                raise DataError(
                    f"encoding {self.encoding!r} is not known; allowed are e.g. utf-8, utf-16, cp1252, latin-1"
                ) from None


@dataclass(frozen=True)
class Table:
    """A table in memory."""

    path: Path
    frame: pd.DataFrame
    """Cells of a CSV are text; those of a Parquet file have the file's types."""
    decimal: str | None
    """Decimal mark of text cells; None: detected column by column."""
    separator: str
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Column names, in the file's order."""
        return [str(column) for column in self.frame.columns]

    def named(self, *names: str) -> str | None:
        """The first of ``names`` that is a column, in any capitals; None where none is."""
        known = {column.casefold(): column for column in reversed(self.columns)}
        return next((known[name.casefold()] for name in names if name.casefold() in known), None)

    def numbers(self, column: str, rows: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Values of ``column`` (in ``rows``) as floats, NaN where the cell says that there is none.

        Raises DataError for a cell that is no number, and names the option that would help.
        """
        import pandas as pd

        cells = self.frame[column] if rows is None else self.frame[column].iloc[rows]
        if pd.api.types.is_numeric_dtype(cells.dtype):
            return cells.to_numpy(dtype=np.float64, na_value=np.nan)
        text = cells.astype("string").fillna("").str.strip()
        text = text.mask(text.str.casefold().isin(WITHOUT_VALUE), "")
        with_comma = text.str.contains(",", regex=False)
        if with_comma.any():
            decimal = self.decimal or self._decimal_mark(column, text[with_comma])
            if decimal == ",":
                text = text.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
            else:
                text = text.str.replace(",", "", regex=False)
        numbers = pd.to_numeric(text.mask(text == ""), errors="coerce").to_numpy(
            dtype=np.float64, na_value=np.nan
        )
        bad = np.isnan(numbers) & (text != "").to_numpy(dtype=bool)
        if bad.any():
            row = int(np.argmax(bad))
            raise DataError(
                f"{self.path}: {str(cells.iloc[row])!r} in column {column!r}, row {cells.index[row]}, is not a number; "
                'correct the cell, name the right column in value_column, or give decimal = ","'
            )
        return numbers

    def _decimal_mark(self, column: str, text: pd.Series) -> str:
        """``,`` where every cell with a comma can only be a decimal comma. Raises DataError where it is ambiguous."""
        if text.str.fullmatch(_THOUSANDS.pattern).all():
            raise DataError(
                f"{self.path}: {text.iloc[0]!r} in column {column!r} may be thousands or a decimal comma; "
                'say which: decimal = "." or decimal = ","'
            )
        if not text.str.fullmatch(_COMMA_NUMBER.pattern).all():
            bad = text[~text.str.fullmatch(_COMMA_NUMBER.pattern)]
            raise DataError(
                f"{self.path}: {bad.iloc[0]!r} in column {column!r} is not a number; correct the cell, or give "
                'decimal = "," or "."'
            )
        return ","


def read_table(path: Path, dialect: Dialect | None = None) -> Table:
    """The table in ``path`` (.csv, .csv.gz, .tsv, .txt or .parquet). Raises DataError with what is allowed."""
    import pandas as pd
    import pyarrow as pa

    given = dialect or Dialect()
    try:
        if path.suffix == ".parquet":
            _refuse_text_options(path, given)
            frame = pd.read_parquet(path)
            if isinstance(frame.index, pd.DatetimeIndex):
                frame = frame.rename_axis(index=str(frame.index.name or "timestamp")).reset_index()
            table = Table(path, frame, given.decimal, ",")
        elif path.name.endswith((".csv", ".csv.gz", ".tsv", ".txt")):
            table = _read_text(path, given)
        else:
            raise DataError(
                f"{path} is neither .csv, .csv.gz, .tsv, .txt nor .parquet; save it as one of them"
            )
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; give the path of a CSV or Parquet file") from None
    except (ValueError, OSError, EOFError, pa.ArrowException, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error
    if table.frame.empty:
        raise DataError(f"{path} has no rows")
    return table


def _refuse_text_options(path: Path, given: Dialect) -> None:
    for option in ("separator", "encoding"):
        if (value := getattr(given, option)) is not None:
            raise DataError(
                f"{path}: {option} = {value!r} is for text files and has no effect on Parquet; remove it"
            )


def _read_text(path: Path, given: Dialect) -> Table:
    import pandas as pd

    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    encoding = given.encoding or next(
        (name for mark, name in BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8"
    )
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not {encoding} (byte {data[error.start]:#04x} at position {error.start}); give encoding, "
            'e.g. encoding = "cp1252" for files saved by Windows editors, or save it as UTF-8'
        ) from None
    if "\x00" in text:
        raise DataError(
            f'{path} holds zero bytes; if it is UTF-16, give encoding = "utf-16-le" or "utf-16-be"'
        )
    lines = text.splitlines()
    skipped = 0
    while skipped < len(lines) and (not lines[skipped].strip() or lines[skipped].startswith("#")):
        skipped += 1
    if skipped == len(lines):
        raise DataError(f"{path} has no rows")
    separator = given.separator or _separator(lines[skipped])
    from io import StringIO

    frame = pd.read_csv(
        StringIO("\n".join(line for line in lines[skipped:] if not line.startswith("#"))),
        sep=separator,
        dtype=str,
        keep_default_na=False,
        skipinitialspace=True,
        quotechar='"',
    )
    frame.columns = [str(column).strip() for column in frame.columns]
    notes = []
    if given.separator is None and separator != ",":
        notes.append(f"separator recognised as {separator!r}")
    if given.encoding is None and encoding != "utf-8":
        notes.append(f"encoding recognised as {encoding}")
    return Table(path, frame, given.decimal, separator, tuple(notes))


def _separator(header: str) -> str:
    """The most frequent separator in the header, outside quotes; a comma where there is none."""
    bare = re.sub(r'"[^"]*"', "", header)
    return max(SEPARATORS, key=bare.count)
