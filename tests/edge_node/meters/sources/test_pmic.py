"""Raspberry Pi 5: rails of the power chip, as a program that prints what vcgencmd prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.meters.sources.pmic import open_pmic, power_uw
from edge_node.meters.sources.source import SourceError
from protos.messages.terms import MeterKind

SHOWN = """ 3V7_WL_SW_A current(0)=0.10000000A
  VDD_CORE_A current(7)=2.00000000A
   3V3_DAC_A current(17)=0.00000000A
 3V7_WL_SW_V volt(8)=3.70000000V
  VDD_CORE_V volt(15)=0.80000000V
   3V3_DAC_V volt(20)=3.31000000V
    EXT5V_V volt(24)=5.12000000V
     BATT_V volt(25)=0.00000000V
"""


def command(folder: Path, body: str) -> str:
    path = folder / "vcgencmd"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_rails_are_paired_by_name(tmp_path: Path) -> None:
    """0.1 A at 3.7 V and 2 A at 0.8 V: 1.97 W; the input's voltage has no current."""
    (tmp_path / "shown").write_text(SHOWN)
    source = open_pmic(command(tmp_path, f'[ "$1" = pmic_read_adc ] && cat {tmp_path}/shown'))
    assert (source.kind, source.read()) == (MeterKind.ESTIMATE, 1_970_000)


@pytest.mark.parametrize(
    ("body", "reason"),
    [("echo not found >&2; exit 255", "ended with 255: not found"), ("echo", "no current")],
)
def test_another_board_is_refused(tmp_path: Path, body: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        open_pmic(command(tmp_path, body)).read()


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SourceError, match="no voltage of rail VDD_CORE"):
        power_uw(SHOWN.replace("VDD_CORE_V", "VDD_OTHER_V"))
    with pytest.raises(SourceError, match="Raspberry Pi 5"):
        open_pmic("/no/vcgencmd").read()
