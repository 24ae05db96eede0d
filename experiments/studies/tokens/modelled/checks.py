"""Checks of the modelled part: the project's own, limits set after a look at one day, before the study was run."""

from __future__ import annotations

from typing import Any

import pandas as pd

from edge_node.energy.transport import load_transport
from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.studies.tokens.modelled.batching import Release
from experiments.studies.tokens.modelled.routing import HANDED, REFINED
from experiments.studies.tokens.modelled.waking import Waking
from experiments.studies.verdict import check

LATE = 0.1
"""Most of DETA's answers that may come later than their target."""
NOTHING = 0.001
"""Less than this share counts as no saving."""


def judge(
    days: pd.DataFrame,
    settings: pd.DataFrame,
    batches: pd.DataFrame,
    sleeps: pd.DataFrame,
    even_j_per_byte: float,
) -> dict[str, dict[str, Any]]:
    """The checks by name."""
    grams = days.pivot_table("g_per_1000_tokens", ["trace", "seed"], "policy")
    ordered = (grams["deta"] < grams["dat"]) & (grams["dat"] < grams["local"])
    saved = 1.0 - grams[HANDED] / grams[REFINED]
    by_setting = settings.pivot_table("g_per_1000_tokens", "setting", "policy")
    gains = 1.0 - by_setting[HANDED] / by_setting[REFINED]
    late = days[days["policy"] == "deta"]["late_fraction"]
    wifi = load_transport("wifi")
    low = wifi.range.low if wifi.range is not None else wifi.value
    return {
        "deta-saves": check(
            "DETA has fewer grams per 1,000 tokens than DAT, and DAT fewer than LOCAL, on every day of both traces",
            bool(ordered.all()),
            f"DETA over LOCAL {(grams['deta'] / grams['local']).min():.3f} to "
            f"{(grams['deta'] / grams['local']).max():.3f}, DAT {(grams['dat'] / grams['local']).min():.3f} to "
            f"{(grams['dat'] / grams['local']).max():.3f}",
            range_figure(
                "grams of DETA over LOCAL, all days",
                Kind.FACTOR,
                (grams["deta"] / grams["local"]),
                "lowest and highest day",
                at_most=1.0,
            ),
        ),
        "answers-in-time": check(
            f"under DETA at most {LATE:.0%} of answers come later than ten seconds after they would at home without "
            "waiting, on every day",
            bool((late <= LATE).all()),
            f"{late.min():.1%} to {late.max():.1%} late",
            range_figure(
                "answers that come late under DETA, all days",
                Kind.FRACTION,
                late,
                "lowest and highest day",
                at_most=LATE,
            ),
        ),
        "hand-over-between-alike": check(
            f"between nodes that are alike, reading here and writing there saves at least {NOTHING:.1%} of grams at "
            "Wi-Fi's price of a byte",
            bool((saved >= NOTHING).all()),
            f"{saved.min():z.4%} to {saved.max():z.4%} of DETA's grams; bytes for nothing: "
            f"{gains['bytes cost nothing']:z.4%}",
            range_figure(
                "grams that hand-over saves, all days",
                Kind.FRACTION,
                saved,
                "lowest and highest day",
                at_least=NOTHING,
            ),
        ),
        "hand-over-to-fast-readers": check(
            f"where every other node reads for a quarter of the joules, hand-over saves at least {NOTHING:.1%} of "
            "grams at Wi-Fi's price of a byte",
            bool(gains["fast readers"] >= NOTHING),
            f"Wi-Fi {gains['fast readers']:z.4%}, radio only {gains['fast readers, radio only']:z.4%}, "
            f"bytes for nothing {gains['fast readers, bytes cost nothing']:z.4%}",
            ClaimFigure(
                "grams that hand-over saves with fast readers",
                Kind.FRACTION,
                ours=float(gains["fast readers"]),
                at_least=NOTHING,
            ),
        ),
        "a-byte-is-cheap-enough": check(
            "a cache costs less to send at the low end of Wi-Fi's price than reading its prompt, where the other node "
            "reads it free of grams",
            even_j_per_byte >= low,
            f"break-even at {even_j_per_byte * 1e6:.3g} µJ a byte; Wi-Fi {low * 1e6:.3g} to "
            f"{(wifi.range.high if wifi.range is not None else wifi.value) * 1e6:.3g}, booked {wifi.value * 1e6:.3g}",
            ClaimFigure(
                "price of a byte up to which a hand-over pays, prompt of 1,024 tokens",
                ours=even_j_per_byte * 1e6,
                at_least=low * 1e6,
                unit="µJ",
            ),
        ),
        **_batching(batches),
        **_waking(sleeps),
    }


def range_figure(
    what: str,
    kind: Kind,
    values: pd.Series[float],
    over: str,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> ClaimFigure:
    """Mean of ``values``, the lowest and the highest of them."""
    return ClaimFigure(
        what,
        kind,
        ours=float(values.mean()),
        low=float(values.min()),
        high=float(values.max()),
        interval=over,
        at_most=at_most,
        at_least=at_least,
    )


def _batching(batches: pd.DataFrame) -> dict[str, dict[str, Any]]:
    keys = ["load", "link_bit_per_s", "largest", "longest_wait_s"]
    joules = batches.pivot_table("j_per_token", keys, "rule")
    ratio = joules[Release.AWARE] / joules[Release.ALONE]
    late = batches.pivot_table("answer_p95_s", keys, "rule")
    faster = late[Release.AWARE] / late[Release.BLIND]
    return {
        "batches-save-in-a-day": check(
            "link-aware batches take fewer joules a token than no batching, in every setting",
            bool((ratio < 1.0).all()),
            f"{ratio.min():.3f} to {ratio.max():.3f} of the joules, {len(ratio)} settings",
            range_figure(
                "joules a token, link-aware batches over none, all settings",
                Kind.FACTOR,
                ratio,
                "lowest and highest setting",
                at_most=1.0,
            ),
        ),
        "links-are-heeded": check(
            "batches that heed links answer sooner (95th percentile) than batches that wait for slow ones, in every "
            "setting",
            bool((faster <= 1.0).all()),
            f"{faster.min():.3f} to {faster.max():.3f} of the time",
            range_figure(
                "95th percentile of answers, link-aware over batches, all settings",
                Kind.FACTOR,
                faster,
                "lowest and highest setting",
                at_most=1.0,
            ),
        ),
    }


def _waking(sleeps: pd.DataFrame) -> dict[str, dict[str, Any]]:
    keys = ["gap_s", "idle_s", "early_quantile", "late_quantile"]
    grams = sleeps.pivot_table("g_per_1000_tokens", keys, "rule")
    wait = sleeps.pivot_table("mean_wait_s", keys, "rule")
    dearer = grams[Waking.PREDICTIVE] / grams[Waking.REACTIVE]
    shorter = wait[Waking.PREDICTIVE] / wait[Waking.REACTIVE]
    saves = grams[Waking.PREDICTIVE] / grams[Waking.NEVER_SLEEPS]
    return {
        "pre-wake-waits-less": check(
            "predictive wake-up lets requests wait less than reactive wake-up, in every setting",
            bool((shorter < 1.0).all()),
            f"{shorter.min():.3f} to {shorter.max():.3f} of the mean wait, for {dearer.min():.3f} to "
            f"{dearer.max():.3f} of the grams",
            range_figure(
                "mean wait, predictive over reactive, all settings",
                Kind.FACTOR,
                shorter,
                "lowest and highest setting",
                at_most=1.0,
            ),
        ),
        "pre-wake-saves": check(
            "predictive wake-up has fewer grams per 1,000 tokens than nodes that stay awake, in every setting",
            bool((saves < 1.0).all()),
            f"{saves.min():.3f} to {saves.max():.3f} of the grams",
            range_figure(
                "grams, predictive wake-up over awake, all settings",
                Kind.FACTOR,
                saves,
                "lowest and highest setting",
                at_most=1.0,
            ),
        ),
    }
