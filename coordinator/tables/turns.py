"""Columns of ``requests`` that are about conversations: whose turn it is, where the user is, and what a move took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from carbon_data.units import JOULES_PER_KWH
from coordinator.tables.recorded import RecordedRun, Row


class TurnColumns:
    """Of one run; {} for all requests where it has no conversations."""

    def __init__(self, run: RecordedRun) -> None:
        self._run = run
        self._turns: dict[tuple[str, int], Mapping[str, Any]] = {
            (turn["owner"], turn["batch_id"]): turn for turn in run.config.get("turns", ())
        }
        self._taken: dict[tuple[str, int], Row] = dict(self._lost())

    def of(self, slot: int, node: str, one: Mapping[str, Any]) -> Row:
        """Of a request that ``node`` answered. A cache's bytes take radio energy at either end and network energy, half
        at either end; reading again is what was planned with. Grams are at the grid's intensity."""
        taken = self._taken.get((one["owner"], one["batch_id"]))
        if taken is not None:
            return taken
        turn = self._turns.get((one["owner"], one["batch_id"]))
        if turn is None:
            return {}
        row: Row = {
            "conversation": turn["conversation"],
            "turn": turn["turn"],
            "user_at": turn["at"],
        }
        if turn["at"] == turn["owner"]:
            return row
        booked_j, booked_g = self._moving(slot, one["owner"], node, one.get("cache_bytes", 0))
        _, price_g = self._moving(slot, one["owner"], turn["at"], turn["cache_bytes"])
        return {
            **row,
            "handed_j": booked_j,
            "handed_g": booked_g,
            "hand_over_g": price_g,
            "read_again_j": turn["read_again_j"],
            "read_again_g": self._grams(slot, turn["at"], turn["read_again_j"]),
        }

    def _lost(self) -> Iterator[tuple[tuple[str, int], Row]]:
        """Turns of lost nodes, by the node that was asked in its place and the number of their batch there."""
        if not self._turns:
            return
        at = {(turn["conversation"], turn["turn"]): turn["at"] for turn in self._turns.values()}
        for body in self._run.decisions.values():
            for decision in body["plan"]["decisions"]:
                for each in decision.get("recalled", ()):
                    if each["lost_node"]:
                        which = each["conversation"], each["turn"]
                        row = {"conversation": which[0], "turn": which[1], "user_at": at[which]}
                        key = decision["node_id"], each["batch_id"]
                        yield key, {**row, "lost_node": each["lost_node"]}

    def _moving(self, slot: int, source: str, target: str, size: int) -> tuple[float, float]:
        """(J, g) of ``size`` bytes from one node to another."""
        net = self._run.config["limits"]["net_j_per_byte"] / 2
        sent_j = size * (self._per_byte(source, "tx_j_per_byte") + net)
        received_j = size * (self._per_byte(target, "rx_j_per_byte") + net)
        return sent_j + received_j, self._grams(slot, source, sent_j) + self._grams(slot, target, received_j)

    def _per_byte(self, node: str, name: str) -> float:
        registration = self._run.registrations.get(node)
        return 0.0 if registration is None else float(registration["profile"][name])

    def _grams(self, slot: int, node: str, joules: float) -> float:
        zone = self._run.zone_of(node)
        if zone is None:
            return 0.0
        return joules * self._run.intensity[zone][slot] / JOULES_PER_KWH
