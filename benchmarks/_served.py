"""Requests to a language model through the testbed, beside such requests to its bare server: CPU time of each."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from coordinator.adapters.flower_server import SlotOutcome
from edge_node.language.ask import Asker
from edge_node.language.model_file import ModelFile
from edge_node.language.prompts import tokenised
from edge_node.language.server import MODULE
from edge_node.meters.process_time import process_cpu_s
from experiments.fleet.inprocess import InProcessFleet
from experiments.resolve.resolve import resolve
from experiments.runs.run import Hooks, execute
from experiments.scenario.model import parse_scenario

PROMPT_TOKENS, ANSWER_TOKENS = 128, 64
SCENARIO = """name = "served"
policy = "local"
[time]
slot_s = 600
[stages]
application = {slots}
[task]
name = "llm"
[task.llm]
path = "{path}"
[inference]
batches_per_slot = {requests}
requests_per_batch = 1
prompt_tokens = 128
answer_tokens = 64
[fleet]
kind = "inprocess"
meter = "cpu-time"
[[nodes]]
zone = "DE"
"""


def served_ratio(
    model: ModelFile, folder: Path, slots: int, requests: int, say: Callable[[str], None]
) -> float:
    """Median over slots of CPU per request: everything that a slot of a run takes (node, its server, coordinator,
    ledger) to the server's own process asked directly; ``requests`` in each, in turn, of the same process: another one
    may be 5 % quicker by where its memory lies."""
    ratios: list[float] = []
    scenario = SCENARIO.format(slots=slots + 1, path=model.path, requests=requests)
    fleet = InProcessFleet()
    begun_s = 0.0
    text: list[int] = []

    def opened(_: dict[str, str]) -> None:
        nonlocal begun_s
        begun_s = through_s()

    def through_s() -> float:
        return time.process_time() + process_cpu_s(server().pid)

    def bare_s(number: int) -> float:
        own = server()
        (port,) = [each.laddr.port for each in own.net_connections("inet") if each.status == "LISTEN"]
        url = f"http://127.0.0.1:{port}"
        if not text:
            text.extend(tokenised(url).tokens.tolist())
        asker, begun_s = Asker(url), process_cpu_s(own.pid)
        for place in range(requests):
            at = 977 * (1 + number * requests + place) % (len(text) - PROMPT_TOKENS)
            asker.ask(text[at : at + PROMPT_TOKENS], ANSWER_TOKENS)
        return process_cpu_s(own.pid) - begun_s

    def slot_ended(outcome: SlotOutcome) -> None:
        nonlocal begun_s
        spent_s = through_s() - begun_s
        if outcome.slot:  # the first one warms up
            ratios.append(spent_s / bare_s(outcome.slot))
            say(f"slot {outcome.slot}: {ratios[-1]:.3f}")
        begun_s = through_s()

    fleet.start()
    try:
        hooks = Hooks(on_open=opened, on_slot=slot_ended)
        execute(resolve(parse_scenario(scenario)), folder / "run", fleet, hooks)
    finally:
        fleet.stop()
    return statistics.median(ratios)


def server() -> psutil.Process:
    """The only language server of this process."""
    (found,) = [child for child in psutil.Process().children(recursive=True) if MODULE in child.cmdline()]
    return found
