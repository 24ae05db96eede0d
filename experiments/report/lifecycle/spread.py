"""Uncertainty of a comparison's reductions: Monte-Carlo with paired draws, seeds separately and together.

Three kinds of error are drawn: the gain of each board profile, of the users' devices and of each meter, the network's
energy per byte between the ends of its sources (experiments.resolve.network_factor), and the bias of each zone's
intensity. Draw k is one world for all policies and seeds. Draws rescale booked lines; decisions made with the
booked factor do not change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from carbon_data.types import DataError, Provenance
from carbon_data.uncertainty import (
    ErrorModel,
    GramLines,
    Spread,
    monte_carlo_totals,
    paired_reduction,
    reduction_of_seeds,
    spread,
)
from experiments.report.baselines import there
from experiments.report.boundary import Boundary, inside
from experiments.report.functional import LABELS, unit_lines
from experiments.report.lifecycle.columns import BETWEEN_ZONES
from experiments.report.lifecycle.factors import Factors, factors_of
from experiments.report.lifecycle.setting import setting_of
from experiments.report.measured import measured
from experiments.report.measures import ById, lines_by_seed
from experiments.report.provenance import known_of_reduction
from experiments.report.read import Run, Study
from experiments.resolve.network_factor import NetworkFactor
from protos.messages.terms import Holder

DRAWS = 10_000
NORMAL_95 = NormalDist().inv_cdf(0.975)
NETWORK = str(Holder.NETWORK)
"""Name of the network's holder, and of its factor in the draws."""
BOARDS = "boards' model"
"""Prefix of the name of each profile's gain, which nodes and coordinator of that profile share."""
APART = {str(Holder.DEVICES): "users' devices", str(Holder.ROUTER): "router"}
"""Gains of holders without a board in the scenario."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A policy's reduction against a baseline within a boundary, with its intervals (95 %)."""

    policy: str
    baseline: str
    boundary: Boundary
    seeds: int
    draws: int
    reduction: float
    """Mean over paired seeds of 1 - C / C_baseline, as booked."""
    readings: Spread
    """Paired draws over the mean of the seeds: boards, network, intensity."""
    seeds_interval: Spread | None
    """Student's t over paired seeds, as booked; None with one."""
    together: Spread
    """Both: in each draw the mean over seeds moves by Student's t. With one seed, ``readings``."""


def boards_of(run: Run) -> dict[str, str]:
    """Board profile of every node and of the coordinator; empty where the run's scenario cannot be read: all boards
    then share one gain."""
    setting = setting_of(run)
    return {} if setting.scenario is None else setting.boards()


def gram_lines(lines: pd.DataFrame, boards: Mapping[str, str]) -> GramLines:
    """Emissions of booked ``lines`` by the meter and the zone they came from, summed: (L,) lines.

    Modelled lines of one board profile (``boards``, by holder) share one gain, since they share its figures; the users'
    devices have one of their own; the network's share its factor per byte; a measured line has the gain of its node's
    meter. Grams of a line between two zones count half in each, as its
    intensity does. What sampling leaves unknown is one deviation of their sum.
    """
    known = lines[np.isfinite(lines["operational_g"].to_numpy(dtype=np.float64))]
    sampled = measured(known, "operational_g")
    model = {holder: f"{BOARDS}: {profile}" for holder, profile in boards.items()} | APART
    sums: dict[tuple[str, str], float] = {}
    for (holder, metered, place), grams in _by_holder(known):
        meter = holder if metered or holder == NETWORK else model.get(holder, BOARDS)
        zones = place.split(BETWEEN_ZONES)
        for zone in zones:
            sums[meter, zone] = sums.get((meter, zone), 0.0) + grams / len(zones)
    kept = sorted(key for key, grams in sums.items() if grams > 0)
    return GramLines(
        np.array([sums[key] for key in kept], dtype=np.float64),
        tuple(meter for meter, _ in kept),
        tuple(zone for _, zone in kept),
        noise_std_g=0.0 if sampled is None else sampled.half_width / NORMAL_95,
    )


def _by_holder(lines: pd.DataFrame) -> Iterator[tuple[tuple[str, bool, str], float]]:
    """((holder, metered, zone), grams). By numbers: a report asks a hundred times, and pandas takes ten times as
    long to group by three columns of text."""
    holders, holder_names = pd.factorize(lines["node_id"])
    zones, zone_names = pd.factorize(lines["zone"])
    metered = (lines["provenance"] == Provenance.MEASURED.value).to_numpy(dtype=np.int64)
    group = (holders * 2 + metered) * len(zone_names) + zones
    grams = np.bincount(group, weights=lines["operational_g"].to_numpy(dtype=np.float64))
    for code in np.unique(group):
        holder, zone = divmod(int(code), len(zone_names))
        yield (str(holder_names[holder // 2]), bool(holder % 2), str(zone_names[zone])), float(grams[code])


def error_model(runs: Iterable[Run], factors: Factors) -> ErrorModel:
    """Errors of the readings in ``runs``: deviation of the gain of a board's or device's model, one of its own for
    every node that was metered, and the network's factor between its ends."""
    runs = list(runs)
    lines = [run.tables["lines"] for run in runs]
    metered = sorted(
        {
            str(node)
            for frame in lines
            for node in frame.loc[frame["provenance"] == Provenance.MEASURED.value, "node_id"].unique()
        }
    )
    meter_std = {}
    if metered:
        own = factors.need("uncertainty", "measured-gain", "fraction")
        meter_std = dict.fromkeys(metered, own)
    ratios = network_ratios(runs)
    return ErrorModel(
        gain_std_fraction=factors.need("uncertainty", "modelled-gain", "fraction"),
        intensity_std_fraction=factors.need("uncertainty", "intensity", "fraction"),
        meter_std_fraction=meter_std,
        meter_range={} if ratios is None else {NETWORK: ratios},
    )


def network_ratios(runs: Iterable[Run]) -> tuple[float, float] | None:
    """Ends of the network's factor over the booked one; None for runs that do not record it (earlier versions): their
    network is then drawn like a board's model. Raises DataError where runs booked different factors."""
    found = {factor_of(run) for run in runs}
    if len(found) > 1:
        booked = ", ".join(
            "not recorded" if one is None else f"{one.booked_j_per_byte:g} J/byte" for one in found
        )
        raise DataError(
            f"these runs booked the network differently ({booked}); compare runs of one scenario and version"
        )
    factor = found.pop() if found else None
    return None if factor is None else factor.ratios()


def factor_of(run: Run) -> NetworkFactor | None:
    """The network's factor as the run recorded it."""
    return NetworkFactor.from_metadata(run.metadata)


def network_json(run: Run) -> dict[str, Any] | None:
    """The network's factor per byte with its ends; None for runs that did not record it."""
    factor = factor_of(run)
    return None if factor is None else factor.as_metadata()


def total_spread(
    run: Run, factors: Factors, *, boundary: Boundary = Boundary.TESTBED, draws: int = DRAWS
) -> Spread | None:
    """Spread of the run's grams from the errors of readings; None when the run emitted nothing."""
    lines = gram_lines(inside(run.tables["lines"], boundary), boards_of(run))
    if lines.grams.size == 0:
        return None
    return spread(monte_carlo_totals([lines], error_model([run], factors), draws=draws)[0])


def unit_spreads(study: Study, policy: str, boundary: Boundary, *, draws: int = DRAWS) -> dict[str, Spread]:
    """Functional units of ``policy``, mean over its seeds, under the draws: field of FunctionalUnits -> spread. Units
    that some seed did not make are left out."""
    runs = list(study.runs[policy].values())
    made = [unit_lines(run, boundary) for run in runs]
    error, boards = error_model(study, factors_of(study)), boards_of(study.any_run)
    found = {}
    for name in LABELS:
        parts = [one[name] for one in made if name in one]
        grams = [gram_lines(part.lines, boards) for part in parts]
        if len(parts) < len(runs) or any(one.grams.size == 0 for one in grams):
            continue
        totals = monte_carlo_totals(grams, error, draws=draws)
        per_unit = totals / np.array([part.units for part in parts])[:, None]
        found[name] = spread(per_unit.mean(axis=0))
    return found


def stated_reduction(study: Study, policy: str, baseline: str, boundary: Boundary) -> Stated | None:
    """The reduction as every headline states it; None where the baseline is not there with these seeds."""
    return _all_stated(ById(study)).get((policy, baseline, boundary))


def stated_reductions(study: Study, *, draws: int = DRAWS, seed: int = 0) -> list[Stated]:
    """Every policy against GRID and LOCAL, over the seeds both have, for nodes alone and the whole testbed."""
    error, boards = error_model(study, factors_of(study)), boards_of(study.any_run)
    lines = {
        (name, boundary): {
            number: gram_lines(inside(booked, boundary), boards) for number, booked in by_seed.items()
        }
        for name in dict.fromkeys((*there(study), *study.policies))
        for by_seed in [lines_by_seed(study, name)]
        for boundary in Boundary
    }
    found = []
    for baseline in there(study):
        for policy in study.policies:
            for boundary in Boundary:
                if policy != baseline:
                    before, after = _pairs(lines[baseline, boundary], lines[policy, boundary])
                    one = _stated(policy, baseline, boundary, before, after, error, draws, seed)
                    found += [] if one is None else [one]
    return found


@lru_cache(maxsize=16)
def _all_stated(study: ById[Study]) -> dict[tuple[str, str, Boundary], Stated]:
    return {(one.policy, one.baseline, one.boundary): one for one in stated_reductions(study.value)}


def _stated(
    policy: str,
    baseline: str,
    boundary: Boundary,
    before: list[GramLines],
    after: list[GramLines],
    error: ErrorModel,
    draws: int,
    seed: int,
) -> Stated | None:
    if not before:
        return None
    totals: NDArray[np.float64] = monte_carlo_totals([*before, *after], error, draws=draws, seed=seed)
    count = len(before)
    booked = [float(one.grams.sum()) for one in (*before, *after)]
    by_seed = 1.0 - totals[count:] / totals[:count]
    return Stated(
        policy=policy,
        baseline=baseline,
        boundary=boundary,
        seeds=count,
        draws=draws,
        reduction=float(np.mean([1.0 - b / a for a, b in zip(booked[:count], booked[count:], strict=True)])),
        readings=spread(by_seed.mean(axis=0)),
        seeds_interval=paired_reduction(booked[:count], booked[count:]) if count > 1 else None,
        together=reduction_of_seeds(totals[:count], totals[count:], seed=seed),
    )


def _pairs(
    before: Mapping[int, GramLines], after: Mapping[int, GramLines]
) -> tuple[list[GramLines], list[GramLines]]:
    """(baseline, policy) lines of the seeds that both have and in which the baseline emitted anything."""
    pairs = [(before[number], after[number]) for number in sorted(before.keys() & after.keys())]
    pairs = [pair for pair in pairs if pair[0].grams.size]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def reductions_json(study: Study) -> list[dict[str, Any]]:
    """Every stated reduction as plain data."""
    return [
        {
            **asdict(one),
            "boundary": one.boundary.value,
            "reading": known_of_reduction(study, one.policy, one.baseline).as_dict(),
        }
        for one in _all_stated(ById(study)).values()
    ]
