"""A probe: a grid of requests one after the other, each in a window of the meter."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_node.meters.base import MeterError
from experiments.errors import RunError
from experiments.probe.answer import Answer
from experiments.probe.joules import Joules
from experiments.probe.meters import ProbeMeter
from experiments.probe.prompts import Prompts
from experiments.probe.server import ModelServer


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the grid, what came back, and what it took."""

    repeat: int
    wanted_in: int
    wanted_out: int
    answer: Answer
    joules: Joules | None
    """None: the reading is missing, ``missing`` says why."""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests of a probe."""

    tokens_in: Sequence[int]
    tokens_out: Sequence[int]
    repeats: int
    idle_s: float
    """Length of the window at rest before the requests."""
    seed: int = 0

    @property
    def count(self) -> int:
        return len(self.tokens_in) * len(self.tokens_out) * self.repeats

    def in_order(self) -> list[tuple[int, int, int]]:
        """(repeat, in, out): every repeat the whole grid, in an order of its own, so that a drift is no effect."""
        draw = random.Random(self.seed)
        found = []
        for repeat in range(self.repeats):
            cells = [
                (repeat, count_in, count_out) for count_in in self.tokens_in for count_out in self.tokens_out
            ]
            draw.shuffle(cells)
            found += cells
        return found


@dataclass(frozen=True, slots=True)
class Measured:
    """All that a probe read."""

    requests: list[Request]
    idle: Joules | None
    around_tokens: float


def measure(
    server: ModelServer, meter: ProbeMeter, plan: Plan, done: Callable[[], None] = lambda: None
) -> Measured:
    """Run ``plan``. ``done`` is called after every request. Raises RunError where the server fails or counts no
    tokens."""
    prompts = Prompts(plan.seed)
    prompts.measure(server)  # it also loads the model where the server does so with the first request
    idle = None
    if plan.idle_s > 0:
        close = meter.open()
        time.sleep(plan.idle_s)
        idle = close()
    found = []
    for repeat, count_in, count_out in plan.in_order():
        prompt = prompts.of(count_in)
        close = meter.open()
        answer = server.ask(prompt, count_out)
        if answer.prompt_tokens is None or answer.tokens_out is None:
            raise RunError(
                f"{server.url} ended an answer without its counts of tokens: it broke off, or does not count every "
                "request; joules cannot be divided among tokens that are not known"
            )
        try:
            found.append(Request(repeat, count_in, count_out, answer, close()))
        except MeterError as error:
            found.append(Request(repeat, count_in, count_out, answer, None, str(error)))
        done()
    return Measured(found, idle, prompts.around_tokens)
