"""Claims on Table I and Fig. 3: linear energy, carbon against energy, CNN above MLP; in any reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from experiments.report.claims.figure import ClaimFigure, Kind, finite
from experiments.report.units import percent
from experiments.studies.fei.claims.judgement import (
    LEAST_ROWS,
    PLACED,
    Asked,
    Judgement,
    Measure,
    Measured,
    Parts,
    Verdict,
    figure,
    judge,
    met,
    too_few,
    undecided,
)
from experiments.studies.fei.claims.linearity import Growth, Interval, growth
from experiments.studies.fei.spec import (
    MODELS,
    REFERENCE_BATCHES,
    REFERENCE_SERVERS,
    SERVERS,
    BatchReading,
    Model,
    ServerReading,
)
from experiments.studies.fei.table1 import counted

FASTER_FRACTION = 0.05
"""How much faster carbon must grow than energy, from first to last row, to count."""
_WHY_RANDOM = (
    "the paper: with zones drawn at random the expected grams per kWh are the mean of the zones for any number of "
    "servers, so expected carbon grows exactly as energy does; the climb in its Table I is that of a sorted placement"
)
_WHY_SORTED = (
    "the placement: sorted zones alone decide the grams per kWh of a number of servers (but for the coordinator's "
    "share), whatever rounds were measured"
)


def rows_of(frame: pd.DataFrame, model: str, batches: BatchReading, servers: ServerReading) -> pd.DataFrame:
    """Rows of one model and reading that were trained to the target, by servers."""
    part = frame[
        (frame["model"] == model)
        & (frame["reading_e_b"] == str(batches))
        & (frame["reading_servers"] == str(servers))
    ]
    return part[part["ours_kwh"].notna()].sort_values("servers")


def origins(part: pd.DataFrame) -> str:
    """Where the rows behind a verdict come from, unless all were trained on this machine."""
    count = part["basis"].str.partition(":")[0].value_counts()
    if set(count.index) == {"measured"}:
        return ""
    return " (" + ", ".join(f"{counted(n, 'row')} {name}" for name, n in count.items()) + ")"


def scaling_bias(
    check: pd.DataFrame, batches: BatchReading, servers: ServerReading
) -> dict[int, float] | None:
    """Known relative error of scaled energy by number of servers; None where too few are known at both sizes.

    That of the same reading, else of the same E and B, else of all, whichever has ``LEAST_ROWS`` numbers of servers;
    the mean of the models. Numbers between known ones by straight line, those beyond as the nearest.
    """
    alike = check[check["reading_e_b"] == str(batches)]
    for part in (alike[alike["reading_servers"] == str(servers)], alike, check):
        known = part.groupby("servers")["error_fraction"].mean()
        if len(known) >= LEAST_ROWS:
            x, y = known.index.to_numpy(dtype=float), known.to_numpy(dtype=float)
            return {n: float(np.interp(n, x, y)) for n in SERVERS}
    return None


def _without_bias(part: pd.DataFrame, bias: dict[int, float]) -> pd.DataFrame:
    """``part`` with the energy and grams of scaled rows as they would be, were they off as the known ones are."""
    factor = part["servers"].map(lambda n: 1.0 + bias[n]).where(part["size"] == "scaled", 1.0)
    columns = [name for name in ("ours_kwh", "sorted_g", "random_mean_g") if name in part]
    return part.assign(**{name: part[name] / factor for name in columns})


def _judge_rows(
    asked: Asked,
    measure: Measure,
    parts: Parts,
    why: dict[Verdict, str],
    bias: dict[int, float] | None,
) -> Judgement:
    """As ``judge``, with the origin of the rows; not decidable where the known error of scaling decides."""
    part = next(iter(parts.values()))
    plain = judge(asked, measure, parts, why)
    if not isinstance(measure(part), Measured):
        return plain
    plain = replace(plain, ours=plain.ours + origins(pd.concat(parts.values())))

    def again(rows: pd.DataFrame) -> tuple[Verdict, str]:
        other = measure(rows)
        assert isinstance(other, Measured)
        said = "; ".join(label.format(figure(value)) for label, value in other.figures.items())
        return met(other.holds), said

    return _without_scaling(plain, part, bias, again)


def _without_scaling(
    plain: Judgement,
    part: pd.DataFrame,
    bias: dict[int, float] | None,
    again: Callable[[pd.DataFrame], tuple[Verdict, str]],
) -> Judgement:
    """``plain``, not decidable where the known error of scaling decides it. ``again``: verdict and figures of rows."""
    scaled = part[part["size"] == "scaled"]
    if scaled.empty:
        return plain
    stopped = ", ".join(percent(level) for level in sorted(scaled["target_fraction"].unique()))
    plain = replace(
        plain,
        ours=f"{plain.ours}; small trainings stopped at {stopped} accuracy",
        rule=f"{plain.rule}; and the verdict must stay when the known error of scaling is taken out",
    )
    if bias is None:
        why_not = "lack of runs: how far scaling lies off is known of too few rows at this effort"
        return replace(plain, verdict=Verdict.NOT_DECIDABLE, why=why_not)
    verdict, figures = again(_without_bias(part, bias))
    same = verdict is plain.verdict
    known = sorted({round(bias[int(n)], 3) + 0.0 for n in scaled["servers"]})  # + 0.0: no minus at 0
    off = " to ".join(percent(value) for value in dict.fromkeys((known[0], known[-1])))
    said_why = (
        f"scaling: {len(scaled)} of {counted(len(part), 'row')} scaled; where both sizes are known such rows are "
        f"{off} off in energy; with that taken out, row by row, {figures}: "
        f"{'the same verdict' if same else f'the verdict would be {verdict}'}"
    )
    if len(scaled) < len(part):
        said_why += ". Whole and scaled rows are calibrated on a row each"
    if same and plain.why:
        said_why = f"{plain.why}; {said_why}"
    return replace(plain, verdict=plain.verdict if same else Verdict.NOT_DECIDABLE, why=said_why)


_LINE_RULE = (
    "a + b x^p by least squares over all rows of all training seeds: the slope's 95 % interval lies above 0, that of p "
    "holds 1, that of the curvature holds 0, and log, square and exponential growth are each left out by one of them"
)


def _judge_line(asked: Asked, parts: Parts, bias: dict[int, float] | None) -> Judgement:
    """Energy over servers, all training seeds together: what a single seed's few whole rounds scatter about a line is
    no curvature."""
    return replace(_line(asked, parts, bias), sentence=asked.sentence)


def _line(asked: Asked, parts: Parts, bias: dict[int, float] | None) -> Judgement:
    said = asked.paper
    for part in parts.values():
        if len(part) < LEAST_ROWS:
            return replace(undecided(said, too_few(part), _LINE_RULE), figure=asked.figure)
    every = pd.concat(parts.values())
    found = growth(every["servers"], every["ours_kwh"])
    if found is None:
        same = "the energy is the same in all rows"
        return Judgement(Verdict.NOT_MET, said, same, _LINE_RULE, figure=asked.figure)
    seeds = "one training seed" if len(parts) == 1 else f"{len(parts)} training seeds"
    why = found.reason
    if found.verdict is Verdict.NOT_MET and found.slope.low > 0:
        rounds = every.groupby("servers")["rounds"].mean()
        why = f"{why}; rounds by servers, mean of the seeds: {', '.join(map(figure, rounds))}"
    exponent = found.exponent
    figure_shown = replace(
        asked.figure,
        ours=exponent.value,
        low=finite(exponent.low),
        high=finite(exponent.high),
        interval=f"95 % interval over all rows of {seeds}",
    )
    ours = f"{_law(found)}; {seeds}{origins(every)}"
    plain = Judgement(found.verdict, said, ours, _LINE_RULE, why, figure=figure_shown)

    def again(rows: pd.DataFrame) -> tuple[Verdict, str]:
        other = growth(rows["servers"], rows["ours_kwh"])
        return (Verdict.NOT_MET, "no change") if other is None else (other.verdict, _law(other))

    return _without_scaling(plain, next(iter(parts.values())), bias, again)


def _law(found: Growth) -> str:
    slope = Interval(*(1000 * value for value in (found.slope.value, found.slope.low, found.slope.high)))
    return f"{slope} Wh more per server; exponent {found.exponent}; curvature {found.curvature} of the slope per server"


def table_claims(
    frame: pd.DataFrame,
    check: pd.DataFrame,
    seeds: pd.DataFrame,
    batches: BatchReading = REFERENCE_BATCHES,
    servers: ServerReading = REFERENCE_SERVERS,
) -> dict[str, Judgement]:
    """Claims on Table I and Fig. 3 in one reading.

    Args:
        frame: Table I (experiments.studies.fei.table1.table).
        check: What scaling is worth (experiments.studies.fei.table1.scaling_check).
        seeds: Rows of other training seeds (experiments.studies.fei.table1.by_seed); those of this reading are used.
        batches: Reading of E and B.
        servers: Reading of the number of servers.
    """
    bias = scaling_bias(check, batches, servers)
    found = {}
    for model in MODELS:
        parts = _parts(frame, seeds, model.name, batches, servers)
        first = next(iter(parts.values()))
        name = model.name.lower()

        rows = [int(n) for n in first["servers"]]
        found[f"energy-grows-linearly-{name}"] = _judge_line(_asked_line(model, rows), parts, bias)
        for placed, column, why in (
            ("sorted", "sorted_g", {Verdict.MET: _WHY_SORTED}),
            ("random", "random_mean_g", {Verdict.NOT_MET: _WHY_RANDOM}),
        ):
            found[f"carbon-grows-faster-{placed}-{name}"] = _judge_rows(
                _asked_growth(model, rows, placed),
                lambda part, column=column: _faster(part, column),  # type: ignore[misc]
                parts,
                why,
                bias,
            )
    found["cnn-above-mlp"] = _cnn_above_mlp(frame, seeds, batches, servers)
    return found


def _parts(
    frame: pd.DataFrame, seeds: pd.DataFrame, model: str, batches: BatchReading, servers: ServerReading
) -> Parts:
    """Rows of a model by training seed: the table's own where there is but one."""
    again = rows_of(seeds, model, batches, servers)
    if again.empty:
        return {0: rows_of(frame, model, batches, servers)}
    return {int(str(seed)): part for seed, part in again.groupby("seed")}


def every_reading(
    frame: pd.DataFrame, check: pd.DataFrame, seeds: pd.DataFrame, headline: dict[str, Judgement]
) -> pd.DataFrame:
    """Verdicts of ``table_claims`` in each of the four readings; ``headline``: those of the reference readings."""
    records = []
    for batches in BatchReading:
        for servers in ServerReading:
            reference = (batches, servers) == (REFERENCE_BATCHES, REFERENCE_SERVERS)
            judged = headline if reference else table_claims(frame, check, seeds, batches, servers)
            records += [
                {
                    "claim": name,
                    "reading_e_b": str(batches),
                    "reading_servers": str(servers),
                    "is_reference": reference,
                    "verdict": str(one.verdict),
                    "ours": one.ours,
                    "why": one.why,
                }
                for name, one in judged.items()
            ]
    return pd.DataFrame(records)


def _between(rows: list[int]) -> str:
    """The rows that are compared, in words."""
    if rows in ([], list(SERVERS)):
        return f"{SERVERS[0]} to {SERVERS[-1]} servers"
    return "rows of " + ", ".join(str(n) for n in rows) + " servers"


def _asked_line(model: Model, rows: list[int]) -> Asked:
    """The paper's energy over the rows that are compared, by the rule that judges ours."""
    over = rows if len(rows) >= LEAST_ROWS else list(SERVERS)
    own = growth(over, [model.paper_kwh(n) for n in over])
    assert own is not None
    return Asked(
        f"{model.name}: energy grows linearly with the number of servers.",
        f"linear; its figures, {_between(over)}: {_law(own)}: by our rule {own.verdict}",
        _LINE_RULE,
        ClaimFigure(
            "exponent of energy's growth with servers; 1 is a line",
            paper=own.exponent.value,
            at_least=1.0,
            at_most=1.0,
        ),
    )


def _asked_growth(model: Model, rows: list[int], placed: str) -> Asked:
    """The paper's growth from first to last of the rows that are compared."""
    over = rows if len(rows) >= LEAST_ROWS else list(SERVERS)
    first, last = over[0], over[-1]
    kwh, grams = (one(last) / one(first) for one in (model.paper_kwh, model.paper_g))
    return Asked(
        f"{model.name}, zones {PLACED[placed]}: carbon grows faster than energy.",
        f"{first} to {last} servers: energy × {kwh:.2f}, carbon × {grams:.1f}",
        f"first to last row: grams grow, and by more than {1 + FASTER_FRACTION:g} times as much as energy",
        ClaimFigure(
            f"growth of carbon over growth of energy, {first} to {last} servers",
            Kind.FACTOR,
            paper=grams / kwh,
            at_least=1 + FASTER_FRACTION,
        ),
    )


def _faster(part: pd.DataFrame, column: str) -> Measured | str:
    if len(part) < LEAST_ROWS:
        return too_few(part)
    e = part["ours_kwh"].iloc[-1] / part["ours_kwh"].iloc[0]
    c = part[column].iloc[-1] / part[column].iloc[0]
    return Measured(
        bool(c > 1.0 + FASTER_FRACTION and c / e > 1.0 + FASTER_FRACTION),
        {"energy × {}": e, "carbon × {}": c, "carbon over energy × {}": c / e},
        float(c / e),
    )


def _cnn_above_mlp(
    frame: pd.DataFrame, seeds: pd.DataFrame, batches: BatchReading, servers: ServerReading
) -> Judgement:
    cnn, mlp = MODELS[1], MODELS[0]
    kwh = [cnn.paper_kwh(n) / mlp.paper_kwh(n) for n in SERVERS]
    grams = [cnn.paper_g(n) / mlp.paper_g(n) for n in SERVERS]
    said = (
        f"CNN above MLP in every row ({min(kwh):.1f} to {max(kwh):.1f} times in energy, {min(grams):.1f} to "
        f"{max(grams):.1f} in grams)"
    )
    rule = (
        "rows trained alike (same accuracy, paper's size): counted operations, without any calibration, and sorted "
        "grams, each with its own calibration, of the CNN above those of the MLP in every row"
    )
    both = [_parts(frame, seeds, model.name, batches, servers) for model in (cnn, mlp)]
    parts = {
        seed: both[0][seed].merge(both[1][seed], on=["servers", "target_fraction"], suffixes=("", "_mlp"))
        for seed in both[0]
        if seed in both[1]
    }
    shown = ClaimFigure(
        "grams of the CNN over those of the MLP, in the row where that is least",
        Kind.FACTOR,
        paper=min(grams),
        at_least=1.0,
    )
    sentence = "The CNN takes more energy and emits more than the MLP, whatever the number of servers."
    return judge(Asked(sentence, said, rule, shown), _above, parts, {})


def _above(part: pd.DataFrame) -> Measured | str:
    """``part``: rows of the CNN, those of the MLP beside them (_mlp)."""
    alike = part[(part["size"] == "whole") & (part["size_mlp"] == "whole")]
    if len(alike) < LEAST_ROWS:
        return f"{counted(len(alike), 'row')} with both models trained alike; {LEAST_ROWS} are needed"
    over = {
        name: alike[column] / alike[f"{column}_mlp"]
        for name, column in (("operations", "flop_per_server"), ("energy", "ours_kwh"), ("grams", "sorted_g"))
    }
    figures = {}
    for name, ratio in over.items():
        figures[f"{name} in the least row × {{}}"] = float(ratio.min())
        figures[f"{name} in the most × {{}}"] = float(ratio.max())
    holds = bool((over["operations"] > 1).all() and (over["grams"] > 1).all())
    return Measured(holds, figures, float(over["grams"].min()))
