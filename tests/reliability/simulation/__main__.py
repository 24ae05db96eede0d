"""Runs seeds of the simulation, and prints the first failure as the command that repeats it.

``python -m tests.reliability.simulation --seeds 0 20000``, or one: ``--seed 17 [--keep 0,3] [--until 24.5]
[--variant NAME]``.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.reliability.simulation.explore import first_failure, run
from tests.reliability.simulation.variants import VARIANTS
from tests.reliability.simulation.world import SECONDS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed")
    parser.add_argument("--seeds", type=int, nargs=2, metavar=("FIRST", "BEYOND"), help="seeds in a row")
    parser.add_argument("--keep", default="all", help="numbers of its faults, with commas; all, or none")
    parser.add_argument("--until", type=float, default=SECONDS, help="virtual seconds")
    parser.add_argument("--variant", default="", choices=["", *VARIANTS], help="a deliberately broken part")
    told = parser.parse_args()
    if told.seed is not None:
        names = "" if told.keep == "none" else told.keep
        keep = None if told.keep == "all" else tuple(int(each) for each in names.split(",") if each)
        outcome = run(told.seed, told.variant, keep, told.until)
        print(
            f"seed {told.seed}: trace {outcome.trace}, {outcome.events} events, {outcome.slots} slots ended"
        )
        for promise, what in outcome.violations:
            print(f"{promise}: {what}")
        return int(bool(outcome.violations))
    first, beyond = told.seeds or (0, 100)
    begun = time.process_time()
    failure, count = first_failure(range(first, beyond), told.variant)
    spent = time.process_time() - begun
    print(f"{count} seeds of {SECONDS:g} virtual seconds, {count / spent:.1f} a CPU second", file=sys.stderr)
    print(failure or f"seeds {first} to {beyond - 1}: no promise broken")
    return int(failure is not None)


if __name__ == "__main__":
    sys.exit(main())
