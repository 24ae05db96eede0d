"""Share of small random faults in the source that the tests notice, in the rooms of grams, joules and decisions.

Claim:   the tests kill at least 95 % of the mutants that are not equivalent to the source.
Cost:    --quick runs none and counts what earlier runs left in mutants/. Otherwise the first run copies the project and
         times every test (about ten minutes), then one to five seconds a mutant: --sample 600 takes about half an hour
         on two idle cores, --all (some 24,000) about half a day. Goes on from what is there.
Command: python -m benchmarks.mutants [--quick] [--json] [--sample N] [--seed S] [--all] [NAME ...]

mutmut makes and runs the mutants (`[tool.mutmut]` in pyproject.toml names the files and the tests). A sample is drawn
uniformly from all of them. Survivors that were read and found equivalent are listed in mutants_reviewed.toml with the
reason, keyed by function and change, so that they are found again when numbers move.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks._command import measuring, parser, show

FOLDER = Path("mutants")
REVIEWED = Path(__file__).with_name("mutants_reviewed.toml")
GOAL = 0.95
FIRST = "coordinator.accounting.tree*"
"""A small room: the first run makes the list of all mutants, which a sample is drawn from."""
STATUS = {
    0: "survived",
    1: "killed",
    3: "killed",
    5: "no tests",
    33: "no tests",
    34: "skipped",
    37: "killed",
    36: "killed",  # time-outs: the tests do not pass
    24: "killed",
    -24: "killed",
    152: "killed",
    255: "killed",
    -11: "killed",  # crashes
    -9: "killed",
    None: "not run",
    2: "not run",  # interrupted
}
"""mutmut's exit codes. Any other (suspicious) is counted as survived."""
AT_ONCE = 300
"""Mutants of one call of mutmut: what is done stays when the rest is interrupted."""
Z95 = 1.96


def statuses() -> dict[str, str]:
    """Mutant -> status, as mutmut keeps them beside the mutated files."""
    found: dict[str, str] = {}
    for path in sorted(FOLDER.rglob("*.meta")):
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        found |= {name: STATUS.get(code, "survived") for name, code in codes.items()}
    return found


def run(names: list[str]) -> None:
    """Run the named mutants; patterns are allowed. What mutmut prints goes to standard error."""
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", "2", *names]
    subprocess.run(command, check=True, stdout=sys.stderr)


def change_of(name: str) -> tuple[str, str]:
    """Lines that a mutant takes away and puts in their place, without blanks at the ends."""
    shown = subprocess.run(
        [str(Path(sys.executable).with_name("mutmut")), "show", name],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    removed = [line[1:].strip() for line in shown if line.startswith("-") and not line.startswith("---")]
    added = [line[1:].strip() for line in shown if line.startswith("+") and not line.startswith("+++")]
    return "\n".join(removed), "\n".join(added)


def function_of(name: str) -> str:
    """``package.module.function`` or ``...Class.method`` of a mutant."""
    module, _, mangled = name.rpartition("__mutmut_")[0].rpartition(".x")
    return f"{module}.{mangled[1:].replace('ǁ', '.')}"


def equivalent(survivors: list[str]) -> dict[str, str]:
    """Survivor -> why it is equivalent, for those that were reviewed."""
    reviewed = tomllib.loads(REVIEWED.read_text(encoding="utf-8")).get("equivalent", [])
    by_change = {(one["function"], one["removed"], one["added"]): str(one["why"]) for one in reviewed}
    keys = {name: (function_of(name), *change_of(name)) for name in survivors}
    return {name: by_change[key] for name, key in keys.items() if key in by_change}


def interval(killed: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if not of:
        return math.nan, math.nan
    share, z2 = killed / of, Z95**2
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    return centre - half, centre + half


def summary(names: list[str], found: dict[str, str], wanted: int) -> dict[str, Any]:
    """Figures, the goal, and every survivor with its change, of those of ``names`` that were run.

    The goal is deferred until the ``wanted`` mutants were all run: a part of a sample is no sample.
    """
    counts = Counter(found[name] for name in names)
    survivors = sorted(name for name in names if found[name] in ("survived", "no tests"))
    same = equivalent(survivors)
    killed, real = counts["killed"], counts["killed"] + len(survivors) - len(same)
    low, high = interval(killed, real)
    share = killed / real if real else None
    complete = real > 0 and len(names) >= wanted and not counts["not run"]
    goal = {"op": ">=", "goal": GOAL, "value": share, "met": share is not None and share >= GOAL}
    name = "share of mutants killed, equivalent ones left out"
    return {
        "figures": {
            "mutants": len(found),
            "run": real + len(same),
            "killed": killed,
            "survived": len(survivors),
            "equivalent": len(same),
            "share killed": share,
            "low": low if real else None,
            "high": high if real else None,
        },
        "goals": {name: goal} if complete else {},
        "deferred": [] if complete else [name],
        "survivors": [
            {"mutant": one, "function": function_of(one), "status": found[one], "equivalent": same.get(one)}
            | dict(zip(("removed", "added"), change_of(one), strict=True))
            for one in survivors
        ],
    }


def main() -> None:
    args_parser = parser(__doc__, "run none: count what earlier runs found")
    args_parser.add_argument(
        "--sample", type=int, default=600, help="how many mutants, drawn from all (default 600)"
    )
    args_parser.add_argument("--seed", type=int, default=0, help="of the sample")
    args_parser.add_argument("--all", action="store_true", help="every mutant")
    args_parser.add_argument(
        "names", nargs="*", help="these mutants, or patterns such as 'coordinator.ledger.*'"
    )
    args = args_parser.parse_args()

    def measured(say: Callable[[str], None]) -> dict[str, Any]:
        if args.all or args.names:
            if not args.quick:
                run(list(args.names))
            found = statuses()
            done = [name for name, status in found.items() if status != "not run"]
            return summary(done, found, len(found) if args.all else args.sample)
        if not args.quick and not statuses():
            say("making all mutants, timing every test")
            run([FIRST])
        found = statuses()
        names = random.Random(args.seed).sample(sorted(found), min(args.sample, len(found)))
        left = [] if args.quick else [name for name in names if found[name] == "not run"]
        for begin in range(0, len(left), AT_ONCE):
            say(f"{len(names) - len(left) + begin} of {len(names)} mutants run")
            run(left[begin : begin + AT_ONCE])
        return summary(names, statuses(), args.sample)

    found = measuring(measured)
    show(found, args.json)
    if not args.json:
        for one in found["survivors"]:
            print(f"{one['status']:9} {one['mutant']}\n    - {one['removed']}\n    + {one['added']}")


if __name__ == "__main__":
    main()
