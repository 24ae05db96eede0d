"""Boards: runs on hosts of their own, cuts and kills, a daemon's memory, and what mutual TLS costs.

Claims:  Ray and daemons: each node's process in its own host, 0 unserved batches, batches moved between hosts,
         decisions and joules equal to the in-process run of the same scenario (modelled meter).
         Cuts of 9 s and 70 s: daemons rejoin within 10 s of healing, Ray within 45 s, 0 acknowledged rows lost, gaps
         explicit; kill -9 of coordinator and runner, resume: every joule once, the tables of an undisturbed run but
         for the gaps.
         Daemon at most 330 MB resident after training mnist-mlp on digits, in an environment without ray, pvlib,
         highspy, matplotlib, pandas, pyarrow, scikit-learn.
         Mutual TLS costs at most 1.3 times the plaintext server CPU per message.
Cost:    --quick (three hosts) about five minutes on two idle cores, otherwise (five hosts) about twelve.
Command: python -m benchmarks.boards [--quick] [--json]

Hosts are network namespaces on this machine (``tests/boards/hosts.py``): Linux, root and iproute2 are needed; elsewhere
only TLS is measured. A row counts as acknowledged once it is in the ledger, which is before its node hears of it. After
a cut a board has rejoined when its node has settled a slot that was decided after healing. Every joule once: ``ledger
verify`` has no finding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

from benchmarks import _board_fleets as fleets
from benchmarks import _tls as tls
from benchmarks._board_runs import Cuts, Equality, Resumption, cuts, equality, resumption
from benchmarks._command import against, measuring, parser, show

CUTS_S = (9.0, 70.0)
QUICK_CUTS_S = (9.0,)
"""A minute and more of waiting is left to the full run."""
REJOIN_S = {"daemons": 10.0, "ray": 45.0}
RESIDENT_MB = 330.0
FLEETS: Mapping[str, Callable[[int], AbstractContextManager[fleets.HostedFleet]]] = {
    "daemons": fleets.daemons,
    "ray": fleets.ray,
}


def at_most(name: str) -> dict[str, float]:
    """Goals of a fleet: largest values."""
    rejoined = {_rejoined(name, cut_s): REJOIN_S[name] for cut_s in CUTS_S}
    memory = {"daemon_resident_mb_after_training": RESIDENT_MB} if name == "daemons" else {}
    none = (
        "unserved_batches",
        "decisions_unlike_in_process",
        "joules_unlike_in_process",
        "acknowledged_rows_lost",
        "gaps_not_explicit",
        "cut_ledger_findings",
        "resumed_ledger_findings",
        "resumed_rows_unlike_undisturbed_but_for_gaps",
    )
    return {**{f"{name}_{what}": 0.0 for what in none}, **rejoined, **memory}


def at_least(name: str, boards: int) -> dict[str, float]:
    """Goals of a fleet: smallest values."""
    return {f"{name}_nodes_in_a_host_of_their_own": float(boards), f"{name}_batches_moved_between_hosts": 1.0}


def _rejoined(name: str, cut_s: float) -> str:
    return f"{name}_rejoins_after_a_cut_of_{cut_s:g}_s_within_s"


def judged(name: str, boards: int, equal: Equality, cut: Cuts, resumed: Resumption) -> dict[str, Any]:
    """Figures and goals of a fleet; goals that were not measured are deferred."""
    values = {
        f"{name}_nodes_in_a_host_of_their_own": cut.nodes_in_their_host,
        f"{name}_unserved_batches": equal.unserved,
        f"{name}_batches_moved_between_hosts": equal.moved,
        f"{name}_decisions_unlike_in_process": equal.decisions_unlike,
        f"{name}_joules_unlike_in_process": equal.joules_unlike,
        f"{name}_acknowledged_rows_lost": cut.rows_lost + resumed.rows_lost,
        f"{name}_gaps_not_explicit": cut.silent_gaps,
        f"{name}_cut_ledger_findings": cut.findings,
        f"{name}_resumed_ledger_findings": resumed.findings,
        f"{name}_resumed_rows_unlike_undisturbed_but_for_gaps": resumed.rows_unlike,
        **{_rejoined(name, cut_s): seconds for cut_s, seconds in cut.rejoined_s.items()},
    }
    if equal.resident_mb is not None:
        values["daemon_resident_mb_after_training"] = equal.resident_mb
    most, least = at_most(name), at_least(name, boards)
    goals = against({goal: most[goal] for goal in most if goal in values}, values, "<=")
    figures = {f"{name}_resume_s": resumed.resume_s, f"{name}_slots_lost_by_the_kill": resumed.lost_slots}
    if cut.resident_mb is not None:
        figures["daemon_resident_mb_after_cuts"] = cut.resident_mb
    return {
        "figures": {**values, **figures},
        "goals": {**goals, **against(least, values, ">=")},
        "deferred": sorted(most.keys() - values.keys()),
    }


def on_hosts(
    name: str, boards: int, seconds: tuple[float, ...], say: Callable[[str], None]
) -> dict[str, Any]:
    """All measurements of one fleet; deferred, with the reason, where this machine makes no hosts."""
    try:
        with FLEETS[name](boards) as fleet:
            say(f"{name}: beside a run in one process")
            equal = equality(fleet)
            say(f"{name}: cuts")
            cut = cuts(fleet, seconds, lambda text: say(f"{name}: {text}"))
            say(f"{name}: kill and resume")
            return judged(name, boards, equal, cut, resumption(fleet))
    except pytest.skip.Exception as why:
        deferred = [*at_most(name), *at_least(name, boards)]
        return {"figures": {f"{name}_not_measured": str(why)}, "goals": {}, "deferred": deferred}


def run(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """TLS first: the machine is quietest then."""
    parts = [tls.judged(tls.measure(quick, say))]
    boards, seconds = (2, QUICK_CUTS_S) if quick else (4, CUTS_S)
    parts += [on_hosts(name, boards, seconds, say) for name in FLEETS]
    return {
        "figures": {name: value for part in parts for name, value in part["figures"].items()},
        "goals": {name: goal for part in parts for name, goal in part["goals"].items()},
        "deferred": [name for part in parts for name in part.get("deferred", ())],
    }


def main() -> None:
    quick = (
        "three hosts instead of five, a cut of 9 s alone, 150 turns of each kind of message instead of 600"
    )
    arguments = parser(__doc__, quick).parse_args()
    show(measuring(lambda say: run(arguments.quick, say)), arguments.json)


if __name__ == "__main__":
    main()
