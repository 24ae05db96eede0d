"""Tables as people have them, written to a folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from carbon_data.sources.traces import trace_intensity

HOUR = timedelta(hours=1)
MARCH = datetime(2023, 3, 1, tzinfo=UTC)
KNOWN = {"signal": "average", "scope": "direct"}
VALUES = [210.5, 230.25, 190.75, 310.0]
STAMPS = [f"2023-03-01T{hour:02d}:00:00Z" for hour in range(4)]
HEADER = "timestamp,zone,gCO2e_per_kWh"


def plain(stamps: list[str] = STAMPS, header: str = HEADER) -> str:
    rows = [f"{stamp},DE,{value}" for stamp, value in zip(stamps, VALUES, strict=True)]
    return "\n".join([header, *rows]) + "\n"


def write_table(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def read_table(path: Path, zone: str = "DE", **options: object) -> np.ndarray:
    source = trace_intensity(path, **{**KNOWN, **options})
    return source.series(zone, MARCH, HOUR, 4).intensity_g_per_kwh
