"""Sources by name: one line here."""

from __future__ import annotations

from collections.abc import Callable

from edge_node.meters.sources.hwmon import open_hwmon
from edge_node.meters.sources.nvml import open_nvml
from edge_node.meters.sources.pmic import open_pmic
from edge_node.meters.sources.power_z import open_power_z
from edge_node.meters.sources.rapl import open_rapl
from edge_node.meters.sources.recording import open_recording
from edge_node.meters.sources.shelly import open_shelly
from edge_node.meters.sources.source import Source, SourceError
from edge_node.meters.sources.tasmota import open_tasmota
from edge_node.meters.sources.um25c import open_um25c

SOURCES: dict[str, Callable[[str], Source]] = {
    "rapl": open_rapl,
    "hwmon": open_hwmon,
    "power-z": open_power_z,
    "um25c": open_um25c,
    "shelly": open_shelly,
    "tasmota": open_tasmota,
    "pmic": open_pmic,
    "nvml": open_nvml,
    "recording": open_recording,
}


def open_source(spec: str) -> Source:
    """The sensor of ``NAME`` or ``NAME:ARGUMENT``. Raises SourceError where it is not known or not here."""
    name, _, argument = spec.partition(":")
    if name not in SOURCES:
        raise SourceError(f"no sensor is called {name!r}; there are {', '.join(SOURCES)}")
    return SOURCES[name](argument)
