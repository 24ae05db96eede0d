"""One indicator of a QoAIS report: a value with its formula and source, or the reason why there is none."""

from __future__ import annotations

import pytest

from experiments.report.qoais.indicator import Dimension, Indicator, Row, Status


def test_no_value_without_a_reason_and_no_status_without_a_value() -> None:
    row = Row(Dimension.DATA, "completeness")
    assert row.maybe("x", None, "", "", "", "why").status is Status.NOT_MEASURED
    with pytest.raises(ValueError, match="no reason"):
        row.lacking("x", "")
    with pytest.raises(ValueError, match="with value"):
        Indicator(Dimension.DATA, "completeness", "x", Status.MEASURED, None)
    with pytest.raises(ValueError, match="not finite"):
        row.measured("x", float("nan"), "", "", "")
