"""Finished trainings of the cache folder, written into shipped.json.

python -m experiments.studies.fei.ship          writes every finished training of the cache folder into shipped.json
python -m experiments.studies.fei.ship --train  before that, trains those that --quick always takes from there
"""

from __future__ import annotations

import argparse
import json
import platform
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from rich.console import Console

from carbon_data.files.folders import cache_dir
from experiments.fleet.machine import cpu_count
from experiments.studies.fei import fig4
from experiments.studies.fei.cell import TrainCell
from experiments.studies.fei.data import find_data
from experiments.studies.fei.digests import code_digest, data_digest, key_of
from experiments.studies.fei.engine import run_jobs
from experiments.studies.fei.plan import cells, other_rates, other_seeds
from experiments.studies.fei.shipped import FILE, probe, torch_version, trainings
from experiments.studies.fei.spec import FULL, QUICK
from experiments.studies.fei.training import Training


def wanted() -> list[TrainCell]:
    """All that may ship: trainings of the paper's size, and the smaller ones that ``--quick`` does not run."""
    sizes = {name: (data, count) for name, (data, count, _) in find_data(FULL).items()}
    at_rates = other_rates(FULL.rates, sizes).values()
    return list(
        dict.fromkeys([*for_quick(sizes), *cells(FULL.trainings, sizes, fig4.ROWS).values(), *at_rates])
    )


def for_quick(sizes: dict[str, tuple[str, int]]) -> list[TrainCell]:
    """What ``--quick`` always takes from here: smaller trainings that are not live, other seeds, other learning rates.

    ``sizes`` as of experiments.studies.fei.plan.cells.
    """
    every = cells(QUICK.scaled, sizes).items()
    chosen = [cell for row, cell in every if not QUICK.scaled[row.model, row.batches].is_live(row.servers)]
    again = other_seeds(QUICK.train_seeds, sizes, fig4.ROWS).values()
    return list(dict.fromkeys([*chosen, *again, *other_rates(QUICK.rates, sizes).values()]))


def collect(cache: Path) -> list[dict[str, Any]]:
    """Finished ones of ``wanted`` in ``cache``, for today's code and data, with their origin."""
    found: dict[str, dict[str, Any]] = {}
    for cell in wanted():
        path = cache / f"{key_of(cell)}.json"
        if path.exists():
            result = json.loads(path.read_text(encoding="utf-8"))
            day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
            result["origin"] = {
                "date": day,
                "code": code_digest(),
                "data": data_digest(cell.task, cell.data),
                "python": platform.python_version(),
                "torch": torch_version(),
                "probe": probe(cell),
            }
            found[path.stem] = result
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", action="store_true", help="train what --quick needs and is missing")
    cache = cache_dir() / "reproduce-fei"
    if parser.parse_args().train:
        sizes = {name: (data, count) for name, (data, count, _) in find_data(QUICK).items()}
        jobs = [Training(cell) for cell in for_quick(sizes)]
        run_jobs(jobs, cache, what="training", console=Console(stderr=True), workers=cpu_count())
    every, now = collect(cache), set(wanted())
    before = [result for result in trainings() if TrainCell(**result["cell"]) in now]
    kept = {json.dumps(r["cell"], sort_keys=True): r for r in [*before, *every]}
    path = Path(str(resources.files("experiments.studies.fei").joinpath(FILE)))
    lines = ",\n".join(json.dumps(result, sort_keys=True) for result in kept.values())
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{len(every)} trainings from the cache, {len(kept)} in {path}")


if __name__ == "__main__":
    main()
