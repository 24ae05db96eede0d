"""A user's Flower app in a run: its ServerApp over a grid whose rounds are slots."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flwr.app import ArrayRecord, Context, MetricRecord, RecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Strategy

from carbon_data.own_code import place_of, raised_in_own_code
from coordinator.adapters.flower_server import Link, RunRecord, Watch
from coordinator.adapters.slot_grid import STAGE, AppError, SlotGrid
from edge_node.adapters.app_modules import load_app_object
from edge_node.adapters.flower_app import seed_generators
from experiments.resolve.app import FoundApp

Evaluate = Callable[[int, ArrayRecord], MetricRecord | None]


def run_app(
    found: FoundApp,
    grid: Grid,
    link: Link,
    slots: int,
    window: int,
    watch: Watch,
    record: RunRecord,
    seed: int,
    passing: tuple[type[Exception], ...],
) -> None:
    """Call the app's ServerApp once; its rounds are slots.

    Args:
        found: The app.
        grid: The fleet's grid.
        slots: Slots of the run.
        window: Slots that a round lasts.
        seed: Of the generators that the app draws from.
        record: Filled; the model is the last that a strategy's ``start`` returned.
        passing: Errors of the run's own parts, which pass through the app as they are.

    Raises:
        AppError: the app cannot be loaded, raised, or its rounds are not those of the run.
    """
    try:
        server = load_app_object(found.server_app, found.folder, ServerApp)
    except ValueError as error:
        raise AppError(str(error)) from error
    seed_generators(seed)
    slot_grid = SlotGrid(grid, link, range(slots), window, watch, record)
    context = Context(
        run_id=grid.run.run_id,
        node_id=1,
        node_config={},
        state=RecordDict(),
        run_config=dict(found.nodes.run_config),
    )
    with watched_strategies(slot_grid):
        try:
            server(slot_grid, context)
        except SystemExit as error:
            raise AppError(
                f"the app's ServerApp {found.server_app} called sys.exit({error.code!r}) in round {slot_grid.rounds}"
            ) from error
        except Exception as error:  # the boundary to code of users
            is_theirs = isinstance(error, OSError) and raised_in_own_code(error)
            if isinstance(error, (AppError, *passing)) and not is_theirs:
                raise
            raise AppError(
                f"the app's ServerApp {found.server_app} failed in round {slot_grid.rounds}: "
                f"{type(error).__name__}: {error} (at {place_of(error)})"
            ) from None  # the sentence names it: what the app lacks is no fault of this machine
    slot_grid.finish()


@contextmanager
def watched_strategies(grid: SlotGrid) -> Iterator[None]:
    """While it lasts, what strategies evaluate on the server reaches ``grid``, and the model they return its record.

    A ServerApp calls ``Strategy.start`` itself, and hands it the function that evaluates: no grid sees either.
    """
    plain = Strategy.start
    takes = inspect.signature(plain)

    def start(self: Strategy, *args: Any, **kwargs: Any) -> Any:
        given = takes.bind(self, *args, **kwargs)
        evaluate: Evaluate | None = given.arguments.get("evaluate_fn")
        if evaluate is not None:
            given.arguments["evaluate_fn"] = _told(evaluate, grid)
        result = plain(*given.args, **given.kwargs)
        if result.arrays:
            grid.record.models[STAGE] = result.arrays
        return result

    Strategy.start = start  # type: ignore[method-assign]
    try:
        yield
    finally:
        Strategy.start = plain  # type: ignore[method-assign]


def _told(evaluate: Evaluate, grid: SlotGrid) -> Evaluate:
    def evaluated(server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
        metrics = evaluate(server_round, arrays)
        if metrics is not None:
            grid.evaluated(
                server_round,
                {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)},
            )
        return metrics

    return evaluated
