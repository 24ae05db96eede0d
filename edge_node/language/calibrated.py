"""What a batch of requests to a language model costs by the cost model that was fitted on a board. Pure."""

from __future__ import annotations

from edge_node.config import TokenCosts
from edge_node.language.step_cost import answer_cost, prefill_cost
from edge_node.workload import Calibrated


def calibrated_cost(costs: TokenCosts | None, prompt: int, answer: int, requests: int) -> Calibrated | None:
    """Of ``requests``, one after the other: reading ``prompt`` tokens each, which gives an answer's first one, and the
    steps of the others. None where there is no model. A fit that is below zero at these lengths counts as zero."""
    if costs is None:
        return None
    read_j = max(0.0, prefill_cost(costs.prefill_j, prompt))
    write_j = max(0.0, answer_cost(costs.step_j, 1, prompt, answer - 1)) if answer > 1 else 0.0
    joules = requests * (read_j + write_j)
    return Calibrated(joules / costs.watts, joules)
