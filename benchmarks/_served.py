"""Requests to a language model through the testbed, beside the same requests to a bare server: CPU time of each."""

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
from edge_node.language.server import MODULE, LanguageServer
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
    ledger) to a bare server's own process, ``requests`` in each, in turn."""
    ratios: list[float] = []
    with LanguageServer(model) as bare:
        asker, text = Asker(bare.url), tokenised(bare.url).tokens.tolist()
        asker.ask(text[:PROMPT_TOKENS], ANSWER_TOKENS)

        def bare_s(number: int) -> float:
            begun_s = process_cpu_s(bare.pid)
            for place in range(requests):
                at = 977 * (1 + number * requests + place) % (len(text) - PROMPT_TOKENS)
                asker.ask(text[at : at + PROMPT_TOKENS], ANSWER_TOKENS)
            return process_cpu_s(bare.pid) - begun_s

        def through_s() -> float:
            own = [
                child.pid
                for child in psutil.Process().children(recursive=True)
                if MODULE in child.cmdline() and child.pid != bare.pid
            ]
            return time.process_time() + sum(process_cpu_s(pid) for pid in own)

        begun_s = 0.0

        def opened(_: dict[str, str]) -> None:
            nonlocal begun_s
            begun_s = through_s()

        def slot_ended(outcome: SlotOutcome) -> None:
            nonlocal begun_s
            spent_s = through_s() - begun_s
            if outcome.slot:  # the first one reads the text of all requests
                ratios.append(spent_s / bare_s(outcome.slot))
                say(f"slot {outcome.slot}: {ratios[-1]:.3f}")
            begun_s = through_s()

        scenario = SCENARIO.format(slots=slots + 1, path=model.path, requests=requests)
        fleet = InProcessFleet()
        fleet.start()
        try:
            hooks = Hooks(on_open=opened, on_slot=slot_ended)
            execute(resolve(parse_scenario(scenario)), folder / "run", fleet, hooks)
        finally:
            fleet.stop()
    return statistics.median(ratios)
