"""Sensitivity of the result: one source of uncertainty at a time at its low and its high end, all others as booked.

The results are the reduction of the policy in focus against its baseline, whole testbed, and its fleet's grams per
hour. A source that is one figure (network factor, a board's gain) is set to its ends; one that is many (zones, meters)
is drawn alone, and its ends are those of the central 95 %. Embodied emissions and the harvest's life cycle are left out
of the booked figures; their bar reaches from there to where they are counted. Decisions are those of the run at every
end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carbon_data.uncertainty import ErrorModel, GramLines, monte_carlo_totals, spread
from experiments.report import units
from experiments.report.functional import SECONDS_PER_HOUR
from experiments.report.lifecycle.columns import harvest_life_cycle
from experiments.report.lifecycle.embodied import Embodied, embodied
from experiments.report.lifecycle.factors import factors_of
from experiments.report.lifecycle.setting import setting_of
from experiments.report.lifecycle.spread import (
    APART,
    BOARDS,
    DRAWS,
    NETWORK,
    boards_of,
    error_model,
    gram_lines,
)
from experiments.report.read import Run, Study
from protos.messages.terms import Holder

Floats = NDArray[np.float64]
TWO_SIDED_95 = 1.959964
"""Standard deviations of the central 95 % of a normal error."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Result at one end of a bar."""

    reduction: float | None
    """Mean over paired seeds of 1 - C / C_baseline; None without a baseline."""
    per_hour_g: float
    """Of the policy in focus, mean over seeds."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One source of uncertainty."""

    source: str
    low_is: str
    high_is: str
    low: Answer
    high: Answer

    @property
    def width(self) -> tuple[float, float]:
        """Width of the bar: of the reduction first."""
        one, other = self.low, self.high
        moved = (
            0.0 if one.reduction is None or other.reduction is None else abs(other.reduction - one.reduction)
        )
        return moved, abs(other.per_hour_g - one.per_hour_g)


@dataclass(frozen=True)
class Tornado:
    """Bars from the widest to the narrowest."""

    policy: str
    baseline: str | None
    booked: Answer
    bars: tuple[Bar, ...]
    not_given: dict[str, str]
    """Source -> reason why it has no bar."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Pairs:
    """Paired runs of baseline and policy; ``before`` is empty without a baseline."""

    before: tuple[Run, ...]
    after: tuple[Run, ...]

    @property
    def every(self) -> tuple[Run, ...]:
        return (*self.before, *self.after)

    def answer(self, grams: Sequence[float]) -> Answer:
        """Of the grams of ``every`` run."""
        rows = np.asarray(grams, dtype=np.float64)[:, None]
        reduced, hourly = self.answers(rows)
        return Answer(None if reduced is None else float(reduced[0]), float(hourly[0]))

    def answers(self, grams: Floats) -> tuple[Floats | None, Floats]:
        """(reduction, g per hour) of each draw, from (runs, draws) grams."""
        count = len(self.before)
        hours = np.array([run.board_s / SECONDS_PER_HOUR for run in self.after])
        hourly = (grams[count:] / hours[:, None]).mean(axis=0)
        if not count:
            return None, hourly
        return (1.0 - grams[count:] / grams[:count]).mean(axis=0), hourly


def tornado(study: Study, *, draws: int = DRAWS) -> Tornado | None:
    """Of the policy in focus; None where it emitted nothing."""
    policy = study.focus
    wanted = (study.against, "local", "grid")
    baseline = next((name for name in wanted if name in study.runs and name != policy), None)
    pairs = _pairs(study, policy, baseline)
    if not pairs.before:
        baseline = None
    boards = boards_of(study.any_run)
    lines = [gram_lines(run.tables["lines"], boards) for run in pairs.every]
    if any(one.grams.size == 0 for one in lines):
        return None
    booked = [float(one.grams.sum()) for one in lines]
    bars, not_given = [], {}
    for make in (_network, _boards, _devices, _meters, _intensity, _seeds, _embodied, _harvest):
        found = make(pairs, lines, booked, draws)
        if isinstance(found, Bar):
            bars.append(found)
        else:
            not_given[found[0]] = found[1]
    bars.sort(key=lambda bar: bar.width, reverse=True)
    return Tornado(policy, baseline, pairs.answer(booked), tuple(bars), not_given)


def _pairs(study: Study, policy: str, baseline: str | None) -> _Pairs:
    after = study.runs[policy]
    before = {} if baseline is None else study.runs[baseline]
    seeds = [seed for seed in after if seed in before]
    if not seeds:
        return _Pairs((), tuple(after.values()))
    return _Pairs(tuple(before[seed] for seed in seeds), tuple(after[seed] for seed in seeds))


Found = Bar | tuple[str, str]
"""A bar, or the source's name and the reason why it has none."""


def _at(lines: Sequence[GramLines], meter: str, gain: float) -> list[float]:
    """Grams of every run with ``meter`` at ``gain``."""
    return [
        float(
            sum(g * (gain if name == meter else 1.0) for g, name in zip(one.grams, one.meters, strict=True))
        )
        for one in lines
    ]


def _network(pairs: _Pairs, lines: list[GramLines], booked: list[float], draws: int) -> Found:
    name = "network factor"
    ends = error_model(pairs.every, factors_of(pairs.every)).meter_range.get(NETWORK)
    if ends is None:
        return name, "the runs do not record it"
    if not any(NETWORK in one.meters for one in lines):
        return name, "the network emitted nothing"
    from_booked = [f"× {units.trimmed(end)}" for end in ends]
    low, high = (pairs.answer(_at(lines, NETWORK, end)) for end in ends)
    return Bar(name, from_booked[0], from_booked[1], low, high)


def _boards(pairs: _Pairs, lines: list[GramLines], booked: list[float], draws: int) -> Found:
    name = "board power (model)"
    held = sorted({meter for one in lines for meter in one.meters if meter.startswith(BOARDS)})
    if not held:
        return name, "every joule of a board was metered"
    if len(held) == 1:
        return _gain(name, held[0], pairs, lines)
    std = error_model(pairs.every, factors_of(pairs.every)).gain_std_fraction
    alone = ErrorModel(0.0, meter_std_fraction=dict.fromkeys(held, std))
    return _drawn(name, f"each of {len(held)} profiles ± {units.percent(std)}", pairs, lines, alone, draws)


def _devices(pairs: _Pairs, lines: list[GramLines], booked: list[float], draws: int) -> Found:
    name, meter = "users' devices (model)", APART[str(Holder.DEVICES)]
    if not any(meter in one.meters for one in lines):
        return name, "they emitted nothing"
    return _gain(name, meter, pairs, lines)


def _gain(name: str, meter: str, pairs: _Pairs, lines: list[GramLines]) -> Bar:
    """Ends of one gain."""
    ends = error_model(pairs.every, factors_of(pairs.every)).gain_ends(meter)
    low, high = (pairs.answer(_at(lines, meter, end)) for end in ends)
    return Bar(name, f"× {units.trimmed(ends[0])}", f"× {units.trimmed(ends[1])}", low, high)


def _meters(pairs: _Pairs, lines: list[GramLines], booked: list[float], draws: int) -> Found:
    error = error_model(pairs.every, factors_of(pairs.every))
    if not error.meter_std_fraction:
        return "meters", "no joule was metered"
    alone = ErrorModel(0.0, meter_std_fraction=error.meter_std_fraction)
    deviation = units.percent(max(error.meter_std_fraction.values()))
    return _drawn("meters", f"each ± {deviation}", pairs, lines, alone, draws)


def _intensity(pairs: _Pairs, lines: list[GramLines], booked: list[float], draws: int) -> Found:
    std = error_model(pairs.every, factors_of(pairs.every)).intensity_std_fraction
    alone = ErrorModel(0.0, intensity_std_fraction=std)
    return _drawn("intensity of the zones", f"each ± {units.percent(std)}", pairs, lines, alone, draws)


def _drawn(name: str, what: str, pairs: _Pairs, lines: list[GramLines], error: ErrorModel, draws: int) -> Bar:
    """Ends of the central 95 % with this error alone; each answer has its own."""
    reduced, hourly = pairs.answers(monte_carlo_totals(lines, error, draws=draws))
    first = None if reduced is None else spread(reduced)
    second = spread(hourly)
    return Bar(
        name,
        f"2.5 % of draws, {what}",
        f"97.5 % of draws, {what}",
        Answer(None if first is None else first.low, second.low),
        Answer(None if first is None else first.high, second.high),
    )


def _seeds(pairs: _Pairs, lines: list[GramLines], booked: list[float], draws: int) -> Found:
    count = len(pairs.after)
    if count < 2:
        return "seeds", "one seed"
    each = [
        _Pairs(pairs.before[k : k + 1], pairs.after[k : k + 1]).answer(
            [*booked[: len(pairs.before)][k : k + 1], booked[len(pairs.before) + k]]
        )
        for k in range(count)
    ]
    ends = []
    for pick in (min, max):
        reduced = [one.reduction for one in each if one.reduction is not None]
        ends.append(Answer(pick(reduced) if reduced else None, pick(one.per_hour_g for one in each)))
    return Bar("seeds", f"lowest of {count}", f"highest of {count}", ends[0], ends[1])


def _embodied(pairs: _Pairs, lines: list[GramLines], booked: list[float], draws: int) -> Found:
    name = "embodied emissions"
    made = [embodied(setting_of(run), factors_of([run])) for run in pairs.every]
    reason = next((one.reason for one in made if one.reason), "")
    if reason:
        return name, reason

    def counted(one: Embodied) -> float:
        return (one.total_g or 0.0) + TWO_SIDED_95 * one.std_g

    high = _added(pairs, booked, [counted(one) for one in made])
    without = next((f", without {one.without}" for one in made if one.unknown), "")
    high_is = f"counted, high end of their factors{without}"
    return Bar(name, "left out, as booked", high_is, pairs.answer(booked), high)


def _harvest(pairs: _Pairs, lines: list[GramLines], booked: list[float], draws: int) -> Found:
    name = "harvest's life cycle"
    found = [harvest_life_cycle(setting_of(run), factors_of([run])) for run in pairs.every]
    reason = next((one.reason for one in found if one.reason), "")
    if reason:
        return name, reason
    grams = [one.value or 0.0 for one in found]
    if not any(grams):
        return name, "nothing was harvested"
    return Bar(name, "left out, as booked", "counted", pairs.answer(booked), _added(pairs, booked, grams))


def _added(pairs: _Pairs, booked: Sequence[float], more: Sequence[float]) -> Answer:
    return pairs.answer([one + other for one, other in zip(booked, more, strict=True)])
