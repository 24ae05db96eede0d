"""Keys without effect are refused by name."""

from __future__ import annotations

import pytest

from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from tests.scenarios import TINY


@pytest.mark.parametrize(
    ("table", "key", "said"),
    [
        ("[forecast]\nerror_fraction = 0.3\n", "forecast.error_fraction", 'kind = "gaussian"'),
        ('[forecast]\nkind = "persistence"\nerror_fraction = 0.3\n', "forecast.error_fraction", "gaussian"),
        ("[inference]\npeak_hour = 12\n", "inference.peak_hour", 'arrivals = "diurnal"'),
        ('[inference]\narrivals = "poisson"\ndepth_fraction = 0.5\n', "inference.depth_fraction", "diurnal"),
        (
            "[[inference.services]]\nload_fraction = 0.1\npeak_hour = 12\n",
            "inference.services.0.peak_hour",
            'arrivals = "diurnal"',
        ),
        (
            '[inference]\narrivals = "poisson"\nload_fraction = 0.1\nbatches_per_slot = 3\n',
            "inference.batches_per_slot",
            "no effect beside load_fraction",
        ),
        ('[harvest]\nkind = "none"\npeak_w = 20\n', "harvest.peak_w", 'kind = "pv"'),
        ('[harvest]\nkind = "constant"\ntilt_deg = 20\n', "harvest.tilt_deg", 'kind = "pv"'),
        ('[harvest]\npath = "sun.csv"\n', "harvest.path", 'kind = "trace" or "package.module:Name"'),
        ('[harvest]\nkind = "mylab.sun:Sun"\nazimuth_deg = 20\n', "harvest.azimuth_deg", 'kind = "pv"'),
        (
            "[harvest]\noptions = { peak_w = 3 }\n",
            "harvest",
            "because the table or its node sets peak_w = 10.0",
        ),
        (
            '[intensity]\nsource = "trace"\npath = "a.csv"\noptions = { path = "b.csv" }\n',
            "intensity",
            "options.path = 'b.csv' has no effect",
        ),
        ("[tree.services.chat]\ntoken_weight = 2.0\n", "tree.services.chat", "served are mnist-mlp"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused_by_name(table: str, key: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        resolve(parse_scenario(table + TINY))
    table_itself = key in ("harvest", "intensity") or key.startswith("tree")
    line = 1 if table_itself else table.count("\n")
    assert str(refused.value).startswith(f"scenario:{line}: {key}: ")
    assert said in str(refused.value)


def test_options_of_other_kinds_of_nodes_and_fleets_are_refused_and_defaults_are_not() -> None:
    with pytest.raises(UsageError, match=r"scenario:8: nodes\.0\.harvest\.tilt_deg: .* no effect"):
        resolve(parse_scenario(TINY + 'harvest = { kind = "none", tilt_deg = 20 }\n'))
    for option in ("processes = 2", 'isolation = "none"'):
        with pytest.raises(UsageError, match=r'scenario:4: fleet\..* for kind = "ray"'):
            resolve(parse_scenario(TINY.replace("[fleet]", f"[fleet]\n{option}")))
    # a node's own kind takes nothing over from the scenario's, and a run's own file names every key
    resolve(parse_scenario("[harvest]\ntilt_deg = 20\n" + TINY + 'harvest = { kind = "none", peak_w = 0 }\n'))
