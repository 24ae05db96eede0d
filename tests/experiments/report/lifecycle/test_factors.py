"""The sourced factors of the life cycle, and the record of which of them a result used."""

from __future__ import annotations

import pytest

from edge_node.energy.sourced import Figure, SourceError, Unknown
from experiments.report.lifecycle.factors import Factors, table


def test_every_factor_has_a_source_and_choices_say_so() -> None:
    for name in ("embodied", "harvest", "uncertainty"):
        for key, figure in table(name).items():
            assert figure.source.strip(), key
            assert figure.value > 0, key


def test_own_factors_go_before_the_packaged_and_an_unknown_one_is_none() -> None:
    own = {"harvest": {"pv": Figure(20.0, "g/kWh", "maker"), "wind": Unknown("g/kWh", "?")}}
    factors = Factors(own)
    assert factors.need("harvest", "pv", "g/kWh") == 20.0
    assert factors.get("harvest", "wind", "g/kWh") is None
    assert [one["source"] for one in factors.used()] == ["maker"]
    with pytest.raises(SourceError, match="no figure 'wind'"):
        factors.need("harvest", "wind", "g/kWh")
