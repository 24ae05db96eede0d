"""Truth and forecasts written to files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from carbon_data.sources.forecast_file import ForecastFile
from carbon_data.sources.traces import trace_intensity

HOUR = timedelta(hours=1)


def written(folder: Path) -> tuple[trace_intensity, ForecastFile]:
    """Forty days of two zones; Z1 lacks the issue of the 10th and the truth of an hour of the 20th."""
    truth, issued = ["time,zone,g"], ["zone,issued,lead_h,value"]
    begin = datetime(2022, 1, 1, tzinfo=UTC)
    for zone in ("Z0", "Z1"):
        for hour in range(40 * 24):
            value = "" if zone == "Z1" and hour == 19 * 24 + 5 else f"{100 + hour % 24 + hour // 24}"
            truth.append(f"{(begin + hour * HOUR).isoformat()},{zone},{value}")
        for day in range(40):
            for lead in range(96):
                at = 24 * day + lead
                value = "" if zone == "Z1" and day == 9 else f"{100 + at % 24 + at // 24 + 0.1 * lead}"
                issued.append(f"{zone},{(begin + timedelta(days=day)).isoformat()},{lead},{value}")
    (folder / "truth.csv").write_text("\n".join(truth) + "\n")
    (folder / "issued.csv").write_text("\n".join(issued) + "\n")
    return (
        trace_intensity(folder / "truth.csv", value_column="g", signal="average", scope="direct"),
        ForecastFile(folder / "issued.csv", scope="direct"),
    )
