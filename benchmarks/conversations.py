"""Conversations of users who move between nodes: reading again on the new node beside handing the cache over.

The packaged scenario ``llm-users`` under its three policies, with the real small language model; joules are CPU time at
a board's watts. The goals are about the tokens, not about which way is cheaper: that depends on board, link and length.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

import detabed
from benchmarks._command import measuring, parser, show
from experiments.report.conversations_table import figures
from experiments.run_folder.verify import verify_run

WAYS = ("prefill", "hand-over", "cheaper")
GOALS: dict[str, float] = {
    "every turn is answered, once": 1.0,
    "restored tokens are those of the cache, in every turn that one came for": 1.0,
    "answers of the sample are the same without the cache": 1.0,
    "ledgers are sound": 1.0,
}
"""Issue 18: shares, of all three runs."""


def measure(quick: bool, say: Callable[[str], None], folder: Path) -> dict[str, Any]:
    """``quick``: one user at each node."""
    found: dict[str, Any] = {}
    shares: dict[str, list[float]] = {name: [] for name in GOALS}
    scenario = detabed.load("llm-users")
    if quick:
        told = scenario.task.llm.conversations
        assert told is not None
        llm = scenario.task.llm.model_copy(update={"conversations": told.model_copy(update={"users": 1})})
        scenario = scenario.model_copy(update={"task": scenario.task.model_copy(update={"llm": llm})})
    for way in WAYS:
        say(way)
        run = detabed.run(scenario, policy=f"follow-{way}", output=folder / way, progress=False)
        rows = pd.read_parquet(folder / way / "requests.parquet")
        own = figures(rows, int(run.metadata["turns"]))
        found[way.replace("-", "_")] = own | prices(rows)
        once = not rows[["conversation", "turn"]].duplicated().any()
        came = rows[rows["cache_bytes"].fillna(0) > 0] if "cache_bytes" in rows else rows[:0]
        # A cache that came and was not used would be a turn that fell back.
        used = (came["part"] == "continued").mean() if len(came) else 1.0
        for name, value in zip(
            GOALS,
            (
                own["answered"] / own["turns"] if once else 0.0,
                float(used),
                own["same"] / own["compared"] if own["compared"] else 1.0,
                float(bool(verify_run(folder / way)["ok"])),
            ),
            strict=True,
        ):
            shares[name].append(value)
    goals = {
        name: {"op": ">=", "goal": goal, "value": min(shares[name]), "met": min(shares[name]) >= goal}
        for name, goal in GOALS.items()
    }
    return {"figures": found, "goals": goals}


def prices(rows: pd.DataFrame) -> dict[str, float]:
    """Of a move, on average: what it took to hand over by bytes, and to read again, as planned and as metered."""
    moved = rows[rows["read_again_g"].notna()]
    again = moved[moved["part"] == "read-again"]
    came = moved[moved["part"] == "continued"]
    return {
        "hand_over_mg_a_move": 1e3 * float(moved["hand_over_g"].mean()),
        "read_again_mg_a_move": 1e3 * float(moved["read_again_g"].mean()),
        "read_again_planned_j_a_move": float(moved["read_again_j"].mean()),
        "prefill_j_a_move": float(moved["prefill_j"].mean()),
        "handed_j_a_move": float(moved["handed_j"].mean()),
        "first_token_s_after_reading_again": float(again["first_token_s"].median()) if len(again) else 0.0,
        "first_token_s_after_a_cache": float(came["first_token_s"].median()) if len(came) else 0.0,
    }


def main() -> None:
    options = parser(__doc__, "one user at each node").parse_args()
    with tempfile.TemporaryDirectory(prefix="detabed-conversations-") as name:
        show(measuring(lambda say: measure(options.quick, say, Path(name))), options.json)


if __name__ == "__main__":
    main()
