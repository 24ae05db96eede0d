"""The books of a run: an append-only, double-entry, hash-chained journal in one SQLite file.

An *entry* is a document (canonical JSON: a decision, a reading, a gap ...) with or without *postings*; the
postings of an entry sum to zero in each unit, so nothing can appear or vanish. Energies are integer
microjoules (``uJ``), emissions integer picograms CO2e (``pg``). An entry has a key that counts once: the
same key with the same content is a repeat, with other content an alarm; nothing is ever overwritten, and
triggers forbid UPDATE and DELETE.

Chart of accounts, unit ``uJ`` (positive: energy arrives in the account)::

    node/<id>/grid                      source: taken from the grid (<= 0)
    node/<id>/harvest                   source: harvested (<= 0)
    node/<id>/battery                   store: its balance is the energy stored now (>= 0)
    node/<id>/opening                   source: what was stored when the node first came
    node/<id>/adjustment                what a battery gained or lost in an unmetered gap; zero in a whole run
    node/<id>/drift                     what a battery's gauge showed beyond its flows; zero without a gauge
    node/<id>/curtailed                 sink: harvested, not usable
    node/<id>/loss/charge|discharge|self_discharge
    node/<id>/stage/<stage>/<component> sink: what a life-cycle stage used, by physical component
    transfer/<donor>-><recipient>       in passing: +sent by the donor, -sent for the recipient; zero
                                        after a slot
    loss/transfer/<donor>-><recipient>  sink: what the transfer lost
    network/grid, network/stage/<stage>/network              bytes moved between nodes and to the aggregator
    coordinator/grid, coordinator/stage/<stage>/coordinator
    router/grid, router/stage/<stage>/router

A virtual fleet's nodes are rows: a slot is one entry with a block of columns, one value a node, and its postings are
sums over the nodes, in accounts ``nodes/...`` in place of ``node/<id>/...`` (``loss/transfers``: of all transfers).

In unit ``pg``: ``atmosphere`` takes (positive) what the ``.../stage/<stage>/<component>`` accounts owe
(negative).
"""

from coordinator.ledger.entry import Entry, Kind, LedgerError, Posting, Unit, canonical_json
from coordinator.ledger.rows import Row, read_rows, write_rows
from coordinator.ledger.store import (
    KeyConflictError,
    Ledger,
    LedgerEmptyError,
    LedgerLockedError,
    StoredEntry,
    head_of,
    read_entries,
)
from coordinator.ledger.verify import Anchor, Finding, VerifyReport, verify

__all__ = [
    "Anchor",
    "Entry",
    "Finding",
    "KeyConflictError",
    "Kind",
    "Ledger",
    "LedgerEmptyError",
    "LedgerError",
    "LedgerLockedError",
    "Posting",
    "Row",
    "StoredEntry",
    "Unit",
    "VerifyReport",
    "canonical_json",
    "head_of",
    "read_entries",
    "read_rows",
    "verify",
    "write_rows",
]
