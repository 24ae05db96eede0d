"""Progress and totals of a run so far, from its books, for the runner and the command line. Pure."""

from __future__ import annotations

from carbon_data.units import from_micro
from coordinator.accounting.tree import Window, efficiency
from coordinator.ledger.entry import Unit
from coordinator.slots.books import Books
from coordinator.slots.protocol import RequestError
from coordinator.slots.state import Phase
from protos.messages.runner import Report, ReportLine, ReportQuery
from protos.messages.terms import Component, Stage


def node_report(books: Books, node_id: str = "") -> tuple[ReportLine, ...]:
    """Energy and emissions by node, stage and component; ``node_id`` empty: all, shared lines included."""
    energy: dict[tuple[str, str, str], int] = {}
    grams: dict[tuple[str, str, str], int] = {}
    for (account, unit), amount in books.balances.items():
        holder, found, rest = account.partition("/stage/")
        if not found:
            continue
        stage, component = rest.split("/")
        name = holder.removeprefix("node/")
        if node_id and name != node_id:
            continue
        if unit is Unit.MICROJOULES:
            energy[name, stage, component] = amount
        else:
            grams[name, stage, component] = -amount
    return tuple(
        ReportLine(name, Stage(stage), Component(component), amount, grams.get((name, stage, component), 0))
        for (name, stage, component), amount in sorted(energy.items())
    )


def run_labels(books: Books) -> dict[str, str]:
    """Facts about the run that are no energy: policy, fallbacks, alarms, gaps, TREE and EE of the testbed."""
    energy_uj = sum(line.energy_uj for line in node_report(books))
    alpha = books.config.tree_alpha_bits_per_token
    told = books.delivered
    window = Window(told["bits"], told["tokens_in"], told["tokens_out"], from_micro(energy_uj))
    labels = {
        "policy": books.config.policy,
        "epoch": str(books.epoch),
        "slots": str(sum(slot.phase is Phase.ENDED for slot in books.slots.values())),
        "fallback_slots": str(books.fallbacks),
        "alarms": str(books.alarms),
        "unmetered_node_slots": str(books.gaps),
        "tree_alpha_bits_per_token": repr(alpha),
    }
    ratios = efficiency(window, alpha).of("testbed")
    return labels | {name: repr(value) for name, value in ratios.items() if value is not None}


def report(books: Books, query: ReportQuery) -> Report:
    """Totals of the run so far, of all nodes or of one. Raises RequestError for a node that is not of the run."""
    config = books.config
    if query.node_id and query.node_id not in config.node_ids:
        raise RequestError("unknown_node", f"no node {query.node_id}; nodes are {list(config.node_ids)}")
    return Report(
        run_id=config.run_id,
        lines=node_report(books, query.node_id),
        **books.delivered,
        labels=run_labels(books),
    )
