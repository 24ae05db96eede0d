"""What a batch of requests to a language model costs by the cost model that was fitted on a board. Pure."""

from __future__ import annotations

from edge_node.config import TokenCosts
from edge_node.language.step_cost import answer_cost, prefill_cost
from edge_node.workload import Calibrated


def calibrated_cost(
    costs: TokenCosts | None, prompt: int, answer: int, requests: int, at_once: int = 1
) -> Calibrated | None:
    """Of ``requests``, ``at_once`` at the same time: reading ``prompt`` tokens each, which gives an answer's first one,
    and the steps of the others. None where there is no model. A fit that is below zero at these lengths counts as zero.
    """
    if costs is None:
        return None
    read_j = max(0.0, prefill_cost(costs.prefill_j, prompt))
    joules = requests * read_j
    if answer > 1:
        groups, left = divmod(requests, at_once)
        for count, size in ((groups, at_once), (1 if left else 0, left)):
            joules += count * max(0.0, answer_cost(costs.step_j, size, prompt, answer - 1)) if count else 0.0
    return Calibrated(joules / costs.watts, joules)
