"""NVIDIA GPUs, with a library that behaves as NVML does."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from edge_node.meters.sources.nvml import LIBRARY, Nvml, open_nvml
from edge_node.meters.sources.source import Restarted, SourceError
from protos.messages.terms import MeterKind

NOT_SUPPORTED, INVALID, LOST = 3, 2, 15


class ErrorString:
    restype: Any = None

    def __call__(self, code: int) -> bytes:
        return {NOT_SUPPORTED: b"Not Supported", INVALID: b"Invalid Argument", LOST: b"GPU is lost"}[code]


class Library:
    """Two GPUs; handles are only good after init and before shutdown."""

    def __init__(self) -> None:
        self.energy_mj = {1: 10**12, 2: 5_000}
        self.code, self.ready = 0, False
        self.nvmlErrorString = ErrorString()

    def nvmlInit_v2(self) -> int:
        self.ready = True
        return 0

    def nvmlShutdown(self) -> int:
        self.ready = False
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, device: Any) -> int:
        if not self.ready or index.value not in (0, 1):
            return INVALID
        device._obj.value = index.value + 1
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, device: Any, energy: Any) -> int:
        assert self.ready
        assert isinstance(energy._obj, ctypes.c_ulonglong)
        energy._obj.value = self.energy_mj[device.value]
        return self.code


def test_joules_since_the_source_was_made() -> None:
    library = Library()
    source = Nvml(1, load=lambda name: library if name == LIBRARY else None)
    library.energy_mj[2] += 7
    assert (source.kind, source.read()) == (MeterKind.COUNTER, 7_000)
    library.energy_mj[2] = 3  # the driver was loaded again
    with pytest.raises(Restarted):
        source.read()
    library.code = LOST
    with pytest.raises(SourceError, match="15: GPU is lost"):
        source.read()
    source.close()
    assert not library.ready


def test_a_gpu_that_cannot_be_metered_is_refused() -> None:
    library = Library()
    with pytest.raises(SourceError, match="Invalid Argument"):
        Nvml(2, load=lambda _: library)
    library.code = NOT_SUPPORTED
    with pytest.raises(SourceError, match="Not Supported"):
        Nvml(0, load=lambda _: library)
    with pytest.raises(SourceError, match="nvml:0"):
        open_nvml("first")


def test_without_the_library_the_driver_is_named() -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    with pytest.raises(SourceError, match="NVIDIA's driver"):
        Nvml(0, load=missing)
