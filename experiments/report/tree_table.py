"""TREE (T1), its weighted form (T3) and EE by run, service, node and slot, from the booked tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from coordinator.accounting.tree import TokenUtility, Window, efficiency, weighted_tree
from experiments.errors import UsageError
from experiments.report import style, units
from experiments.report.measures import alpha_bits_per_token
from experiments.report.read import Run, Study
from experiments.report.serving import serving_table
from experiments.report.tables import Column, Table
from experiments.scenario import ServiceWorth, parse_scenario
from protos.messages import HOLDERS

COLUMNS = "part name bits tokens_out energy_j tree_bit_per_j weighted_tree_bit_per_j ee_bit_per_j".split()


def tree_rows(run: Run) -> pd.DataFrame:
    """One row for the run, each service, each node and each slot; empty without a booked alpha.

    Energy of the run and of a slot is all of the testbed's (coordinator, router, network included), of a node its
    own, of a service that of the application lines of the nodes that served it. Tokens are those delivered. A window
    without energy has no ratio.
    """
    alpha = alpha_bits_per_token(run)
    if alpha is None:
        return pd.DataFrame(columns=COLUMNS)
    worths = _worths(run)
    rows = [
        {"part": part, "name": name, **_ratios(delivered, energy_j, alpha, worths)}
        for part, name, delivered, energy_j in _windows(run)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _windows(run: Run) -> Iterator[tuple[str, str, dict[str, tuple[int, int]], float]]:
    """(part, name, (bits, tokens) by service, energy in J)."""
    lines = run.tables["lines"]
    table = serving_table(run)
    served = pd.DataFrame(columns=["slot", "node_id", "service", "bits", "tokens_out", "energy_j"])
    if table is not None:
        # A row in which nothing was answered names no service: its energy is nobody's in particular.
        served = table[table["service"].notna()]
    yield "run", "", _delivered(served), float(lines["energy_j"].sum())
    for service, rows in served.groupby("service", sort=True):
        yield "service", str(service), _delivered(rows), float(rows["energy_j"].sum())
    by_node, by_slot = _delivered_by(served, "node_id"), _delivered_by(served, "slot")
    own = lines[~lines["node_id"].isin(HOLDERS)]
    for node, energy_j in own.groupby("node_id", sort=True)["energy_j"].sum().items():
        yield "node", str(node), by_node.get(node, {}), float(energy_j)
    for slot, energy_j in lines.groupby("slot", sort=True)["energy_j"].sum().items():
        yield "slot", str(slot), by_slot.get(slot, {}), float(energy_j)


def _delivered(rows: pd.DataFrame) -> dict[str, tuple[int, int]]:
    sums = rows.groupby("service")[["bits", "tokens_out"]].sum()
    return {
        str(service): (int(bits), int(tokens))
        for service, bits, tokens in zip(sums.index, sums["bits"], sums["tokens_out"], strict=True)
    }


def _delivered_by(rows: pd.DataFrame, key: str) -> dict[Any, dict[str, tuple[int, int]]]:
    """(bits, tokens) by value of ``key``, then by service."""
    found: dict[Any, dict[str, tuple[int, int]]] = {}
    sums = rows.groupby([key, "service"])[["bits", "tokens_out"]].sum()
    for (value, service), bits, tokens in zip(sums.index, sums["bits"], sums["tokens_out"], strict=True):
        found.setdefault(value, {})[str(service)] = (int(bits), int(tokens))
    return found


def _ratios(
    delivered: Mapping[str, tuple[int, int]],
    energy_j: float,
    alpha: float,
    worths: Mapping[str, ServiceWorth] | None,
) -> dict[str, Any]:
    window = Window(
        sum(bits for bits, _ in delivered.values()), sum(tokens for _, tokens in delivered.values()), energy_j
    )
    found = efficiency(window, alpha)
    weighted = None
    if worths is not None:
        by_service = {service: worths.get(service, ServiceWorth()) for service in delivered}
        weighted = weighted_tree(
            {
                service: (worth.token_weight, delivered[service][1], _utility(worth, alpha))
                for service, worth in by_service.items()
            },
            {service: (worth.bit_weight, delivered[service][0]) for service, worth in by_service.items()},
            energy_j,
        )
    return {
        "bits": window.bits,
        "tokens_out": window.tokens,
        "energy_j": energy_j,
        "tree_bit_per_j": found.tree_bit_per_j,
        "weighted_tree_bit_per_j": weighted,
        "ee_bit_per_j": found.ee_bit_per_j,
    }


def _utility(worth: ServiceWorth, alpha: float) -> TokenUtility:
    own = worth.alpha_bits_per_token
    return TokenUtility(alpha if own is None else own, worth.saturation_tokens)


def _worths(run: Run) -> dict[str, ServiceWorth] | None:
    """As the run's scenario has them, {} where it names none; None where the folder's scenario cannot be read."""
    try:
        return dict(parse_scenario(run.scenario, "scenario.toml").tree.services)
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
    services = _worths(focus)
    reason = "(T3) is not given: the folder's scenario cannot be read." if services is None else ""
    terms = "; ".join(
        f"{name}: w = {worth.token_weight:g} for tokens, {worth.bit_weight:g} for bits, "
        + (
            "linear"
            if worth.saturation_tokens is None
            else f"saturating at {worth.saturation_tokens:g} tokens"
        )
        for name, worth in (services or {}).items()
    )
    return Table(
        "tree",
        f"TREE by run, service, node and slot: {style.policy_label(focus.policy)}, seed {focus.seed}",
        frame,
        (
            Column("part", "part", is_number=False),
            Column("name", "name", is_number=False),
            Column("bits", "bits", units.count),
            Column("tokens_out", "tokens", units.count),
            Column("energy_j", "energy", units.joules),
            Column("tree_bit_per_j", "TREE (T1)", units.bits_per_joule),
            Column("weighted_tree_bit_per_j", "weighted (T3)", units.bits_per_joule),
            Column("ee_bit_per_j", "EE", units.bits_per_joule),
        ),
        note=(
            "Energy of the run and of a slot: all of the testbed's; of a node: its own; of a service: its application "
            "lines. "
            + (
                reason
                or (f"(T3): {terms}." if terms else "(T3) without [tree.services] in the scenario is (T1).")
            )
            + " A saturating utility is worth less per token in a longer window, so that (T3) of the parts does not "
            "add up to that of the run."
        ),
        shown=shown,
    )
