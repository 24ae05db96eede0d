"""A packaged table and its sidecar: read together, or not at all.

A table whose bytes are not those the sidecar was written for is refused: a figure without its source does
not load.
"""

from __future__ import annotations

import csv
import hashlib
import io
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbon_data.types import DataError

FOLDER = Path(__file__).parent
REQUIRED = ("source", "licence", "units", "table_sha256")


@dataclass(frozen=True)
class Table:
    """Rows of a packaged CSV file, as text, and what its sidecar says about them."""

    rows: tuple[dict[str, str], ...]
    about: dict[str, Any]
    sha256: str


def read_table(name: str, folder: Path = FOLDER) -> Table:
    """Table ``name``.csv of ``folder``, verified against ``name``.toml.

    Raises DataError when a file is missing, a required key is absent or the checksum does not agree.
    """
    table_path, sidecar_path = folder / f"{name}.csv", folder / f"{name}.toml"
    try:
        content = table_path.read_bytes()
        about = tomllib.loads(sidecar_path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{error.filename} is missing; a table and its sidecar belong together, reinstall"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{sidecar_path} cannot be read as TOML: {error}") from error
    absent = [key for key in REQUIRED if not about.get(key)]
    if absent:
        raise DataError(
            f"{sidecar_path} lacks {', '.join(absent)}; a figure without its source does not load"
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest != about["table_sha256"]:
        raise DataError(
            f"{table_path} has sha256 {digest}, its sidecar says {about['table_sha256']}; reinstall, or "
            "rebuild both with "
            "`python -m carbon_data.profiles.build`"
        )
    rows = tuple(csv.DictReader(io.StringIO(content.decode("utf-8"))))
    return Table(rows=rows, about=about, sha256=digest)
