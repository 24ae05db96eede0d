"""TREE (T1), its weighted form (T3) and EE by run, service, node and slot, from the booked tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from coordinator.accounting.tree import TokenUtility, Window, efficiency, weighted_tree
from experiments.errors import UsageError
from experiments.report import style, units
from experiments.report.measures import alpha_bits_per_token
from experiments.report.node_names import node_names
from experiments.report.read import Run, Study
from experiments.report.serving import serving_table
from experiments.report.tables import Column, Table
from experiments.run_folder.files import SCENARIO
from experiments.scenario.model import parse_scenario
from experiments.scenario.system import ServiceWorth
from protos.messages.terms import HOLDERS

COLUMNS = (
    "part name divides_by requests bits tokens_in tokens_out energy_j tree_bit_per_j tree_generated_bit_per_j "
    "weighted_tree_bit_per_j ee_bit_per_j"
).split()
COUNTS = ["requests", "bits", "tokens_in", "tokens_out"]
DIVIDES_BY = {
    "run": "all joules of the testbed",
    "service": "its nodes' application lines, network and devices of its users",
    "serving": "the nodes' application lines, network and devices of their users",
    "node": "all joules of the node, network and devices of its users",
    "slot": "all joules of the testbed in the slot",
}
"""What a row's ratios divide by: one figure has one name."""

Delivered = Mapping[str, Mapping[str, int]]
"""COUNTS by service."""


def tree_rows(run: Run) -> pd.DataFrame:
    """One row for the run, for serving, each service, each node and each slot; empty without a booked alpha.

    ``divides_by`` says which joules a row has (DIVIDES_BY): coordinator, router, network and devices are in those of
    the run and of a slot. A window without energy has no ratio.
    """
    alpha = alpha_bits_per_token(run)
    if alpha is None:
        return pd.DataFrame(columns=COLUMNS)
    worths = _worths(run)
    rows = [
        {
            "part": part,
            "name": name,
            "divides_by": DIVIDES_BY[part],
            **_ratios(delivered, energy_j, alpha, worths),
        }
        for part, name, delivered, energy_j in _windows(run)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _windows(run: Run) -> Iterator[tuple[str, str, Delivered, float]]:
    """(part, name, what was delivered, energy in J)."""
    lines = run.tables["lines"]
    table = serving_table(run)
    every = (
        pd.DataFrame(columns=["slot", "node_id", "service", *COUNTS, "energy_j"]) if table is None else table
    )
    # A row without answers names no service: its energy is not attributed to one.
    served = every[every["service"].notna()]
    yield "run", "", _delivered(served), float(lines["energy_j"].sum())
    if table is not None:
        yield "serving", "", _delivered(served), float(every["energy_j"].sum())
    for service, rows in served.groupby("service", sort=True):
        yield "service", str(service), _delivered(rows), float(rows["energy_j"].sum())
    by_node, by_slot = _delivered_by(served, "node_id"), _delivered_by(served, "slot")
    own = lines[~lines["node_id"].isin(HOLDERS)]
    nodes = run.tables["nodes"]
    carried_j = (
        dict(zip(nodes["node_id"], nodes["carried_j"].astype(float), strict=True))
        if "carried_j" in nodes
        else {}
    )
    for node, energy_j in own.groupby("node_id", sort=True)["energy_j"].sum().items():
        yield "node", str(node), by_node.get(node, {}), float(energy_j) + carried_j.get(str(node), 0.0)
    for slot, energy_j in lines.groupby("slot", sort=True)["energy_j"].sum().items():
        yield "slot", str(slot), by_slot.get(slot, {}), float(energy_j)


def _delivered_by(rows: pd.DataFrame, column: str) -> dict[Any, Delivered]:
    """What was delivered for each value of ``column``."""
    sums = rows.groupby([column, "service"])[COUNTS].sum()
    found: dict[Any, dict[str, dict[str, int]]] = {}
    for (value, service), counts in zip(sums.index, sums.to_numpy(), strict=True):
        found.setdefault(value, {})[str(service)] = dict(zip(COUNTS, map(int, counts), strict=True))
    return dict(found)


def _delivered(rows: pd.DataFrame) -> Delivered:
    sums = rows.groupby("service")[COUNTS].sum()
    return {str(name): {count: int(row[count]) for count in COUNTS} for name, row in sums.iterrows()}


def _ratios(
    delivered: Delivered,
    energy_j: float,
    alpha: float,
    worths: Mapping[str, ServiceWorth] | None,
) -> dict[str, Any]:
    sums = {name: sum(counts[name] for counts in delivered.values()) for name in COUNTS}
    found = efficiency(Window(sums["bits"], sums["tokens_in"], sums["tokens_out"], energy_j), alpha)
    return {
        **sums,
        "energy_j": energy_j,
        "tree_bit_per_j": found.tree_bit_per_j,
        "tree_generated_bit_per_j": found.tree_generated_bit_per_j,
        "weighted_tree_bit_per_j": None if worths is None else _weighted(delivered, energy_j, alpha, worths),
        "ee_bit_per_j": found.ee_bit_per_j,
    }


def _weighted(
    delivered: Delivered, energy_j: float, alpha: float, worths: Mapping[str, ServiceWorth]
) -> float | None:
    """(T3). An answer that the scenario gives a worth of its own (a class has no tokens) adds it to the bits."""
    tokens, bits = {}, {}
    for service, counts in delivered.items():
        worth = worths.get(service, ServiceWorth())
        tokens[service] = (
            worth.token_weight,
            counts["tokens_in"] + counts["tokens_out"],
            _utility(worth, alpha),
        )
        bits[service] = (worth.bit_weight, counts["bits"])
        bits[f"{service}: answers"] = (worth.answer_bits, counts["requests"])
    return weighted_tree(tokens, bits, energy_j)


def _utility(worth: ServiceWorth, alpha: float) -> TokenUtility:
    own = worth.alpha_bits_per_token
    return TokenUtility(alpha if own is None else own, worth.saturation_tokens)


def _worths(run: Run) -> dict[str, ServiceWorth] | None:
    """As the run's scenario has them, {} where it names none; None where the folder's scenario cannot be read."""
    try:
        return dict(parse_scenario(run.scenario, SCENARIO).tree.services)
    except UsageError:
        return None


def tree_table(study: Study) -> Table | None:
    """Of the policy in focus, first seed; the CSV has every run. None where no run booked an alpha."""
    frames = [
        tree_rows(run).assign(policy=run.policy, seed=run.seed)[["policy", "seed", *COLUMNS]] for run in study
    ]
    frame = pd.concat([each for each in frames if not each.empty], ignore_index=True) if frames else None
    if frame is None or frame.empty:
        return None
    focus = next(run for run in study if run.policy == study.focus)
    shown = frame[(frame["policy"] == focus.policy) & (frame["seed"] == focus.seed)]
    names = node_names(focus.tables["nodes"])
    shown = shown.assign(
        name=[
            names.get(name, name) if part == "node" else name
            for part, name in zip(shown["part"], shown["name"], strict=True)
        ]
    )
    services = _worths(focus)
    reason = "(T3) is not given: the folder's scenario cannot be read." if services is None else ""
    terms = "; ".join(
        f"{name}: w = {worth.token_weight:g} for tokens, {worth.bit_weight:g} for bits, "
        + (
            "linear"
            if worth.saturation_tokens is None
            else f"saturating at {worth.saturation_tokens:g} tokens"
        )
        + (f", {worth.answer_bits:g} bit an answer" if worth.answer_bits else "")
        for name, worth in (services or {}).items()
    )
    generated = (Column("tree_generated_bit_per_j", "generated tokens only", units.bits_per_joule),)
    return Table(
        "tree",
        f"TREE by run, service, node and slot: {style.policy_label(focus.policy)}, seed {focus.seed}",
        frame,
        (
            Column("part", "part", is_number=False),
            Column("name", "name", is_number=False),
            Column("divides_by", "divides by", is_number=False),
            Column("bits", "bits", units.count),
            Column("tokens_in", "tokens in", units.count),
            Column("tokens_out", "tokens out", units.count),
            Column("energy_j", "energy", units.joules),
            Column("tree_bit_per_j", "TREE (T1)", units.bits_per_joule),
            *(generated if frame["tokens_out"].any() else ()),
            Column("weighted_tree_bit_per_j", "weighted (T3)", units.bits_per_joule),
            Column("ee_bit_per_j", "EE", units.bits_per_joule),
        ),
        note=(
            "(T1) counts input and generated tokens, of services that generate. "
            + (
                reason
                or (f"(T3): {terms}." if terms else "(T3) without [tree.services] in the scenario is (T1).")
            )
            + " A saturating utility is worth less per token in a longer window, so that (T3) of the parts does not "
            "add up to that of the run."
        ),
        shown=shown,
    )
