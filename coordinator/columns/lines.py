"""Energy lines of a slot by column: grid energy and grams of the nodes' lines, and of the network's by move. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from carbon_data.exact import Floats, Ints, rounded_ratios, spread, to_micro
from carbon_data.types import Provenance
from coordinator.accounting.lifecycle import AttributedLine, emitted_pg
from coordinator.slots.lines import Row, row
from protos.messages.columns import MoveColumns
from protos.messages.terms import Component, Holder, Stage


@dataclass(frozen=True, slots=True)
class NodeLines:
    """(N, L) grid energy and grams of the nodes' lines."""

    grid_uj: Ints
    pg: Ints


@dataclass(frozen=True, slots=True)
class NetworkLines:
    """Energy and grams in the network: (M,) of every move, or (N,) of every node's model."""

    energy_uj: Ints
    pg: Ints


def grams_pg(grid_uj: Ints, intensity_g_per_kwh: Floats) -> Ints:
    """(L1) of every amount, as accounting.lifecycle.operational_pg."""
    levels, place = np.unique(intensity_g_per_kwh, return_inverse=True)
    return rounded_ratios(grid_uj, [_pg_of_one_uj(level) for level in levels.tolist()], place)


@lru_cache(maxsize=100_000)
def _pg_of_one_uj(intensity_g_per_kwh: float) -> Fraction:
    """A day of a large fleet asks for the same few thousand intensities again and again."""
    return emitted_pg(1, intensity_g_per_kwh)


def node_lines(lines_uj: Ints, grid_uj: Ints, nodes_pg: Ints) -> NodeLines:
    """(L1), (L2): accounting.lifecycle.attribute for every node. ``nodes_pg``: ``grams_pg`` of ``grid_uj``."""
    return NodeLines(spread(grid_uj, lines_uj), spread(nodes_pg, lines_uj))


def network_lines(
    moves: MoveColumns, payload_bytes: Ints, intensity_g_per_kwh: Floats, net_j_per_byte: float
) -> NetworkLines:
    """Energy of moved batches at the mean of both ends' intensities, (D0)."""
    energy_uj = to_micro(payload_bytes * np.float64(net_j_per_byte))
    middle = (intensity_g_per_kwh[moves.owner] + intensity_g_per_kwh[moves.executor]) / 2
    return NetworkLines(energy_uj, grams_pg(energy_uj, middle))


def model_lines(model_bytes: Ints, intensity_g_per_kwh: Floats, net_j_per_byte: float) -> NetworkLines:
    """Energy of the model parameters that each node received and sent, as slots.lines.model_line."""
    energy_uj = to_micro(model_bytes * np.float64(net_j_per_byte))
    return NetworkLines(energy_uj, grams_pg(energy_uj, intensity_g_per_kwh))


def network_rows(
    moves: MoveColumns,
    lines: NetworkLines,
    zones: Sequence[str],
    stage: Stage,
    models: NetworkLines | None = None,
) -> list[Row]:
    """The network's lines added up by pair of zones, as documents hold lines. ``models``: of the nodes' models, each in
    its node's zone; None where nothing is learned."""
    names = list(dict.fromkeys(zones))
    number = {name: place for place, name in enumerate(names)}
    zone = np.array([number[name] for name in zones], dtype=np.int64)
    pair, energies, emissions = (
        zone[moves.owner] * len(names) + zone[moves.executor],
        lines.energy_uj,
        lines.pg,
    )
    if models is not None:
        pair = np.concatenate([pair, zone * len(names) + zone])
        energies = np.concatenate([energies, models.energy_uj])
        emissions = np.concatenate([emissions, models.pg])
    booked = energies > 0
    found, place = np.unique(pair[booked], return_inverse=True)
    energy_uj, pg = np.zeros(len(found), dtype=np.int64), np.zeros(len(found), dtype=np.int64)
    np.add.at(energy_uj, place, energies[booked])
    np.add.at(pg, place, emissions[booked])
    rows = []
    for key, energy, grams in zip(found.tolist(), energy_uj.tolist(), pg.tolist(), strict=True):
        one, other = names[key // len(names)], names[key % len(names)]
        where = one if one == other else f"{one}+{other}"
        line = AttributedLine(stage, Component.NETWORK, energy, energy, grams, str(Provenance.MODELLED))
        rows.append(row(Holder.NETWORK, where, line))
    return rows
