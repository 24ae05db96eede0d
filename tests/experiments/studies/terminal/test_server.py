"""The edge server's process: ``python -m experiments.studies.terminal.server MODELS DIGEST``."""

from __future__ import annotations

import socket
import threading

from experiments.studies.terminal.options import Options
from experiments.studies.terminal.server import answer, serve
from experiments.studies.terminal.wire import (
    Kind,
    Message,
)


def test_garbage_is_answered_with_a_reason(options: Options) -> None:
    for index, option in enumerate(options.offload):
        reply = answer(Message(Kind.REQUEST, index, 7, b"\0"), options)
        assert reply.kind is Kind.ERROR
        assert reply.sequence == 7
        option.reset()
    assert answer(Message(Kind.REQUEST, 999, 7, b""), options).kind is Kind.ERROR


def test_a_server_ends_when_the_terminal_goes_away(options: Options) -> None:
    here, there = socket.socketpair()
    ended: list[object] = []

    def run() -> None:
        try:
            serve([there], [options])
        except SystemExit as stop:
            ended.append(stop.code)

    worker = threading.Thread(target=run)
    worker.start()
    here.close()
    worker.join(120)
    there.close()
    assert ended
    assert "ended" in str(ended[0])
