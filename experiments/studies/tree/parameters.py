"""Parameters of the TREE case study, every one with its source, and the durations that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from importlib import resources
from types import MappingProxyType

from edge_node.energy.sourced import Figure, exact_figures

PS_PER_S = 10**12
"""Simulated time is counted in whole picoseconds: sums are exact and events never meet by rounding."""

_UNITS = MappingProxyType(
    {
        "_w": "W",
        "_s": "s",
        "_bytes": "byte",
        "_hz": "Hz",
        "_tokens": "token",
        "_packets": "packet",
        "_fraction": "1",
        "bytes_per_s": "byte/s",
        "flop_per_s": "FLOP/s",
        "bytes_per_token": "byte",
        "bit_per_s_per_hz": "bit/s/Hz",
    }
)


@dataclass(frozen=True)
class Parameters:
    """Table I of the TREE paper, constants and choices, SI units; sources in ``parameters.toml``."""

    subcarriers: float
    transmit_w: float
    rf_chain_w: float
    circuit_w: float
    dtx_cycle_s: float
    dtx_switch_s: float
    es_await_s: float
    es_switch_s: float
    es_sleep_w: float
    es_inference_w: float
    vr_bytes: float
    vu_bytes: float
    vg_bytes: float
    peak_flop_per_s: float
    memory_bytes_per_s: float
    prefill_flop_fraction: float
    memory_bandwidth_fraction: float
    amplification: float
    bs_sleep_fraction: float
    subcarrier_hz: float
    bit_per_s_per_hz: float
    overhead_fraction: float
    model_parameters: float
    kv_bytes_per_token: float
    vu_input_tokens: float
    vu_output_tokens: float
    vg_input_tokens: float
    vg_output_tokens: float
    vr_buffer_packets: float
    ai_buffer_packets: float
    es_buffer_packets: float
    bs_prewake_s: float
    es_prewake_s: float

    @cached_property
    def downlink_bit_per_s(self) -> float:
        """Rate of the whole band."""
        band_hz = self.subcarriers * self.subcarrier_hz
        return band_hz * self.bit_per_s_per_hz * (1.0 - self.overhead_fraction)

    def transmit_s(self, payload_bytes: float, bit_per_s_per_hz: float | None = None) -> float:
        """Time on the air with all subcarriers; None: at the parameters' own spectral efficiency."""
        own = self.bit_per_s_per_hz
        return 8.0 * payload_bytes / self.downlink_bit_per_s * own / (bit_per_s_per_hz or own)

    def prefill_s(self, input_tokens: float, requests: int = 1) -> float:
        """Roofline of a batch: max(2 N L B / (0.45 F), 2 N / (0.7 BW)): two FLOP per weight and token, two bytes a
        weight, which the batch reads once."""
        computing = 2.0 * self.model_parameters * input_tokens * requests
        reading = 2.0 * self.model_parameters
        return max(
            computing / (self.prefill_flop_fraction * self.peak_flop_per_s),
            reading / (self.memory_bandwidth_fraction * self.memory_bytes_per_s),
        )

    def decode_s(self, input_tokens: float, output_tokens: float, requests: int = 1) -> float:
        """Roofline of a batch: n_out max((2 N + B KV) / (0.7 BW), 2 N B / (0.45 F)), with each KV cache at its mean
        length over the tokens written."""
        context = input_tokens + (output_tokens - 1.0) / 2.0
        reading = 2.0 * self.model_parameters + requests * self.kv_bytes_per_token * context
        return output_tokens * max(
            reading / (self.memory_bandwidth_fraction * self.memory_bytes_per_s),
            2.0 * self.model_parameters * requests / (self.prefill_flop_fraction * self.peak_flop_per_s),
        )


def _unit_of(name: str) -> str:
    ends = sorted((end for end in _UNITS if name.endswith(end)), key=len)
    return _UNITS[ends[-1]] if ends else "1"


def load_figures() -> dict[str, Figure]:
    """The packaged parameters with their sources. Raises SourceError for a figure missing or in another unit."""
    names = [field.name for field in fields(Parameters)]
    text = (resources.files(__package__) / "parameters.toml").read_text(encoding="utf-8")
    return exact_figures(text, "parameters.toml", names, _unit_of)


def load_parameters() -> Parameters:
    """The packaged parameters as numbers."""
    return Parameters(**{name: figure.value for name, figure in load_figures().items()})


def picoseconds(seconds: float) -> int:
    """Seconds to whole picoseconds."""
    return round(seconds * PS_PER_S)
