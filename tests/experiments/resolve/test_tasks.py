"""Tasks of a scenario that could not train: refused before anything starts."""

from __future__ import annotations

import pytest

from experiments.errors import UsageError
from experiments.resolve.tasks import learned_tasks
from experiments.scenario.model import parse_scenario

NORMALISED = '[task]\nname = "mnist-mlp-bn"\ndata = "digits"\n{0}\n[[nodes]]\nzone = "DE"\ncount = 2\n'


def test_a_batch_of_one_is_refused_for_a_model_that_needs_two() -> None:
    with pytest.raises(
        UsageError, match=r"task\.batch_size: 1 is too small for task mnist-mlp-bn.*2 or more"
    ):
        learned_tasks(parse_scenario(NORMALISED.format("batch_size = 1")), 2)
    learned_tasks(parse_scenario(NORMALISED.format("batch_size = 2")), 2)
    plain = NORMALISED.replace("-bn", "").format("batch_size = 1")
    assert learned_tasks(parse_scenario(plain), 2)[0].batch_size == 1


@pytest.mark.parametrize("strategy", ["fedavgm", "fedadam", "qfedavg"])
def test_strategies_that_go_beyond_the_nodes_models_are_refused_for_statistics(strategy: str) -> None:
    """For shipped tasks as for users' own."""
    with pytest.raises(UsageError, match=f"strategy {strategy} makes models beyond.*is a statistic"):
        learned_tasks(parse_scenario(NORMALISED.format(f'strategy = "{strategy}"')), 2)
    learned_tasks(parse_scenario(NORMALISED.format('strategy = "fedmedian"')), 2)
