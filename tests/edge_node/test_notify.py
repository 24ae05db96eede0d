"""Readiness is told once, to who asked for it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edge_node.notify import VARIABLE, ready


@pytest.mark.parametrize("abstract", [False, True])
def test_who_started_it_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    name = f"@detabed-test-{os.getpid()}" if abstract else str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:] if abstract else name)
        listening.settimeout(60)
        monkeypatch.setenv(VARIABLE, name)
        ready()
        assert listening.recv(100) == b"READY=1"
        assert VARIABLE not in os.environ, "processes that it starts do not tell"


def test_without_a_listener_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    ready()
