"""A node's language part with the real server, the real small model and a meter of CPU time."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from edge_node.config import BoardConfig, LanguageConfig
from edge_node.language.ask import Asker
from edge_node.language.model_file import model_file
from edge_node.language.node_server import NodeServer
from edge_node.language.shape import shape_of
from edge_node.language.work import LanguageWorkload
from edge_node.meters.base import MeterContext, Slot
from edge_node.meters.cpu_time import CpuTimeMeter
from edge_node.meters.pieces import Pieces
from edge_node.workload import InferResult
from protos.messages.terms import Component, Stage
from tests.language_model import fetched_model

BOARD = BoardConfig(
    name="b",
    static_w=2.0,
    busy_w=6.0,
    sleep_w=0.1,
    wake_j=0,
    wake_s=0,
    effective_flop_per_s=1e10,
    tx_j_per_byte=0,
    rx_j_per_byte=0,
    storage_bytes=0,
)
N = TypeVar("N", bound="Node")
SERVING = Slot(0, Stage.APPLICATION, True, False)


def real_config(**changes: Any) -> LanguageConfig:
    """Prompts of 40 tokens, answers of 6."""
    found = model_file(fetched_model())
    shape = shape_of(found.path)
    told = {
        "path": str(found.path),
        "sha256": found.sha256,
        "model": found.name,
        "context_tokens": 256,
        "prompt_tokens": 40,
        "answer_tokens": 6,
        "longest_tokens": 40,
        "block_parameters": shape.block_parameters,
        "output_parameters": shape.output_parameters,
        "attention_width": shape.attention_width,
        "cache_bytes_per_token": shape.cache_bytes_per_token,
    }
    return LanguageConfig(**(told | changes))


class Node:
    """Its server runs from the first request on; ``server.stop`` ends it."""

    def __init__(self, config: LanguageConfig) -> None:
        self.server = NodeServer("n0", config)
        self.meter = CpuTimeMeter(MeterContext(BOARD, 100.0, beside_cpu_s=self.server.cpu_s), cores=1)
        self.work = LanguageWorkload(config, 2, (1, 0), self.server, Pieces(self.meter, BOARD))

    def infer(self, *batch_ids: int, **changed: Any) -> InferResult:
        self.meter.begin()
        batches = [{**self.work.batch(batch_id, Stage.APPLICATION), **changed} for batch_id in batch_ids]
        self.meter.begin()
        return self.work.infer({}, batches)

    def energies(self) -> dict[tuple[Stage, Component], int]:
        return {(line.stage, line.component): line.energy_uj for line in self.meter.close(SERVING)}


def dies_in_mid_answer(node: Node, monkeypatch: pytest.MonkeyPatch) -> int:
    """The node's server is killed once the first bytes of its next answer have come. Returns its process."""
    pid, hear, alive = node.server.pid, Asker._more, [True]
    assert pid is not None

    def more(asker: Asker, heard: Any) -> None:
        hear(asker, heard)
        if alive:
            alive.clear()
            os.kill(pid, signal.SIGKILL)

    monkeypatch.setattr(Asker, "_more", more)
    return pid


@contextmanager
def two_nodes(made: type[N], config: LanguageConfig) -> Iterator[tuple[N, N]]:
    """Two of a kind; their servers end with the context."""
    one, two = made(config), made(config)
    yield one, two
    one.server.stop()
    two.server.stop()


def tokens_of(node: Node, text: str) -> list[int]:
    """``text`` in tokens of the node's model."""
    node.server.ready()
    assert node.server._server is not None
    asked = urllib.request.Request(
        f"{node.server._server.url}/tokenize",
        json.dumps({"content": text}).encode(),
        {"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(asked) as answer:
        found: list[int] = json.load(answer)["tokens"]
    return found


CHINESE = "你好，" * 8
"""40 tokens of SmolLM2: a sign takes several, and the stream has no event for those within one."""
