"""Software carbon intensity for AI: one score for who uses the model, one for who makes it.

Source: Green Software Foundation, SCI for AI specification (on ISO/IEC 21031:2024): the consumer boundary is runtime
operation, per token or inference; the provider boundary is preparation, data, training and integration, per
parameter, training token or FLOP. Emissions of making are not spread over uses. Location-based only: the scheme
allows no market instrument.
"""

from __future__ import annotations

import pandas as pd

from experiments.disclosure.entry import Entry, Section
from experiments.disclosure.part import CONSUMER, PROVIDER, Part
from experiments.report.lifecycle.embodied import Embodied
from experiments.report.qoais.computation import training_flop
from experiments.report.qoais.evidence import Evidence
from experiments.report.read import Run

BOOKS = "lines.parquet, slots.parquet"
FACTORS = "carbon_data/factors"
PER_THOUSAND, PER_MILLION, PER_BILLION, EXA = 1e3, 1e6, 1e9, 1e18
INTRO = (
    "Two boundaries that do not overlap. Consumer: the application stage, its network, its part of the "
    "coordinator, and idle "
    "time of its slots. Provider: preparation, development and recycling (the model's transfer to a second "
    "task), with theirs. "
    "C = E x I + M, location-based; harvested energy counts zero in I and is stated under scope 2. M is the part "
    "of the devices' "
    "making for the slots of the boundary. Where several services run, what is not one service's own (idle time, "
    "coordinator, "
    "network) follows the joules of their requests."
)


def sci_ai(run: Run, made: Embodied) -> Section:
    """Both scores of ``run``, with what they are made of."""
    consumer, provider = Part(run, CONSUMER, made), Part(run, PROVIDER, made)
    return Section(
        "sci_for_ai",
        "Software carbon intensity for AI",
        INTRO,
        [
            *_sums("consumer", consumer, made),
            *_per_use(consumer, made),
            *_sums("provider", provider, made),
            *_per_size(provider, made),
        ],
    )


def _sums(name: str, part: Part, made: Embodied) -> list[Entry]:
    stages = ", ".join(part.stages)
    spread = part.spread
    return [
        Entry(
            f"{name}_operational_g",
            f"{name}: operational emissions",
            part.operational_g,
            "g CO2e",
            f"sum of grid energy times intensity over {stages}, idle time of their slots included",
            BOOKS,
            part.known.text,
            low=None if spread is None else spread.low,
            high=None if spread is None else spread.high,
        ),
        Entry(
            f"{name}_embodied_g",
            f"{name}: embodied emissions",
            part.embodied_g,
            "g CO2e",
            f"M = TE x time reserved / expected life x share, for the slots of the boundary{part.without}",
            f"scenario.toml, {FACTORS}",
            "modelled" if part.embodied_g is not None else "",
            made.reason,
        ),
    ]


def _score(key: str, label: str, part: Part, made: Embodied, units: float, unit: str, how: str) -> Entry:
    """C / R of a part of which ``units`` were made."""
    grams = part.embodied_g
    reason = made.reason if grams is None else "" if units > 0 else "this run has none of this unit"
    spread = part.spread
    value = None if reason or grams is None else (part.operational_g + grams) / units
    drawn = value is not None and spread is not None and grams is not None
    return Entry(
        key,
        label,
        value,
        unit,
        f"{how}{part.without}",
        f"{BOOKS}, {FACTORS}",
        "" if value is None else f"{part.known.text}; M modelled",
        reason,
        low=(spread.low + grams) / units if drawn and spread and grams is not None else None,
        high=(spread.high + grams) / units if drawn and spread and grams is not None else None,
    )


def services_of(run: Run) -> pd.DataFrame:
    """Requests, tokens, joules and share of the joules by service of the application stage; empty without serving."""
    serving = run.tables.get("serving")
    if serving is None or serving.empty:
        return pd.DataFrame()
    rows = serving[serving["stage"].isin(CONSUMER)].fillna({"service": str(run.metadata.get("task", ""))})
    found = rows.groupby("service")[["requests", "tokens_in", "tokens_out", "energy_j"]].sum()
    found["share"] = found["energy_j"] / found["energy_j"].sum()
    return found[found["requests"] > 0]


def _per_use(part: Part, made: Embodied) -> list[Entry]:
    """A score for each service: per token where it generates, else per inference."""
    services = services_of(part.run)
    if services.empty:
        return [
            Entry(
                "consumer_sci_g_per_1000_inferences",
                "consumer SCI",
                None,
                "g CO2e per 1,000 inferences",
                "C / R",
                "serving.parquet",
                reason="no inference was served in this run",
            )
        ]
    found = []
    for row in services.itertuples():
        service, tokens = str(row.Index), float(row.tokens_in + row.tokens_out)  # type: ignore[arg-type, operator]
        share = float(row.share)  # type: ignore[arg-type]
        whole = f"its share of the joules of all requests is {share:.4f}"
        of, scale, unit = (
            (tokens, PER_MILLION, "million tokens")
            if tokens
            else (float(row.requests), PER_THOUSAND, "1,000 inferences")  # type: ignore[arg-type]
        )
        key = f"consumer_sci_{service}_g_per_{'million_tokens' if tokens else '1000_inferences'}"
        found.append(
            _score(
                key,
                f"consumer SCI, {service}",
                part,
                made,
                of / scale / share,
                f"g CO2e per {unit}",
                f"C / R; R = {of:.0f} {'tokens in and out' if tokens else 'inferences'}; {whole}",
            )
        )
    return found


def _per_size(part: Part, made: Embodied) -> list[Entry]:
    """Per billion parameters and per 10^18 counted operations of training."""
    evidence = Evidence(part.run)
    parameters = evidence.parameters
    size = None if parameters is None else sum(int(value.size) for value in parameters.values())
    flop, why = training_flop(evidence)
    return [
        _sized(
            part,
            made,
            ("provider_sci_g_per_billion_parameters", "provider SCI per parameter"),
            (size, PER_BILLION, "g CO2e per billion parameters"),
            "values in the developed model",
            evidence.why.get("parameters", ""),
        ),
        _sized(
            part,
            made,
            ("provider_sci_g_per_exaflop", "provider SCI per operation"),
            (flop, EXA, "g CO2e per 10^18 FLOP"),
            "executed batches x batch size x counted FLOP x local epochs of development",
            why,
        ),
    ]


def _sized(
    part: Part,
    made: Embodied,
    name: tuple[str, str],
    size: tuple[float | None, float, str],
    what: str,
    why: str,
) -> Entry:
    (key, label), (amount, scale, unit) = name, size
    if amount is None:
        return Entry(
            key, label, None, unit, f"C / R; R: {what}", BOOKS, reason=why or "the run does not say it"
        )
    return _score(key, label, part, made, amount / scale, unit, f"C / R; R = {amount:.6g}: {what}")
