"""A board's profile as TOML: every figure with its source, the day, and the ends of its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date

import tomli_w

from edge_node.calibration.fit import Fit, Fitted
from edge_node.calibration.reading import CalibrationError, Power
from edge_node.energy.boards import BoardProfile

NOT_MEASURED = "not measured"
SLEEP = ("sleep_w", "wake_j", "wake_s")


def profile_text(
    name: str,
    spec: str,
    day: date,
    fit: Fit,
    powers: Mapping[str, Power],
    steps: Mapping[str, str],
    base: BoardProfile,
) -> str:
    """``steps``: by measured figure the step it is of. Figures that were not measured are those of ``base``, and say
    so. Raises CalibrationError where the two contradict each other."""
    if (sleep_w := base.figures["sleep_w"].value) > (static_w := fit.figures["static_w"].value):
        raise CalibrationError(
            f"sleep_w: not measured, and that of {base.name}, {sleep_w:g} W, is above the idle power of this board, "
            f"{static_w:.4g} W; name a profile of a similar board (--board)"
        )
    document: dict[str, object] = {
        "name": name,
        "description": f"Measured with {spec} on {day.isoformat()} by detabed calibrate; sleep, wake, radio and "
        f"storage not measured, those of {base.name}",
    }
    for figure, taken in base.figures.items():
        if figure in fit.figures:
            source = f"detabed calibrate with {spec} on {day.isoformat()}: {powers[steps[figure]].text}"
            document[figure] = _measured(fit.figures[figure], taken.unit, source)
            continue
        why = " (no actuator was given)" if figure in SLEEP else ""
        document[figure] = {
            "value": int(taken.value) if figure == "storage_bytes" else taken.value,
            "unit": taken.unit,
            "source": f"{NOT_MEASURED}{why}: that of {base.name}: {taken.source}",
            **({"note": taken.note} if taken.note else {}),
        }
    readings = "".join(f"# {power.text}\n" for power in powers.values())
    return (
        f"# All readings, 95 % intervals by the meter's samples; the sensor's calibration is not in them.\n{readings}\n"
        + tomli_w.dumps(document)
    )


def _measured(fitted: Fitted, unit: str, source: str) -> dict[str, object]:
    entry: dict[str, object] = {"value": _short(fitted.value), "unit": unit, "source": source}
    if fitted.note:
        entry["note"] = fitted.note
    if fitted.low is not None and fitted.high is not None and fitted.low > 0:
        why = "95 % interval of the reading"
        low, high = (
            min(_short(fitted.low), _short(fitted.value)),
            max(_short(fitted.high), _short(fitted.value)),
        )
        entry |= {"low": low, "low_source": why, "high": high, "high_source": why}
    return entry


def _short(value: float) -> float:
    """Five digits: no reading has more."""
    return float(f"{value:.5g}") if math.isfinite(value) else value
