"""A marginal estimate beside the headline, never in its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario


def mix(folder: Path) -> Path:
    """A year of one zone: gas follows a load that changes by chance, coal stands still."""
    rng = np.random.default_rng(0)
    times = pd.date_range("2020-01-01", periods=366 * 24, freq="h", tz="UTC")
    frame = pd.DataFrame(
        {
            "zone": "Z",
            "time": times.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "nat_gas_mw": 5000.0 + rng.normal(0.0, 100.0, len(times)),
            "coal_mw": 5000.0,
        }
    )
    path = folder / "mix.csv"
    frame.to_csv(path, index=False)
    return path


def test_a_scenario_books_marginal_beside_average_and_never_instead(tmp_path: Path) -> None:
    path = mix(tmp_path)
    text = f"""name = "beside"
[time]
start = 2020-06-21T00:00:00Z
[stages]
preparation = 0
development = 2
application = 0
recycling = 0
[task]
data = "digits"
batches_per_slot = 2
[intensity]
source = "generation-average"
options = {{ path = "{path}" }}
[accounting.marginal]
source = "generation-marginal"
options = {{ path = "{path}" }}
[harvest]
kind = "none"
[[nodes]]
zone = "Z"
"""
    resolve(parse_scenario(text))
    swapped = text.replace("generation-marginal", "generation-average")
    with pytest.raises(
        UsageError, match=r"'generation-average' gives average intensity; a marginal one is needed"
    ):
        resolve(parse_scenario(swapped))
