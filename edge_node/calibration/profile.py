"""A board's profile as TOML: every figure with its source, the day, and the ends of its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

import tomli_w

from edge_node.calibration.fit import Fit, Fitted
from edge_node.calibration.reading import CalibrationError
from edge_node.energy.boards import SLEEP, BoardProfile
from edge_node.energy.sourced import UNKNOWN, Unknown

NOT_MEASURED = "not measured"


def profile_text(
    name: str,
    spec: str,
    day: date,
    fit: Fit,
    readings: Sequence[str],
    steps: Mapping[str, str],
    base: BoardProfile,
) -> str:
    """``steps``: by measured figure what it was read of, in words; ``readings``: all of them. Figures that were not
    measured are those of ``base``, and say so. Raises CalibrationError where the two contradict each other."""
    if "sleep_w" not in fit.figures and "sleep_w" in base.figures:
        _check_sleep(fit.figures["static_w"].value, base)
    lacking = [figure for figure in base.known_and_unknown if figure not in fit.figures]
    document: dict[str, object] = {
        "name": name,
        "description": f"Measured with {spec} on {day.isoformat()} by detabed calibrate; not measured, those of "
        f"{base.name}: {', '.join(lacking)}",
    }
    for figure, taken in base.known_and_unknown.items():
        if figure in fit.figures:
            source = f"detabed calibrate with {spec} on {day.isoformat()}: {steps[figure]}"
            document[figure] = _measured(fit.figures[figure], taken.unit, source)
            continue
        if isinstance(taken, Unknown):
            document[figure] = {"value": UNKNOWN, "unit": taken.unit, "source": taken.why}
            continue
        why = " (no actuator was given)" if figure in SLEEP else ""
        document[figure] = {
            "value": int(taken.value) if figure == "storage_bytes" else taken.value,
            "unit": taken.unit,
            "source": f"{NOT_MEASURED}{why}: that of {base.name}: {taken.source}",
            **({"note": taken.note} if taken.note else {}),
        }
    read = "".join(f"# {text}\n" for text in readings)
    return (
        f"# All readings, 95 % intervals by the meter's samples; the sensor's calibration is not in them.\n{read}\n"
        + tomli_w.dumps(document)
    )


def _check_sleep(static_w: float, base: BoardProfile) -> None:
    if (sleep_w := base.figures["sleep_w"].value) > static_w:
        raise CalibrationError(
            f"sleep_w: not measured, and that of {base.name}, {sleep_w:g} W, is above the idle power of this board, "
            f"{static_w:.4g} W; name a profile of a similar board (--board)"
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
