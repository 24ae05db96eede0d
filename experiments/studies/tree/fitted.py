"""Durations of prefill and decode as they were measured on a small model, at the speed of the case study's card.

``edge_node.language.step_cost`` says how cost grows with the length of prompts and contexts and with the batch; the
roofline says how quick the card is. Each of the two is scaled so that it takes what the roofline says at the reference
length, alone. The prompts of VU (4,608 tokens) are beyond the longest that was measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from edge_node.energy.sourced import Figure, exact_figures
from edge_node.language.step_cost import Coefficients, answer_cost, prefill_cost
from experiments.studies.tree.parameters import Parameters

REFERENCE_TOKENS = 256
"""Length of a prompt, and of a context, at which fit and roofline agree: in the middle of the measured ones."""
_NAMES = tuple(f"{part}_{which}_s" for part in ("prefill", "step") for which in "abc")


@dataclass(frozen=True, slots=True)
class Fits:
    """Measured coefficients, in seconds of a processor."""

    prefill: Coefficients
    step: Coefficients


def fit_figures() -> dict[str, Figure]:
    """Those that ship, with their sources. Raises SourceError for one that is missing or in another unit."""
    text = (resources.files(__package__) / "fitted.toml").read_text(encoding="utf-8")
    return exact_figures(text, "fitted.toml", list(_NAMES), lambda _: "s")


def load_fits() -> Fits:
    """Those that ship, as numbers."""
    figures = fit_figures()
    values = [figures[name].value for name in _NAMES]
    return Fits((values[0], values[1], values[2]), (values[3], values[4], values[5]))


@dataclass(frozen=True)
class FittedCost:
    """Seconds of a batch on the card."""

    parameters: Parameters
    fits: Fits

    def prefill_s(self, input_tokens: float, requests: int) -> float:
        """One prompt after the other: reading fills the processor alone."""
        scale = self.parameters.prefill_s(REFERENCE_TOKENS) / prefill_cost(
            self.fits.prefill, REFERENCE_TOKENS
        )
        return scale * requests * prefill_cost(self.fits.prefill, input_tokens)

    def decode_s(self, input_tokens: float, output_tokens: float, requests: int) -> float:
        """As many steps as an answer has tokens, each for all requests of the batch."""
        scale = self.parameters.decode_s(REFERENCE_TOKENS, 1) / answer_cost(
            self.fits.step, 1, REFERENCE_TOKENS, 1
        )
        return scale * answer_cost(self.fits.step, requests, input_tokens, output_tokens)
