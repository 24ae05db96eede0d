"""The real server with the real small model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests

from edge_node.language.model_file import ModelFile, model_file
from edge_node.language.server import LanguageServer, ServerError
from tests.language_model import fetched_model

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def model() -> ModelFile:
    return model_file(fetched_model())


def test_it_answers_on_loopback_alone_and_ends(model: ModelFile) -> None:
    with LanguageServer(model, context_tokens=256) as server:
        assert requests.get(f"{server.url}/health", timeout=30).json() == {"status": "ok"}
        asked = {"prompt": "The capital of France is", "n_predict": 4, "temperature": 0}
        told = requests.post(f"{server.url}/completion", json=asked, timeout=60).json()
        assert "Paris" in told["content"]
        assert told["timings"]["predicted_n"] == 4
        process = psutil.Process(server.pid)
        listening = [each.laddr.ip for each in process.net_connections("inet") if each.status == "LISTEN"]
        assert listening == ["127.0.0.1"]
    assert not server.works


def test_a_prompt_beyond_the_context_is_refused_and_the_next_one_answered(model: ModelFile) -> None:
    with LanguageServer(model, context_tokens=256) as server:
        long = {"prompt": "word " * 400, "n_predict": 1}
        assert requests.post(f"{server.url}/completion", json=long, timeout=60).status_code == 400
        short = {"prompt": "word", "n_predict": 1}
        assert requests.post(f"{server.url}/completion", json=short, timeout=60).status_code == 200


def test_a_file_that_is_no_model_says_so(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(ServerError, match=r"broken\.gguf does not start"):
        LanguageServer(model_file(path))


def test_it_ends_with_the_process_that_started_it(model: ModelFile) -> None:
    code = (
        "import sys, time; from pathlib import Path; from edge_node.language.model_file import ModelFile\n"
        "from edge_node.language.server import LanguageServer\n"
        f"server = LanguageServer(ModelFile(Path({str(model.path)!r}), ''), context_tokens=256)\n"
        "print(server.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    end = time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < end
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # it may go away between two questions
        return False


@pytest.mark.parametrize(
    ("program", "mode", "why"),
    [
        (None, 0, "No such file"),
        ("#!/bin/sh\n", 0o644, "Permission denied"),
        ("#!/bin/sh\necho hello\n", 0o755, "it says 'hello"),
        ('#!/bin/sh\necho "[]"\n', 0o755, "it says"),
        ("#!/bin/sh\n", 0o755, "exit code 0"),
    ],
)
def test_a_program_that_is_gone_or_is_no_server_is_the_servers_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, mode: int, why: str
) -> None:
    path = tmp_path / "python"
    if program is not None:
        path.write_text(program)
        path.chmod(mode)
    monkeypatch.setattr(sys, "executable", str(path))
    with pytest.raises(ServerError, match=why):
        LanguageServer(ModelFile(tmp_path / "any.gguf", ""))
