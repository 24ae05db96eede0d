"""The language server of one node: started again where it died, its CPU time never lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from edge_node.config import LanguageConfig
from edge_node.language import node_server as module
from edge_node.language.model_file import model_file
from edge_node.language.node_server import NodeServer
from edge_node.language.server import ServerError
from tests.language_model import fetched_model

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def config() -> LanguageConfig:
    found = model_file(fetched_model())
    return LanguageConfig(
        path=str(found.path),
        sha256=found.sha256,
        model=found.name,
        context_tokens=256,
        block_parameters=1,
        output_parameters=1,
        attention_width=1,
    )


def test_one_that_died_between_requests_is_replaced_and_no_cpu_time_is_lost(config: LanguageConfig) -> None:
    server = NodeServer("n0", config)
    assert server.pid is None
    assert server.cpu_s() == 0.0
    server.ready().ask([1, 2, 3], 2)
    first, spent_s = server.pid, server.cpu_s()
    assert first is not None
    assert spent_s > 0.0
    os.kill(first, signal.SIGKILL)
    assert server.ready().ask([1, 2, 3], 2).tokens_out == 2
    assert server.pid != first
    assert server.restarts == 1
    assert server.cpu_s() > spent_s
    server.stop()
    server.stop()
    assert server.pid is None


def test_a_file_that_no_server_loads_is_the_servers_error(config: LanguageConfig, tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + b"\0" * 100)
    other = config.model_copy(update={"path": str(path), "sha256": model_file(path).sha256})
    with pytest.raises(ServerError, match=r"broken\.gguf does not start"):
        NodeServer("n0", other).start()


def test_a_server_that_tokenises_in_no_known_form_is_the_servers_error(
    config: LanguageConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tokenised(url: str) -> Any:
        raise ValueError("no JSON")

    monkeypatch.setattr(module, "tokenised", tokenised)
    server = NodeServer("n0", config)
    try:
        with pytest.raises(ServerError, match="does not tokenise"):
            server.corpus()
    finally:
        server.stop()
