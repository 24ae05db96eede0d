"""Libraries that go into pages."""

from __future__ import annotations

from experiments.report.vendor import CHARTS, charts


def test_scripts_can_stand_in_a_page_and_carry_their_licences() -> None:
    text = charts()
    assert "</script" not in text
    assert "sourceMappingURL" not in text
    assert text.count("Redistribution and use in source and binary forms") == len(CHARTS)
    assert len(text) < 1_000_000
