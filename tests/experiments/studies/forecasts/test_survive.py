"""What share of DETA's gain over LOCAL survives a regime of knowledge: by regime, age of the issue, and zone."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from experiments.studies.forecasts import survive


def made_up() -> pd.DataFrame:
    rows = []
    for day, scale in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        for regime, grams in (("local", 10.0), ("perfect", 5.0), ("issued", 6.0), ("persistence", 7.0)):
            rows.append(
                {
                    "day": day,
                    "deadline_slots": 0,
                    "regime": regime,
                    "emissions_g": scale * grams,
                    "network_g": 0.0,
                    "harvest_to_demand": 0.4,
                    "Z0_g": scale * grams * 0.25,
                    "Z1_g": scale * (grams * 0.75 - 1.0),
                    "Z2_g": scale,
                }
            )
    return pd.DataFrame(rows)


def test_what_survives_by_hand() -> None:
    table = made_up()
    assert survive.surviving(table, 0, "perfect").value == pytest.approx(1.0)
    assert survive.surviving(table, 0, "issued").value == pytest.approx(0.8)
    assert survive.difference(table, 0, "issued", "persistence").value == pytest.approx(0.2)
    regimes = survive.by_regime(table).set_index("regime")
    assert regimes.loc["persistence", "surviving_fraction"] == pytest.approx(0.6)
    assert regimes.loc["issued", "reduction_fraction"] == pytest.approx(0.4)
    assert regimes["worse_days"].tolist() == [0, 0, 0]
    zones = survive.by_zone(table, ["Z0", "Z1", "Z2"]).set_index("zone")
    assert zones["lost_fraction"].tolist() == pytest.approx([0.05, 0.15, 0.0])
    assert zones["surviving_fraction"][:2].tolist() == pytest.approx([0.8, 0.8])
    assert math.isnan(zones.loc["Z2", "surviving_fraction"])
