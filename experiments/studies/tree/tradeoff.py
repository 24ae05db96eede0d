"""Grams against TREE: DETA with joules priced (objective) or limited (constraint), on the same days.

Checked: pricing joules trades grams for TREE, and a floor on TREE is kept. No paper claims this. Cost: --quick about a
minute, --full about five. Command: ``detabed reproduce tree-tradeoff``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import NullLocator
from rich.console import Console

from coordinator.simulator.simulate import World
from coordinator.simulator.tradeoff import PRICES_G_PER_KWH, Delivered, TradeOff, optimal_point, tree_point
from edge_node.tasks.images import ANSWER_BITS
from edge_node.tasks.registry import configured_task, find_task
from experiments.progress import progress_bar
from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.report.claims.shown import own_checks
from experiments.report.figures.base import Drawing, new_figure
from experiments.report.figures.look import look
from experiments.report.study_page import Shown, render_study
from experiments.report.style import MUTED, policy_colour
from experiments.studies.fei.energy import board
from experiments.studies.fei.market import CAP_FRACTION, SLOTS, Setting, Work, fleet
from experiments.studies.written import write_study

NODES = 10
IMAGES, TEXTS = 64, 2
"""Requests of a batch: about the proportion of the demo's two services."""
PROMPT_TOKENS, ANSWER_TOKENS = 16, 8
"""Of a text, as in the demo."""
ALPHA_BITS_PER_TOKEN = 70_423.0
"""From the prices that the TREE paper quotes (methods.md section 5)."""
FLOORS = (0.996, 0.998, 1.0)
"""Shares of the best reachable TREE."""
SEEDS_QUICK, SEEDS_FULL = 3, 10
TOLERANCE_FRACTION = 1e-6
_BY_CONVEXITY = (
    "the optimum of grams + price x joules takes no more joules and no fewer grams at a higher price, and all work is "
    "done; measured is only that it moves"
)
OPTIMUM, FLOOR, DECIDED = "optimum", "optimum with a floor", "slot by slot"
"""Ways to a point: the day's optimum with joules priced, with a floor on TREE, and deta-tree as it decides a run."""


def reproduce_tradeoff(folder: Path, full: bool, console: Console | None = None) -> dict[str, Any]:
    """Days of ten nodes that serve images and short texts; returns ``checks``, ``tables``, ``figures``, ``page`` and
    ``run``."""
    seeds = SEEDS_FULL if full else SEEDS_QUICK
    work, delivered = _served_mix()
    rows: list[dict[str, Any]] = []

    def add(seed: int, way: str, point: TradeOff, floor: float | None = None) -> None:
        if point.unserved_batches:
            raise ValueError(
                f"{way} left {point.unserved_batches} batches undone on day {seed}: not comparable"
            )
        rows.append({"seed": seed, "way": way, "tree_floor_fraction": floor, **asdict(point)})

    with progress_bar(console) as progress:
        task = progress.add_task("solving", total=seeds * (2 * len(PRICES_G_PER_KWH) + len(FLOORS)))
        for seed in range(seeds):
            day = fleet(NODES, seed, work, Setting())
            for price in PRICES_G_PER_KWH:
                add(seed, OPTIMUM, optimal_point(day, delivered, price_g_per_kwh=price))
                progress.advance(task)
            for floor in FLOORS:
                add(seed, FLOOR, optimal_point(day, delivered, floor_fraction=floor), floor)
                progress.advance(task)
            for price in PRICES_G_PER_KWH:
                add(
                    seed,
                    DECIDED,
                    tree_point(World(day), delivered, seed=seed, horizon=1, price_g_per_kwh=price),
                )
                progress.advance(task)
    table = pd.DataFrame(rows)
    report = {"checks": judge(table), "seeds": seeds}
    drawing = curve(table)
    return write_study(
        folder, report, {"tradeoff": table}, [drawing], lambda shown: _page(report, table, *shown[0])
    )


def _served_mix() -> tuple[Work, Delivered]:
    """A batch of images as the MLP classifies them on the board, with texts that the transformer continues, and what it
    delivers: bits of both, tokens of the texts."""
    texts = configured_task("tiny-gpt", PROMPT_TOKENS, ANSWER_TOKENS)
    made, flop = board(), IMAGES * find_task("mnist-mlp").serve_flop() + TEXTS * texts.serve_flop()
    seconds = flop / made.effective_flop_per_s
    pixels = 28 * 28
    text_bits = 8 * (PROMPT_TOKENS - 1 + ANSWER_TOKENS)
    work = Work(
        seconds_per_batch=seconds,
        joules_per_batch=seconds * (made.busy_w - made.static_w),
        bytes_per_batch=IMAGES * pixels + TEXTS * PROMPT_TOKENS,
        batches_per_training=1.0,
    )
    return work, Delivered(
        tokens_in_per_batch=TEXTS * PROMPT_TOKENS,
        tokens_out_per_batch=TEXTS * ANSWER_TOKENS,
        bits_per_batch=IMAGES * (8 * pixels + ANSWER_BITS) + TEXTS * text_bits,
        alpha_bits_per_token=ALPHA_BITS_PER_TOKEN,
    )


def judge(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Checks over every seed's day: met only where all days agree."""
    priced, floored, decided = (table[table["way"] == way] for way in (OPTIMUM, FLOOR, DECIDED))
    days = [own.sort_values("price_g_per_kwh") for _, own in priced.groupby("seed")]
    trees = [own["tree_bit_per_j"].to_numpy(dtype=float) for own in days]
    grams = [own["emissions_g"].to_numpy(dtype=float) for own in days]
    gain = np.array([tree[-1] / tree[0] - 1.0 for tree in trees])
    price = np.array([gram[-1] / gram[0] - 1.0 for gram in grams])
    best = priced.groupby("seed")["tree_bit_per_j"].max()
    kept = floored["tree_bit_per_j"] / floored["seed"].map(best) / floored["tree_floor_fraction"]
    ends = [own.sort_values("price_g_per_kwh") for _, own in decided.groupby("seed")]
    online = np.array([end["tree_bit_per_j"].iloc[-1] / end["tree_bit_per_j"].iloc[0] - 1.0 for end in ends])
    dearer = np.array([end["emissions_g"].iloc[-1] / end["emissions_g"].iloc[0] - 1.0 for end in ends])
    return {
        "tree-rises": _check(
            "TREE never falls as a joule becomes dearer, and rises over all, on every day",
            all((np.diff(tree) >= -TOLERANCE_FRACTION * tree[:-1]).all() for tree in trees)
            and bool((gain > TOLERANCE_FRACTION).all()),
            f"from DETA to the dearest joule {gain.min():+z.1%} to {gain.max():+z.1%}",
            _change("change of TREE from DETA to the dearest joule, mean over days", gain),
            _BY_CONVEXITY,
        ),
        "grams-rise": _check(
            "grams never fall as a joule becomes dearer, and rise over all, on every day",
            all((np.diff(gram) >= -TOLERANCE_FRACTION * gram[:-1]).all() for gram in grams)
            and bool((price > TOLERANCE_FRACTION).all()),
            f"from DETA to the dearest joule {price.min():+z.1%} to {price.max():+z.1%}",
            _change("change of grams from DETA to the dearest joule, mean over days", price),
            _BY_CONVEXITY,
        ),
        "floor-kept": _check(
            "a floor on TREE is kept, on every day and at every floor",
            bool((kept >= 1.0 - TOLERANCE_FRACTION).all()),
            f"least TREE over its floor {kept.min():.6f}",
            ClaimFigure(
                "TREE over its floor, least of all days and floors",
                Kind.FACTOR,
                ours=float(kept.min()),
                at_least=1.0,
            ),
            "the floor is a row of the program that is solved",
        ),
        "slot-by-slot": _check(
            "deciding slot by slot, the dearest joule gives more TREE and more grams than DETA, on every day",
            bool((online > 0).all() and (dearer > 0).all()),
            f"TREE {online.min():+z.1%} to {online.max():+z.1%}, grams {dearer.min():+z.1%} to {dearer.max():+z.1%}",
            _change("change of TREE from DETA to the dearest joule, slot by slot, mean over days", online),
        ),
    }


def _change(what: str, values: np.ndarray) -> ClaimFigure:
    """A relative change by day, which must be above zero."""
    return ClaimFigure(
        what,
        Kind.FRACTION,
        ours=float(values.mean()),
        low=float(values.min()),
        high=float(values.max()),
        interval=f"lowest to highest of {len(values)} days",
        at_least=0.0,
    )


def _check(
    statement: str, met: bool, ours: str, figure: ClaimFigure, by_construction: str = ""
) -> dict[str, Any]:
    """``by_construction``: why a check that is met could not be otherwise; one that is not met refutes it."""
    said: dict[str, Any] = {
        "statement": statement,
        "verdict": "met" if met else "not met",
        "ours": ours,
        "figure": figure.as_dict(),
    }
    return said | ({"by_construction": by_construction} if met and by_construction else {})


def against_deta(table: pd.DataFrame) -> pd.DataFrame:
    """Percent by which grams, TREE and EE of each point differ from DETA's of the same day and way.

    A floor is compared with the optimum without one.
    """
    names = ["emissions_g", "tree_bit_per_j", "ee_bit_per_j"]
    compared = table.assign(against=table["way"].replace(FLOOR, OPTIMUM))
    free = table[table["price_g_per_kwh"] == 0].drop_duplicates(["seed", "way"])
    merged = compared.merge(
        free[["seed", "way", *names]],
        left_on=["seed", "against"],
        right_on=["seed", "way"],
        suffixes=("", "_free"),
    )
    for name in names:
        merged[f"{name}_percent"] = 100.0 * (merged[name] / merged[f"{name}_free"] - 1.0)
    return merged.drop(columns=["against", "way_free", *(f"{name}_free" for name in names)])


def _price(value: float, _position: int | None = None) -> str:
    return f"{value:,.0f}"


def curve(table: pd.DataFrame) -> Drawing:
    """Grams against TREE, both against DETA: a thin line a day, means with prices, floors as diamonds; EE beside it."""
    points = against_deta(table)
    with look():
        figure = new_figure(4.2)
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        grams, tree, ee = (f"{name}_percent" for name in ("emissions_g", "tree_bit_per_j", "ee_bit_per_j"))
        priced = points[points["way"] == OPTIMUM]
        for _, own in priced.groupby("seed"):
            day = own.sort_values("price_g_per_kwh")
            left.plot(day[grams], day[tree], color=MUTED, lw=0.7, alpha=0.7)
        ways = (
            (OPTIMUM, "o-", "deta", "optimum of the day, mean"),
            (DECIDED, "s:", "det", "slot by slot, mean"),
        )
        for way, style, colour, label in ways:
            mean = points[points["way"] == way].groupby("price_g_per_kwh")[[grams, tree]].mean()
            left.plot(mean[grams], mean[tree], style, color=policy_colour(colour), ms=4.5, label=label)
        mean = priced.groupby("price_g_per_kwh")[[grams, tree, ee]].mean()
        for value in mean.index[(mean.index >= 100.0) & (mean.index <= 1000.0)]:
            left.annotate(
                f"{value:,.0f} g/kWh",
                tuple(mean.loc[value][[grams, tree]]),
                xytext=(8, -3),
                textcoords="offset points",
                fontsize=8,
            )
        limits = points[points["way"] == FLOOR].groupby("tree_floor_fraction")[[grams, tree]].mean()
        floors = ", ".join(f"{floor:.1%}" for floor in limits.index)
        left.plot(
            limits[grams],
            limits[tree],
            "D",
            color=policy_colour("dat"),
            label=f"floors: {floors} of the best",
        )
        left.set_xlabel("grams against DETA, %")
        left.set_ylabel("TREE against DETA, %")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=3)
        for column, label, style in ((tree, "TREE", "-"), (ee, "EE", "--"), (grams, "grams", ":")):
            colour = MUTED if label == "grams" else policy_colour("deta" if label == "TREE" else "grid")
            right.plot(mean.index, mean[column], style, label=label, color=colour)
        right.set_xscale("symlog", linthresh=10.0)
        right.set_xticks([0, 10, 100, 1000, 10_000])
        right.xaxis.set_major_formatter(_price)
        right.xaxis.set_minor_locator(NullLocator())
        right.set_xlabel("price of a joule, g/kWh")
        right.set_ylabel("change against DETA, %")
        right.legend(loc="upper left")
    last = mean.iloc[-1]
    return Drawing(
        name="tradeoff",
        title="The trade-off between grams and TREE",
        caption=(
            "Left: a thin line is one day's optimum with perfect foresight, from DETA (the origin) to the dearest "
            "joule; points are means over days. Diamonds: the cleanest plan that keeps TREE at a share of the best. "
            "Squares: the policy as it decides a run, one slot at a time, against DETA deciding likewise. Right: the "
            "optimum; TREE and EE change alike: all work is done at every price, so bits and tokens are given."
        ),
        alt=f"At the dearest joule TREE changes by {last[tree]:+z.2f} %, grams by {last[grams]:+z.2f} % against DETA",
        figure=figure,
        data=points,
    )


def _page(report: dict[str, Any], table: pd.DataFrame, drawing: Drawing, svg: str) -> str:
    named = table.assign(price_g_per_kwh=table["price_g_per_kwh"].where(table["way"] != FLOOR))
    keys = ["way", "price_g_per_kwh", "tree_floor_fraction"]
    mean = named.groupby(keys, dropna=False, sort=False).mean(numeric_only=True).reset_index()
    rows = [
        [
            row["way"],
            "" if np.isnan(row["price_g_per_kwh"]) else f"{row['price_g_per_kwh']:g}",
            "" if np.isnan(row["tree_floor_fraction"]) else f"{row['tree_floor_fraction']:.1%}",
            f"{row['emissions_g']:.2f}",
            f"{row['energy_j'] / 1e3:.1f}",
            f"{row['tree_bit_per_j'] / 1e6:.4f}",
            f"{row['ee_bit_per_j'] / 1e6:.4f}",
            f"{row['offloaded_batches']:,.0f}",
        ]
        for row in mean.to_dict("records")
    ]
    columns = ["way", "price g/kWh", "floor", "g CO2e", "kJ", "TREE Mbit/J", "EE Mbit/J", "batches moved"]
    return render_study(
        "experiments.studies.tree",
        f"Ten boards in ten US zones serve images and texts for a day of {SLOTS} slots; {report['seeds']} paired days. "
        "DETA's objective, grams, gets a price on every joule used, or a floor on TREE beside it.",
        [(drawing, svg)],
        [("Means over days", Shown(columns, rows))],
        template="tradeoff.html.j2",
        claims=own_checks(report["checks"]),
        assumptions=[
            f"Batches of {IMAGES} images through the MLP and {TEXTS} texts of {PROMPT_TOKENS} tokens through the small "
            f"transformer, which generates {ANSWER_TOKENS} for each; alpha {ALPHA_BITS_PER_TOKEN:,.0f} bit per token, "
            "input or generated.",
            "Days, zones, panels, batteries and losses as in the reproduction of Fig. 5 of the DETA paper; "
            f"both caps {CAP_FRACTION:.0%}; no sleep.",
            "Joules are those used by nodes and by the network for moved batches, whatever their source; losses of "
            "batteries and transfers are in the grams, not in TREE.",
            "The optimum knows the whole day; deciding slot by slot knows the slot alone.",
        ],
    )
