"""``python -m coordinator CONFIG.json``: the coordinator as a process of its own.

Prints one line of JSON when it is ready, ``{"address": "127.0.0.1:PORT", "pid": ..., "epoch": ...}``, and one
when it cannot go on, ``{"failed": "why"}``; logs to standard error, ends cleanly on SIGTERM or SIGINT, and dies with
its parent. Exit codes: 0 ended, 2 bad configuration, 70 the ledger could not be written.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from pathlib import Path

from pydantic import ValidationError

from carbon_data.refused import fault
from carbon_data.types import DataError
from coordinator.adapters.grpc_server import CoordinatorServer
from coordinator.config import EXIT_LEDGER_FAILED, CoordinatorConfig
from coordinator.ledger import LedgerError
from coordinator.policies.registry import make_policy
from coordinator.process import die_with_parent, leave_out_what_is_there, take_turns_quickly

if sys.platform == "win32":
    uvloop = None
else:
    import uvloop

EXIT_BAD_CONFIG = 2


def main(arguments: list[str]) -> int:
    """Run until told to end. Returns the exit code."""
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print((__doc__ or "").strip(), file=sys.stderr)
        return 0 if arguments and arguments[0] in ("-h", "--help") else EXIT_BAD_CONFIG
    die_with_parent(os.getppid())
    take_turns_quickly()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s coordinator %(levelname)s %(message)s")
    try:
        config = CoordinatorConfig.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(_serve(config))
    except ValidationError as error:
        first = error.errors()[0]
        _give_up(f"{arguments[0]}: {fault(first, 'file')} (got {first['input']!r:.80})")
    except (DataError, LedgerError, OSError, ValueError) as error:
        _give_up(f"coordinator: {error}")
    return EXIT_BAD_CONFIG


def _give_up(why: str) -> None:
    """Report a failure to the parent process and to the log; with a full disk the log may be missing."""
    print(json.dumps({"failed": why}), flush=True)
    with contextlib.suppress(OSError):
        print(why, file=sys.stderr, flush=True)


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it exists: not on Windows."""
    return asyncio.new_event_loop() if uvloop is None else uvloop.new_event_loop()


async def _serve(config: CoordinatorConfig) -> int:
    server = CoordinatorServer(config, make_policy(config.policy, **config.policy_options))
    told_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    try:
        port = await server.start()
        ready = {
            "address": f"{config.host}:{port}",
            "pid": os.getpid(),
            "epoch": server.service.books.epoch,
            "next_slot": server.service.books.next_slot,
        }
        leave_out_what_is_there()
        print(json.dumps(ready), flush=True)
        waits = [asyncio.ensure_future(event.wait()) for event in (told_to_end, server.failed)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
    finally:
        await server.stop()
    if server.failed.is_set():
        _give_up(f"coordinator: {server.ledger.failure}")
        return EXIT_LEDGER_FAILED
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    # Ledger and server are closed. Python's own end, module by module, would take another 0.13 s of every run.
    os._exit(code)
