"""What a whole study will cost, measured on this machine from a few steps and said before it begins."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from experiments.fitting_table import FittingTable
from experiments.studies.fei import estimate
from experiments.studies.fei.digests import key_of
from experiments.studies.fei.plan import Plan, hours


def announce(plan: Plan, cache: Path, workers: int, console: Console) -> None:
    """Print the trainings still to do by model and reading, and the time they are expected to take."""
    again = [(row, cell) for (row, _), cell in plan.again.items()]
    again += [(row, cell) for (row, _), cell in plan.rates.items()]
    every = [*plan.trained.items(), *plan.scaled.items(), *again]
    cells = {key_of(cell): (row, cell) for row, cell in every}
    to_do = {key: both for key, both in cells.items() if not (cache / f"{key}.json").exists()}
    console.print(f"{len(cells)} trainings, {len(cells) - len(to_do)} of them finished before and in {cache}")
    if not to_do:
        return
    with console.status("timing a few steps of each"):
        estimate.measure(cell for _, cell in to_do.values())
    table = FittingTable("model", "E and B", "trainings", "rounds expected", "on one core")
    total = 0.0
    for block in dict.fromkeys((row.model, row.batches) for row, _ in to_do.values()):
        part = [cell for row, cell in to_do.values() if (row.model, row.batches) == block]
        spent = sum(estimate.cpu_s(cell) for cell in part)
        expected = [estimate.rounds(cell) for cell in part]
        guessed = sum(one.source == "guess" for one in expected)
        low, high = min(one.count for one in expected), max(one.count for one in expected)
        table.add_row(
            block[0],
            str(block[1]),
            str(len(part)),
            f"{low:.0f} to {high:.0f}, {guessed} of {len(part)} guessed",
            hours(spent),
        )
        total += spent
    console.print(table)
    longest = max(estimate.cpu_s(cell) for _, cell in to_do.values())
    console.print(
        f"expected: {hours(max(total / workers, longest))} with {workers} processes. It may be stopped at any time "
        "(Ctrl-C) and goes on where it stopped, at most seconds are lost"
    )
