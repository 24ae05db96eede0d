"""Trainings that were run before and come with the package, each with its origin.

``--quick`` cannot train the largest rows in ten minutes, nor any row from five seeds. Where a row was trained to its
end before, at the paper's size or smaller (``Reduction.live``), its rounds are here: real trainings, named as shipped
in every row that uses them. They are used when the data's hash is the same and today's code takes the same first
steps. ``--full`` and ``--train`` ignore them.

python -m experiments.studies.fei.shipped          writes every finished training of the cache folder into shipped.json
python -m experiments.studies.fei.shipped --train  before that, trains those that --quick always takes from here
"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from experiments.studies.fei.training import TrainCell

FILE = "shipped.json"
_FREE = ("recycle", "max_rounds")
"""Fields in which a shipped training may be more than what is asked for."""
PROBE_STEPS = 2
"""The second loss is that of weights which one backward pass and one update made."""
PROBE_TOLERANCE = 1e-3
"""Relative: other processors and libraries round otherwise, other mathematics is farther off."""


@lru_cache(maxsize=1)
def trainings() -> list[dict[str, Any]]:
    """All shipped trainings: results as of experiments.studies.fei.federated.train, with ``origin``."""
    text = resources.files("experiments.studies.fei").joinpath(FILE).read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)
    return found


def find(cell: TrainCell) -> dict[str, Any] | None:
    """The shipped training that is ``cell``, whatever data it was run on; None when there is none."""
    asked = asdict(cell)
    for result in trainings():
        have = result["cell"]
        same = all(have[name] == value for name, value in asked.items() if name not in _FREE)
        if same and have["recycle"] >= asked["recycle"]:
            return result
    return None


def usable(cell: TrainCell) -> dict[str, Any] | None:
    """As ``find``, if it was trained on the very data at hand, in the way that today's code trains."""
    from experiments.studies.fei.training import data_digest

    found = find(cell)
    if found is None or found["origin"]["data"] != data_digest(cell.task, cell.data):
        return None
    return found if _same_code(found) or _same_steps(cell.task, cell.batch_size) else None


def origin(result: dict[str, Any]) -> str:
    """Where a shipped training that is ``usable`` comes from, in words."""
    said = f"trained to its end on {result['origin']['date']}, not now"
    if _same_code(result):
        return said
    return f"{said}; training code or torch have changed since, and take the same first steps"


def probe(cell: TrainCell) -> list[float]:
    """Losses of the first server's first mini-batches, from the initial model: what code does, in numbers."""
    from edge_node.tasks.process import configure_process
    from edge_node.tasks.registry import find_task
    from experiments.studies.fei.federated import share_of
    from protos.messages import Stage

    configure_process()
    weights: Any = find_task(cell.task).initial_parameters(cell.seed)
    server = share_of(cell, cell.data, 0)
    losses = []
    for k in range(PROBE_STEPS):
        done = server.train(weights, [server.batch(k, Stage.DEVELOPMENT)], {})
        weights = done.parameters
        losses.append(done.mean_loss)
    return losses


def _same_code(result: dict[str, Any]) -> bool:
    from experiments.studies.fei.training import code_digest

    return bool(result["origin"]["code"] == code_digest() and result["origin"]["torch"] == _torch())


@lru_cache(maxsize=64)
def _same_steps(task: str, batch_size: int) -> bool:
    """Whether today's code takes the first steps of a shipped training; one stands for all of its task and batch."""
    from experiments.studies.fei.training import TrainCell

    result = next(
        r for r in trainings() if (r["cell"]["task"], r["cell"]["batch_size"]) == (task, batch_size)
    )
    today = probe(TrainCell(**result["cell"]))
    return bool(np.allclose(today, result["origin"]["probe"], rtol=PROBE_TOLERANCE, atol=0.0))


def _torch() -> str:
    """Version without the build, which says where it was got."""
    import torch

    return str(torch.__version__).partition("+")[0]


def wanted() -> list[TrainCell]:
    """All that may ship: trainings of the paper's size, and the smaller ones that ``--quick`` does not run."""
    from experiments.studies.fei import fig4
    from experiments.studies.fei.plan import cells, other_rates
    from experiments.studies.fei.spec import FULL
    from experiments.studies.fei.study import find_data

    sizes = {name: (data, count) for name, (data, count, _) in find_data(FULL).items()}
    at_rates = other_rates(FULL.rates, sizes).values()
    return list(
        dict.fromkeys([*for_quick(sizes), *cells(FULL.trainings, sizes, fig4.ROWS).values(), *at_rates])
    )


def for_quick(sizes: dict[str, tuple[str, int]]) -> list[TrainCell]:
    """What ``--quick`` always takes from here: smaller trainings that are not live, other seeds, other learning rates.

    ``sizes`` as of experiments.studies.fei.plan.cells.
    """
    from experiments.studies.fei import fig4
    from experiments.studies.fei.plan import cells, other_rates, other_seeds
    from experiments.studies.fei.spec import QUICK

    every = cells(QUICK.scaled, sizes).items()
    chosen = [cell for row, cell in every if not QUICK.scaled[row.model, row.batches].is_live(row.servers)]
    again = other_seeds(QUICK.train_seeds, sizes, fig4.ROWS).values()
    return list(dict.fromkeys([*chosen, *again, *other_rates(QUICK.rates, sizes).values()]))


def collect(cache: Path) -> list[dict[str, Any]]:
    """Finished ones of ``wanted`` in ``cache``, for today's code and data, with their origin."""
    from experiments.studies.fei.training import code_digest, data_digest

    found: dict[str, dict[str, Any]] = {}
    for cell in wanted():
        path = cache / f"{cell.key()}.json"
        if path.exists():
            result = json.loads(path.read_text(encoding="utf-8"))
            day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
            result["origin"] = {
                "date": day,
                "code": code_digest(),
                "data": data_digest(cell.task, cell.data),
                "python": platform.python_version(),
                "torch": _torch(),
                "probe": probe(cell),
            }
            found[path.stem] = result
    return list(found.values())


def main() -> None:
    from rich.console import Console

    from carbon_data.files.folders import cache_dir
    from experiments.fleet.cores import cpu_count
    from experiments.studies.fei.engine import run_jobs
    from experiments.studies.fei.study import find_data
    from experiments.studies.fei.training import TrainCell

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", action="store_true", help="train what --quick needs and is missing")
    cache = cache_dir() / "reproduce-fei"
    if parser.parse_args().train:
        from experiments.studies.fei.spec import QUICK

        sizes = {name: (data, count) for name, (data, count, _) in find_data(QUICK).items()}
        run_jobs(for_quick(sizes), cache, what="training", console=Console(stderr=True), workers=cpu_count())
    every, now = collect(cache), set(wanted())
    before = [result for result in trainings() if TrainCell(**result["cell"]) in now]
    kept = {json.dumps(r["cell"], sort_keys=True): r for r in [*before, *every]}
    path = Path(str(resources.files("experiments.studies.fei").joinpath(FILE)))
    lines = ",\n".join(json.dumps(result, sort_keys=True) for result in kept.values())
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{len(every)} trainings from the cache, {len(kept)} in {path}")


if __name__ == "__main__":
    main()
