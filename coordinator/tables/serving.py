"""Table ``serving``: what every service of a node answered in a slot, and at what cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from carbon_data.units import from_micro, from_pico
from coordinator.accounting.spread import spread
from coordinator.accounting.tree import Window, efficiency
from coordinator.slots.delivered import COUNTS
from coordinator.tables.recorded import RecordedRun, Row
from coordinator.tables.requests import as_booked, extra_answers, spoken_columns
from coordinator.tables.schema import SERVING
from protos.messages.terms import Component, Stage


def serving_rows(run: RecordedRun) -> Iterable[Row]:
    """A row for every node, slot and service in which the application stage used energy, answered, or failed to
    answer; one without a service where none can be named.

    Energy and grams are those of the node's own lines of that stage, in slots of any stage, and of users'
    devices and the network for the bits that are counted: every bit has its joules.
    """
    alpha = float(run.config.get("tree_alpha_bits_per_token", 0.0))
    slot_s = float(run.config.get("slot_s", 0.0))
    extra = extra_answers(run)
    for (slot, node), booking in sorted(run.bookings.items()):
        usage = run.usage.get((slot, node), {})
        own = [
            line
            for line in booking["lines"]
            if (line["node_id"] == node or "users" in line) and line["stage"] == Stage.APPLICATION
        ]
        late = booking["late"]
        planned = {part["service"]: part for part in (() if late else usage.get("serving", ()))}
        outside = None if late else usage.get("outside")
        delivered = {part["service"]: part for part in run.services(slot, node)}
        names = [
            *planned,
            *([] if outside is None or outside["service"] in planned else [outside["service"]]),
        ]
        unserved = usage.get("unserved_requests", 0)
        if not own and not names and not unserved:
            continue
        parts = [
            [p for p in (planned.get(name), outside) if p is not None and p["service"] == name]
            for name in names
        ]
        # Unserved requests are recorded for the node as a whole: where it has one service, they are its.
        rows: list[Row] = [
            _serving_row(planned.get(name), outside, delivered.get(name, NOTHING), of_service)
            for name, of_service in zip(names, parts, strict=True)
        ]
        if not rows or (unserved and len(rows) > 1):
            rows.append(_serving_row(None, None, NOTHING, []))
            parts.append([])
        rows[-1]["unserved_requests"] = unserved
        shares = _shares(own, parts, rows)
        for row, of_service, lines in zip(rows, parts, shares, strict=True):
            row.update(slot=slot, node_id=node, stage=booking["stage"])
            row["energy_j"] = from_micro(sum(line["energy_uj"] for line in lines))
            row["carried_j"] = from_micro(sum(line["energy_uj"] for line in lines if "users" in line))
            row["operational_g"] = from_pico(sum(line["operational_pg"] for line in lines))
            row.update(_token_columns(row, alpha, usage.get("duration_s", slot_s)))
            row.update(_phase_columns(of_service, lines))
            told = as_booked(usage.get("requests", ()), booking, extra.get((slot, node), frozenset()))
            row.update(spoken_columns(told, usage.get("other_waste_uj")))  # it has one service then
            yield row


NOTHING: Mapping[str, Any] = {"service": None, **dict.fromkeys(COUNTS, 0)}


def _serving_row(
    planned: Mapping[str, Any] | None,
    outside: Mapping[str, Any] | None,
    delivered: Mapping[str, Any],
    parts: Sequence[Mapping[str, Any]],
) -> Row:
    """Counts and latencies of one service. Delivered is what was booked: answers of batches that counted elsewhere are
    not delivered a second time."""
    row: Row = dict.fromkeys(SERVING.names)
    asked = outside if outside is not None and outside in parts else None
    row.update(
        {name: delivered[name] for name in COUNTS},
        service=parts[0]["service"] if parts else None,
        deadline_misses=sum(part["deadline_misses"] for part in parts),
        unserved_requests=0,
        outside_requests=0 if asked is None else asked["requests"],
        latency_bins=[] if planned is None else list(planned["latency_bins"]),
        latency_counts=[] if planned is None else list(planned["latency_counts"]),
    )
    for name in ("latency_p50_s", "latency_p95_s", "latency_p99_s"):
        row[name] = None if planned is None else planned[name]
        row[f"outside_{name}"] = None if asked is None else asked[name]
    return row


def _shares(
    own: Sequence[Mapping[str, Any]], parts: Sequence[Sequence[Mapping[str, Any]]], rows: Sequence[Row]
) -> list[list[Mapping[str, Any]]]:
    """A node's application lines by service, in whole units: radio, network and devices by the bits that each
    delivered, everything else by the board's time for it. The parts of a line sum to the line."""
    if len(rows) == 1:
        return [list(own)]
    busy = [
        round(1e9 * sum(p.get("prefill_s", 0.0) + p.get("decode_s", 0.0) for p in part)) for part in parts
    ]
    bits = [row["bits"] for row in rows]
    found: list[list[Mapping[str, Any]]] = [[] for _ in rows]
    for line in own:
        of_bits = line["component"] in (Component.RADIO_TX, Component.RADIO_RX, Component.NETWORK)
        weights = bits if of_bits else busy
        weights = weights if any(weights) else [1, *[0] * (len(rows) - 1)]
        energies = spread(line["energy_uj"], weights)
        emissions = spread(line["operational_pg"], weights)
        for k, (energy_uj, emissions_pg) in enumerate(zip(energies, emissions, strict=True)):
            found[k].append({**line, "energy_uj": energy_uj, "operational_pg": emissions_pg})
    return found


def _phase_columns(parts: Sequence[Mapping[str, Any]], own: Sequence[Mapping[str, Any]]) -> Row:
    """Board time and energy of prefill and decode; nulls where the nodes did not say (older ledgers).

    Computation and the static power meanwhile, (L2), are divided by time: both phases draw the same power in the
    two-state model. Radio and waste belong to neither.
    """
    if not parts or any("prefill_s" not in part for part in parts):
        return {}
    prefill_s, decode_s = (sum(part[name] for part in parts) for name in ("prefill_s", "decode_s"))
    if not (busy_s := prefill_s + decode_s):
        return {"prefill_s": 0.0, "decode_s": 0.0}
    computing = (Component.COMPUTE, Component.STATIC)
    joules = from_micro(
        sum(line["energy_uj"] for line in own if line["component"] in computing and "users" not in line)
    )
    return {
        "prefill_s": prefill_s,
        "decode_s": decode_s,
        "prefill_j": joules * prefill_s / busy_s,
        "decode_j": joules * decode_s / busy_s,
    }


def _token_columns(row: Row, alpha_bits_per_token: float, slot_s: float | None) -> Row:
    """Figures per request, token and second of the slot; null where there is nothing to divide by."""
    window = Window(row["bits"], row["tokens_in"], row["tokens_out"], row["energy_j"])
    found, tokens = efficiency(window, alpha_bits_per_token), window.tokens
    return {
        "tokens_in_per_s": row["tokens_in"] / slot_s if slot_s else None,
        "tokens_out_per_s": row["tokens_out"] / slot_s if slot_s else None,
        "joules_per_request": row["energy_j"] / row["requests"] if row["requests"] else None,
        "joules_per_token": row["energy_j"] / tokens if tokens else None,
        "grams_per_1000_tokens": 1000.0 * row["operational_g"] / tokens if tokens else None,
        **found.of("serving"),
    }
