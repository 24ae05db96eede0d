"""Tables of the study: every option at every rate, both-ways statements, the map of who gains, the cut points."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from edge_node.splitting.controller import Objective, Option, Rules, Scene, best
from edge_node.splitting.energy import Cost, Link, Split
from edge_node.splitting.profile import OperationProfile
from experiments.studies.terminal.options import ANSWER_BYTES, Options
from experiments.studies.terminal.wire import HEADER_BYTES

DYNAMIC = "dynamic partition"
GAINS = ("neither", "terminal only", "system only", "both")
"""Who spends fewer joules by offloading than by computing locally."""


def cost_columns(spent: Cost) -> dict[str, float]:
    """A cost as columns."""
    return {
        "terminal_j": spent.terminal_j,
        "system_j": spent.system_j,
        "latency_s": spent.latency_s,
        "compute_j": spent.compute_j,
        "transmit_j": spent.transmit_j,
        "idle_j": spent.idle_j,
        "receive_j": spent.receive_j,
        "access_point_j": spent.access_point_j,
        "server_j": spent.server_j,
        "terminal_static_j": spent.terminal_static_j,
    }


def mechanisms_table(
    entries: list[dict[str, Any]],
    dynamic: dict[str, Option],
    scene: Scene,
    links: dict[float, Link],
    rules: Rules,
) -> pd.DataFrame:
    """One row per rate and option: accuracy, joules, latency, bytes.

    Args:
        entries: Per option its name, mechanism, workload, accuracy_fraction, up_bytes, down_bytes and split.
        dynamic: What dynamic partition chooses from.
        scene: The machines.
        links: By distance in metres.
        rules: Of dynamic partition.
    """
    rows: list[dict[str, Any]] = []
    for distance_m, link in links.items():
        place = {"distance_m": distance_m, "rate_bit_per_s": link.up_bit_per_s}
        for entry in entries:
            plain = {k: v for k, v in entry.items() if k != "split"}
            rows.append(
                place | plain | {"runs": entry["option"]} | cost_columns(scene.cost(entry["split"], link))
            )
        name = best(dynamic, scene, link, rules)
        option = dynamic[name]
        rows.append(
            place
            | {
                "option": DYNAMIC,
                "mechanism": DYNAMIC,
                "workload": "images",
                "accuracy_fraction": option.accuracy_fraction,
                "up_bytes": option.split.up_bytes,
                "down_bytes": option.split.down_bytes,
                "runs": name,
            }
            | cost_columns(scene.cost(option.split, link))
        )
    table = pd.DataFrame(rows)
    for column in ("terminal_j", "system_j"):
        local = table[table["option"] == "local"].set_index(["distance_m", "workload"])[column]
        keys = pd.MultiIndex.from_frame(table[["distance_m", "workload"]])
        table[f"{column}_against_local_fraction"] = table[column] / local.reindex(keys).to_numpy() - 1.0
    table["meets_deadline"] = table["latency_s"] <= rules.deadline_s
    return table


def both_ways_table(table: pd.DataFrame) -> pd.DataFrame:
    """Rows where offloading lowers the terminal's joules and raises the system's, against local execution."""
    lower = table["terminal_j_against_local_fraction"] < 0
    higher = table["system_j_against_local_fraction"] > 0
    columns = [
        "rate_bit_per_s",
        "workload",
        "option",
        "runs",
        "terminal_j_against_local_fraction",
        "system_j_against_local_fraction",
        "accuracy_fraction",
    ]
    return table[lower & higher & (table["up_bytes"] > 0)][columns].reset_index(drop=True)


def statements(both_ways: pd.DataFrame) -> list[str]:
    """``both_ways_table`` in sentences, one per rate and workload, for the option with the largest saving."""
    found = []
    rows = both_ways[both_ways["option"] != DYNAMIC]
    for _, part in rows.groupby(["rate_bit_per_s", "workload"], sort=False):
        rest = len(part) - 1
        row = part.sort_values("terminal_j_against_local_fraction").to_dict("records")[0]
        found.append(
            f"At {row['rate_bit_per_s'] / 1e6:.2f} Mbit/s ({row['workload']}), “{row['option']}” lowers the terminal's "
            f"joules by {-row['terminal_j_against_local_fraction']:z.0%} and raises the system's by "
            f"{row['system_j_against_local_fraction']:z.0%}"
            + (f"; {rest} more also do, with less for the terminal." if rest else ".")
        )
    return found


def gains_table(
    options: dict[str, Option],
    scene: Scene,
    rates_bit_per_s: np.ndarray,
    speeds_flop_per_s: np.ndarray,
    least: float,
) -> pd.DataFrame:
    """Who gains by the offloading option with the fewest terminal joules, over link rate and server speed."""
    local = options["local"]
    away = [o for o in options.values() if o.split.up_bytes > 0 and o.accuracy_fraction >= least]
    rows = []
    for speed in speeds_flop_per_s:
        there = replace(scene, server=replace(scene.server, flop_per_s=float(speed)))
        for rate in rates_bit_per_s:
            link = Link(float(rate), float(rate))
            here = there.cost(local.split, link)
            spent = {option.name: there.cost(option.split, link) for option in away}
            name = min(spent, key=lambda key: spent[key].terminal_j)
            terminal = spent[name].terminal_j < here.terminal_j
            system = spent[name].system_j < here.system_j
            rows.append(
                {
                    "rate_bit_per_s": float(rate),
                    "server_flop_per_s": float(speed),
                    "option": name,
                    "gains": GAINS[int(terminal) + 2 * int(system)],
                    "terminal_j_against_local_fraction": spent[name].terminal_j / here.terminal_j - 1.0,
                    "system_j_against_local_fraction": spent[name].system_j / here.system_j - 1.0,
                }
            )
    return pd.DataFrame(rows)


def cuts_table(options: Options, scene: Scene, links: dict[float, Link]) -> pd.DataFrame:
    """(E3) at every cut point of the unsplit model, values as they are, and every rate."""
    rows = []
    operations = options.operations
    for cut in options.partitioner.cut_points():
        before = sum(o.flop for o in operations[: cut.position])
        behind = sum(o.flop for o in operations[cut.position :])
        last = cut.position == len(operations)
        up = 0.0 if last else HEADER_BYTES + float(cut.num_bytes)
        split = Split(before, behind, up, 0.0 if last else float(ANSWER_BYTES))
        for distance_m, link in links.items():
            rows.append(
                {
                    "position": cut.position,
                    "after": cut.after,
                    "tensors": len(cut.specs),
                    "cut_bytes": cut.num_bytes,
                    "up_bytes": up,
                    "terminal_flop": before,
                    "server_flop": behind,
                    "distance_m": distance_m,
                    "rate_bit_per_s": link.up_bit_per_s,
                    **cost_columns(scene.cost(split, link)),
                }
            )
    return pd.DataFrame(rows)


def profile_table(operations: list[OperationProfile]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Profile by operation: what is counted and modelled, and what was measured on this machine."""
    counted = pd.DataFrame(
        [
            {
                "operation": o.name,
                "kind": o.kind,
                "flop": o.flop,
                "output_bytes": o.output_bytes,
                "board_s": o.board_s,
                "board_j": o.board_j,
            }
            for o in operations
        ]
    )
    measured = pd.DataFrame([{"operation": o.name, "measured_s": o.measured_s} for o in operations])
    return counted, measured


def best_by_objective(
    options: dict[str, Option], scene: Scene, links: dict[float, Link], rules: Rules
) -> pd.DataFrame:
    """What is best for the terminal and what for the system, by rate."""
    rows = []
    for distance_m, link in links.items():
        row: dict[str, Any] = {"distance_m": distance_m, "rate_bit_per_s": link.up_bit_per_s}
        for objective in Objective:
            name = best(options, scene, link, replace(rules, objective=objective))
            spent = scene.cost(options[name].split, link)
            row |= {
                f"{objective}_option": name,
                f"{objective}_terminal_j": spent.terminal_j,
                f"{objective}_system_j": spent.system_j,
            }
        rows.append(row)
    return pd.DataFrame(rows)
