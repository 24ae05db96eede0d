"""Derive the packaged intensity profiles from the hourly file of the data folder.

Run ``python -m carbon_data.profiles.build`` with DETABED_DATA_DIR set; it rewrites the two tables and
sidecars of this folder. The same file in gives the same bytes out.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from carbon_data.files.datasets import require
from carbon_data.types import DataError

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(__file__).parent
YEAR = 2022
HOURS_OF_YEAR = 8760

ZONES = (
    # The ten US zones that fit the sequence implied by the DETA paper (methods.md 8.9).
    *("US-NW-SCL", "US-NW-CHPD", "US-NW-GCPD", "US-NW-TPWR", "US-NE-ISNE"),
    *("US-MIDA-PJM", "US-SW-AZPS", "US-SE-SOCO", "US-NW-NEVP", "US-NW-GRID"),
    # Further US zones, from hydro to coal.
    *("US-NW-BPAT", "US-CAL-CISO", "US-NY-NYIS", "US-TEX-ERCO", "US-MIDW-MISO", "US-NW-PSCO", "US-NW-WACM"),
    # Europe.
    *("SE-SE3", "NO-NO1", "FR", "FI", "ES", "GB", "DE", "PL"),
    # Elsewhere.
    *("CA-QC", "IN-WE", "JP-TK", "KR", "TW", "AU-NSW"),
)

SOURCE_TOML = """source = "Electricity Maps, hourly flow-traced carbon intensity of {year}"
licence = "ODbL-1.0"
attribution = "Electricity Maps (https://www.electricitymaps.com), through umassos/decarbonization-potential"
url = "https://github.com/umassos/decarbonization-potential"
signal = "average"
scope = "life-cycle"
year = {year}
zone_keys = "those of Electricity Maps"
units = "{units}"
source_file = "{source_file}"
source_sha256 = "{source_sha256}"
table_sha256 = "{table_sha256}"
built_by = "python -m carbon_data.profiles.build"
quality = [
{quality}]
"""


def build(source: Path, folder: Path = FOLDER) -> list[Path]:
    """Write intensity_2022 (month x hour means) and intensity_2022_annual, each with its sidecar."""
    import pandas as pd

    frame = pd.read_parquet(source, filters=[("region", "in", list(ZONES))])
    absent = sorted(set(ZONES) - set(frame["region"].astype(str)))
    if absent:
        raise DataError(f"{source} has no zone {', '.join(absent)}; take another file or amend ZONES")
    profile_lines = ["zone,month," + ",".join(f"h{hour:02d}" for hour in range(24))]
    annual_lines = ["zone,mean_g_per_kwh,min_g_per_kwh,max_g_per_kwh,longest_flat_h"]
    quality = []
    for zone in sorted(ZONES):
        values = _zone(frame, zone)
        moments = pd.DatetimeIndex(values.index)
        means = values.groupby([moments.month, moments.hour]).mean()
        for month in range(1, 13):
            profile_lines.append(
                f"{zone},{month}," + ",".join(f"{means[month, hour]:.2f}" for hour in range(24))
            )
        flat = int((values != values.shift()).cumsum().value_counts().max())
        annual_lines.append(f"{zone},{values.mean():.2f},{values.min():.2f},{values.max():.2f},{flat}")
        if flat == HOURS_OF_YEAR:
            quality.append(
                f"{zone} is constant at {values.iloc[0]:.1f} through the year (the life-cycle factor of "
                "hydropower): no hour differs"
            )
        elif flat > 24:
            quality.append(f"{zone} holds one value for up to {flat} hours in a row")
    quality.append(
        "a mean profile is smoother than the hours it was made from: use a trace for studies of variability"
    )
    source_sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    written = []
    for name, lines, units in (
        (
            f"intensity_{YEAR}",
            profile_lines,
            "h00..h23: g CO2e per kWh, mean over the month of that hour of day (UTC)",
        ),
        (f"intensity_{YEAR}_annual", annual_lines, "*_g_per_kwh: g CO2e per kWh; longest_flat_h: hours"),
    ):
        table = ("\n".join(lines) + "\n").encode()
        sidecar = SOURCE_TOML.format(
            year=YEAR,
            units=units,
            source_file=source.name,
            source_sha256=source_sha256,
            table_sha256=hashlib.sha256(table).hexdigest(),
            quality="".join(f'  "{line}",\n' for line in quality),
        )
        (folder / f"{name}.csv").write_bytes(table)
        (folder / f"{name}.toml").write_text(sidecar, encoding="utf-8")
        written += [folder / f"{name}.csv", folder / f"{name}.toml"]
    return written


def _zone(frame: pd.DataFrame, zone: str) -> pd.Series[float]:
    """Hourly values of one zone, float64, by time; refused unless the year is whole."""
    rows = frame[frame["region"] == zone]
    values = rows.set_index("timestamp")["gCO2e_per_kWh"].astype("float64").sort_index()
    if len(values) != HOURS_OF_YEAR or not values.index.is_unique or values.isna().any():
        raise DataError(
            f"zone {zone} has {values.notna().sum()} of {HOURS_OF_YEAR} hours; a profile needs them all"
        )
    return values


def main(arguments: list[str] | None = None) -> int:
    """Entry point; exit code 2 when the data file is missing or not whole."""
    parser = argparse.ArgumentParser(prog="python -m carbon_data.profiles.build", description=__doc__)
    parser.add_argument("--source", type=Path, help="hourly parquet file (default: that of the data folder)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write (default: the package)")
    options = parser.parse_args(arguments)
    try:
        written = build(options.source or require("em-lca-2022"), options.folder)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for path in written:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
