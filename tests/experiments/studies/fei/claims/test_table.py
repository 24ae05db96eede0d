"""Claims on Table I and Fig. 3: linear energy, carbon against energy, CNN above MLP; in any reading."""

from __future__ import annotations

import pandas as pd
import pytest

from experiments.studies.fei import table1
from experiments.studies.fei.claims.table import scaling_bias
from experiments.studies.fei.spec import MODELS, REFERENCE_BATCHES, REFERENCE_SERVERS, SERVERS, BatchReading
from tests.experiments.studies.fei.table_rows import judged, rows, scaling

NO_SEEDS = pd.DataFrame(columns=table1.SEED_COLUMNS)
NO_CHECK = pd.DataFrame(columns=["reading_e_b", "reading_servers", "servers", "error_fraction"])


def test_growth_is_compared_over_the_same_rows() -> None:
    lstm = MODELS[2]
    some = rows([1.0, 2.0, 3.0, 4.0], model="LSTM").assign(servers=[3, 5, 7, 9])
    found = judged(some)
    assert found["carbon-grows-faster-sorted-lstm"].paper == (
        f"3 to 9 servers: energy × {lstm.paper_kwh(9) / lstm.paper_kwh(3):.2f}, "
        f"carbon × {lstm.paper_g(9) / lstm.paper_g(3):.1f}"
    )
    assert "rows of 3, 5, 7, 9 servers: " in found["energy-grows-linearly-lstm"].paper


def test_the_error_of_scaling_is_that_of_the_nearest_reading_that_has_enough() -> None:
    own = scaling({3: -0.4, 5: -0.2, 9: 0.0, 11: 0.2})
    found = scaling_bias(own, REFERENCE_BATCHES, REFERENCE_SERVERS)
    assert found == pytest.approx({1: -0.4, 3: -0.4, 5: -0.2, 7: -0.1, 9: 0.0, 11: 0.2})
    other = own.assign(reading_e_b=str(BatchReading.AS_PRINTED), error_fraction=0.5)
    both = pd.concat([own[:2], other])
    assert scaling_bias(both, BatchReading.AS_PRINTED, REFERENCE_SERVERS) == dict.fromkeys(SERVERS, 0.5)
    mixed = scaling_bias(both, REFERENCE_BATCHES, REFERENCE_SERVERS)
    assert mixed is not None
    assert mixed[3] == pytest.approx((0.5 - 0.4) / 2)
    assert scaling_bias(own[:3], REFERENCE_BATCHES, REFERENCE_SERVERS) is None


def test_rows_that_were_not_all_trained_here_are_counted_by_origin() -> None:
    mixed = rows([1.0, 2.0, 3.0, 4.0]).assign(basis=["measured", "measured", "measured", "shipped: then"])
    ours = judged(mixed)["energy-grows-linearly-mlp"].ours
    assert "3 rows measured" in ours
    assert "1 row shipped" in ours
