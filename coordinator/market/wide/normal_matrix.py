"""A theta A' of one block: every equation of hub.py against every other, for one theta.

An entry of rows r and s is the sum over variables of a_r a_s theta. Equations as in block.py: (D1) demand, (D2) bus,
(D3) store, (D7) time, (D4) done, and the two hubs, energy and work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.market.wide.block import Block
from coordinator.market.wide.named_rows import BUS, DEMAND, ENERGY, STORE, TIME, WORK, NamedRows


@dataclass(slots=True)
class NormalMatrix:
    """``rows``: entries within a slot. The others couple slots."""

    rows: NamedRows
    next_store: Floats
    """(T-1, n) entries of the store's rows of two slots in turn."""
    next_done: Floats
    """(F, T-1, n) likewise of (D4), where work may wait."""


def normal_matrix(block: Block, theta: Floats) -> NormalMatrix:
    """A theta A' of ``block``."""
    rows = NamedRows(block)
    th = {name: block.view(theta, name) for name in block.at}
    _time_and_demand(rows, block, th)
    _bus(rows, block, th)
    return NormalMatrix(rows, _store(rows, block, th), _work(rows, block, th))


def _time_and_demand(rows: NamedRows, block: Block, th: dict[str, Floats]) -> None:
    """(D7): tau (own + guests); (D1): e own + (e + rx) guests + tx sent, from grid or bus; the hub of work."""
    p = block.program
    home = th["own"].sum(axis=0) if block.flows != 1 else th["own"][0]
    sent = th["offload"].sum(axis=0) if block.leaving != 1 else th["offload"][0]
    guest = th["guest"]
    e, tau, tx, ge = p.joules_per_batch, p.seconds_per_batch, p.owner_j, block.guest_load
    e_home, tau_guest, ge_guest, tx_sent = e * home, tau * guest, ge * guest, tx * sent
    rows.put(TIME, TIME, tau * (tau * home + tau_guest) + th["idle"])
    rows.put(TIME, DEMAND, -tau * (e_home + ge_guest))
    rows.put(TIME, WORK, -tau_guest)
    rows.put(DEMAND, DEMAND, th["grid"] + th["green"] + e * e_home + ge * ge_guest + tx * tx_sent)
    rows.put(DEMAND, BUS, -th["green"])
    rows.put(DEMAND, WORK, ge_guest - tx_sent)
    rows.put(WORK, WORK, guest + sent)


def _bus(rows: NamedRows, block: Block, th: dict[str, Floats]) -> None:
    """(D2) and the hub of energy: exports leave with their efficiency, imports arrive with theirs."""
    into, out = block.program.import_efficiency, block.program.export_efficiency
    in_theta, out_theta = into * th["import_"], out * th["export"]
    flows = th["green"] + th["charge"] + th["discharge"] + th["curtailed"] + th["export"]
    rows.put(BUS, BUS, flows + into * in_theta)
    rows.put(BUS, ENERGY, -out_theta - in_theta)
    rows.put(ENERGY, ENERGY, out * out_theta + th["import_"])


def _store(rows: NamedRows, block: Block, th: dict[str, Floats]) -> Floats:
    """(D3): eta_c bp - bm / eta_d, and what a slot leaves to the next. Returns the entries between slots."""
    p, stored = block.program, th["stored"]
    gain, cost = p.charge_efficiency, 1.0 / p.discharge_efficiency
    charged, drawn = gain * th["charge"], cost * th["discharge"]
    diagonal = gain * charged + cost * drawn + stored
    diagonal[1:] += p.keep_fraction**2 * stored[:-1]
    diagonal[-1] += th["missing"].sum(axis=0)
    rows.put(BUS, STORE, charged + drawn)
    rows.put(STORE, STORE, diagonal)
    next_store: Floats = -p.keep_fraction * stored[:-1]
    return next_store


def _work(rows: NamedRows, block: Block, th: dict[str, Floats]) -> Floats:
    """(D4) of each flow: own, sent and unserved, and what waits. Returns the entries between slots."""
    p = block.program
    e, tau, tx = p.joules_per_batch, p.seconds_per_batch, p.owner_j
    for f in range(block.flows):
        done, own = ("done", f), th["own"][f]
        diagonal, drawn = own + th["unserved"][f], -e * own
        if f < block.leaving:
            away = th["offload"][f]
            diagonal += away
            drawn -= tx * away
            rows.put(done, WORK, away.copy())
        if block.waits:
            diagonal += th["waiting"][f]
            diagonal[1:] += th["waiting"][f, :-1]
        rows.put(done, done, diagonal)
        rows.put(done, TIME, tau * own)
        rows.put(done, DEMAND, drawn)
    return -th["waiting"][:, :-1] if block.waits else np.zeros((0, block.slots - 1, block.nodes))
