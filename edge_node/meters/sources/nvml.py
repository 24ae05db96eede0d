"""NVIDIA GPUs: their cumulative energy since the driver was loaded, in mJ (Volta and later), from NVML.

The counter is renewed every 20 to 100 ms. It is the board's energy, without the host's.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from edge_node.meters.sources.source import SourceError, Unwrapped
from protos.messages.terms import MeterKind

LIBRARY = "libnvidia-ml.so.1"
UJ_PER_MJ = 1000
OK = 0


class Nvml:
    kind = MeterKind.COUNTER
    rate_hz = 20.0
    resolution = UJ_PER_MJ

    def __init__(self, index: int, load: Callable[[str], Any] = ctypes.CDLL) -> None:
        try:
            self._library = load(LIBRARY)
        except OSError as error:
            raise SourceError(f"{LIBRARY} is not here: {error}; it comes with NVIDIA's driver") from error
        self._call("nvmlInit_v2")
        self._device = ctypes.c_void_p()
        self._call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(self._device))
        self._counter = Unwrapped(f"of GPU {index}", self._counted_uj())

    def read(self) -> int:
        return self._counter.total_uj(self._counted_uj())

    def close(self) -> None:
        self._library.nvmlShutdown()

    def _counted_uj(self) -> int:
        counted_mj = ctypes.c_ulonglong()
        self._call("nvmlDeviceGetTotalEnergyConsumption", self._device, ctypes.byref(counted_mj))
        return int(counted_mj.value) * UJ_PER_MJ

    def _call(self, name: str, *arguments: Any) -> None:
        if (code := getattr(self._library, name)(*arguments)) != OK:
            self._library.nvmlErrorString.restype = ctypes.c_char_p
            reason = self._library.nvmlErrorString(code)
            raise SourceError(f"{name} answers {code}: {reason.decode() if reason else 'unknown'}")


def open_nvml(argument: str) -> Nvml:
    """``argument``: the GPU's number, 0 without one."""
    if argument and not argument.isdigit():
        raise SourceError(f"nvml:{argument} names no GPU; write nvml:0")
    return Nvml(int(argument or 0))
