"""TensorRT-LLM's own reading of its GPUs: ``GET /energy_metrics`` of ``trtllm-serve``.

The answer is ``{"total_energy_j": 5123.4567, "query_time": 88.1}``: joules of all the server's GPUs by NVML's counters
since it started, and seconds of its own clock. It is there with ``enable_energy_metrics: true`` in the server's
configuration; without, it answers 503 with a reason. Source: NVIDIA/TensorRT-LLM, pull request 11855 (2026-03).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from carbon_data.types import Provenance
from edge_node.meters.base import MeterError
from experiments.errors import UsageError
from experiments.probe.joules import Joules
from experiments.probe.server import ModelServer

TENSORRT_LLM = "tensorrt-llm"
PATH = "/energy_metrics"


class TensorRtMeter:
    """The GPUs of the server that is asked, what they draw at rest included; nothing of its host.

    Raises:
        UsageError: the server has no such reading.
    """

    spec = TENSORRT_LLM
    provenance = Provenance.MEASURED
    counts_idle = True

    def __init__(self, server: ModelServer) -> None:
        self._server = server
        try:
            self._read()
        except MeterError as error:
            raise UsageError(
                f"meter {TENSORRT_LLM!r}: {error}; start trtllm-serve with enable_energy_metrics: true in its --config"
            ) from error

    def _read(self) -> tuple[float, float]:
        """(joules so far, seconds of the server's clock)."""
        try:
            code, told = self._server.get(PATH)
        except UsageError as error:
            raise MeterError(str(error)) from error
        if code != 200 or not isinstance(told, dict):
            why = told.get("error") if isinstance(told, dict) else None
            raise MeterError(f"{self._server.url}{PATH} answers {code}" + (f" ({why})" if why else ""))
        return _number(told, "total_energy_j"), _number(told, "query_time")

    def open(self) -> Callable[[], Joules]:
        try:
            before_j, begun_s = self._read()
        except MeterError as error:
            missing = str(error)

            def nothing() -> Joules:
                raise MeterError(missing)

            return nothing

        def close() -> Joules:
            after_j, ended_s = self._read()
            if ended_s == begun_s:
                raise MeterError(
                    f"{PATH} has the query_time {ended_s:g} s before and after: its clock stands"
                )
            if after_j < before_j or ended_s < begun_s:
                raise MeterError(
                    f"{PATH} fell from {before_j:g} to {after_j:g} J: the server was started again"
                )
            return Joules(after_j - before_j, None, ended_s - begun_s)

        return close

    def stop(self) -> None:
        """Nothing to stop."""


def _number(told: dict[str, Any], key: str) -> float:
    """Raises MeterError where there is none: missing is not zero."""
    found = told.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise MeterError(f"{PATH} has {key} {found!r}, no number")
    return float(found)
