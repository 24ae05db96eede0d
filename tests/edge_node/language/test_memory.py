"""What servers take: counted by hand, held against a machine of known size, and against a real server."""

from __future__ import annotations

import psutil
import pytest

from carbon_data.types import DataError
from edge_node.config import LanguageConfig
from edge_node.language import memory as module
from edge_node.language.memory import (
    PROCESS_BYTES,
    MemoryShort,
    needed_bytes,
    require_memory,
    slots_bytes,
)
from edge_node.language.model_file import model_file
from edge_node.language.node_server import NodeServer
from edge_node.language.server import LanguageServer
from edge_node.language.shape import shape_of
from tests.language_model import fetched_model

CONFIG = LanguageConfig(
    sha256="0" * 64,
    model="some-model",
    at_once=8,
    context_tokens=2048,
    block_parameters=1,
    output_parameters=1,
    attention_width=1,
    cache_bytes_per_token=23_040,
)


def test_every_server_has_its_slots_and_all_share_the_model() -> None:
    assert slots_bytes(CONFIG) == 8 * 2048 * 23_040
    assert needed_bytes(CONFIG, 1000, servers=3) == 1000 + 3 * (8 * 2048 * 23_040 + PROCESS_BYTES)


def test_what_does_not_fit_is_refused_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = needed_bytes(CONFIG, 98_000_000, servers=3)
    monkeypatch.setattr(module, "available_bytes", lambda: needed)
    require_memory(CONFIG, 98_000_000, servers=3)
    monkeypatch.setattr(module, "available_bytes", lambda: needed - 1)
    with pytest.raises(
        MemoryShort,
        match=r"3 servers of some-model on this machine would take 1\.43 GB of memory, 1\.43 GB are available: "
        r"98 MB for the model, and for each server 377 MB for 8 slots of 2048 tokens",
    ):
        require_memory(CONFIG, 98_000_000, servers=3)


def test_a_node_without_the_memory_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    found = model_file(fetched_model())
    config = CONFIG.model_copy(update={"path": str(found.path), "sha256": found.sha256})
    monkeypatch.setattr(module, "available_bytes", lambda: 10**8)
    with pytest.raises(DataError, match=r"n7: a server of some-model .*lower task\.llm\.at_once"):
        NodeServer("n7", config)


@pytest.mark.processes
@pytest.mark.parametrize(("slots", "context_tokens"), [(1, 2048), (4, 2048)])
def test_a_real_server_takes_what_is_counted(slots: int, context_tokens: int) -> None:
    found = model_file(fetched_model())
    shape = shape_of(found.path)
    config = CONFIG.model_copy(
        update={
            "at_once": slots,
            "context_tokens": context_tokens,
            "cache_bytes_per_token": shape.cache_bytes_per_token,
        }
    )
    with LanguageServer(found, slots=slots, context_tokens=context_tokens) as server:
        own_bytes = psutil.Process(server.pid).memory_full_info().uss
    # The model's pages are the process's own where no other server has them.
    assert slots_bytes(config) < own_bytes <= needed_bytes(config, found.path.stat().st_size)
