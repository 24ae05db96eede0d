"""Postings of a virtual fleet's slot: sums over its nodes, by account. Pure integers.

Accounts are those of coordinator.ledger with ``nodes`` in place of a node; each node's part is in the columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from carbon_data.exact import Ints
from carbon_data.storage_columns import BalanceColumns
from coordinator.columns.lines import NodeLines
from coordinator.columns.trade import SettledColumns
from coordinator.ledger.entry import Posting, Unit, merged
from coordinator.slots.postings import line_postings
from protos.messages.columns import LineName

NODES = "nodes"


def opening_postings(battery_uj: Ints) -> tuple[Posting, ...]:
    """Content of all batteries when the fleet registered."""
    stored = _sum(battery_uj)
    return merged([_uj("battery", stored), _uj("opening", -stored)])


def slot_postings(
    balance: BalanceColumns,
    names: Iterable[LineName],
    lines_uj: Ints,
    lines: NodeLines,
    trade: SettledColumns,
    shared: Iterable[Mapping[str, Any]],
) -> tuple[Posting, ...]:
    """Everything that a slot books."""
    b = {name: _sum(column) for name, column in balance.items()}
    sent, received = _sum(trade.sent_uj), _sum(trade.received_uj)
    postings = [
        _uj("grid", -b["grid_uj"]),
        _uj("harvest", -b["harvest_uj"]),
        _uj("battery", b["battery_after_uj"] - b["battery_before_uj"]),
        _uj("curtailed", b["curtailed_uj"]),
        _uj("loss/charge", b["charge_loss_uj"]),
        _uj("loss/discharge", b["discharge_loss_uj"]),
        _uj("loss/self_discharge", b["self_discharge_uj"]),
        Posting("loss/transfers", Unit.MICROJOULES, sent - received),
    ]
    for place, (stage, component) in enumerate(names):
        energy, grams = _sum(lines_uj[:, place]), _sum(lines.pg[:, place])
        account = f"{NODES}/stage/{stage}/{component}"
        postings += [
            Posting(account, Unit.MICROJOULES, energy),
            Posting(account, Unit.PICOGRAMS, -grams),
            Posting("atmosphere", Unit.PICOGRAMS, grams),
        ]
    return merged(postings + line_postings(shared))


def _sum(column: Ints) -> int:
    """Exact: 64 bits may not hold the sum of many large amounts."""
    small = column.size * float(np.abs(column).max(initial=0)) < 2**62
    return int(column.sum()) if small else sum(column.tolist())


def _uj(account: str, amount: int) -> Posting:
    return Posting(f"{NODES}/{account}", Unit.MICROJOULES, amount)
