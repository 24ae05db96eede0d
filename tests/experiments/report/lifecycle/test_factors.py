"""The sourced factors of the life cycle, and the record of which of them a result used."""

from __future__ import annotations

from experiments.report.lifecycle.factors import table


def test_every_factor_has_a_source_and_choices_say_so() -> None:
    for name in ("embodied", "harvest", "uncertainty"):
        for key, figure in table(name).items():
            assert figure.source.strip(), key
            assert figure.value > 0, key
