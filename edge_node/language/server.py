"""The server process of a language model: started, asked for its health, ended with this process."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from edge_node.language.model_file import ModelFile
from edge_node.language.settings import ServerSettings

MODULE = "edge_node.language.process"
START_S = 120.0
"""A large file from a slow card."""
STOP_S = 5.0


class ServerError(RuntimeError):
    """The server does not start, or has ended."""


class LanguageServer:
    """Serves ``model`` on a port of the loopback: ``url`` speaks OpenAI's chat completions and llama.cpp's own calls.

    Args:
        adapter: What changes the model (adapter_file); None: nothing.

    Raises:
        ServerError: it does not start; the message says why.
    """

    def __init__(
        self,
        model: ModelFile,
        *,
        threads: int = 1,
        slots: int = 1,
        context_tokens: int = 2048,
        adapter: ModelFile | None = None,
    ) -> None:
        try:
            self._caches = tempfile.TemporaryDirectory(prefix="detabed-caches-", ignore_cleanup_errors=True)
        except OSError as error:
            raise _does_not_start(model, f"no folder for its caches: {error}") from error
        settings = ServerSettings(
            path=str(model.path),
            threads=threads,
            slots=slots,
            context_tokens=context_tokens,
            cache_folder=self._caches.name,
            adapter="" if adapter is None else str(adapter.path),
        )
        self.model, self.adapter, self.settings = model, adapter, settings
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # an interrupt from the keyboard is this process's matter
            )
        except OSError as error:  # the program is gone, may not be run, or there is no memory for it
            self._caches.cleanup()
            raise _does_not_start(model, str(error)) from error
        try:
            self.url, self.build = self._started()
        except BaseException:
            self.stop()
            raise
        """Where it answers, and the release of llama.cpp's bindings."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def cache_folder(self) -> Path:
        """Of prompt caches; its own, gone with the server."""
        return Path(self._caches.name)

    @property
    def works(self) -> bool:
        """Its process has not ended."""
        return self._process.poll() is None

    def _started(self) -> tuple[str, str]:
        """(address, build), once it answers."""
        assert self._process.stdin is not None  # pipes were asked for
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # what it says instead is read below
            self._process.stdin.write(self.settings.model_dump_json() + "\n")
            self._process.stdin.flush()
        readable, _, _ = select.select([self._process.stdout], [], [], START_S)
        line = self._process.stdout.readline() if readable else ""
        if not line:
            raise _does_not_start(self.model, self._ended() if readable else f"no answer in {START_S:.0f} s")
        try:
            told = json.loads(line)
            if "failed" not in told:
                return str(told["url"]), str(told["build"])
        except (ValueError, KeyError, TypeError) as error:
            raise _does_not_start(self.model, f"it says {line[:200]!r}") from error
        raise _does_not_start(self.model, str(told["failed"]))

    def _ended(self) -> str:
        try:
            return f"exit code {self._process.wait(STOP_S)}"
        except subprocess.TimeoutExpired:
            return "it closed its output without a word"

    def stop(self) -> None:
        """End it. May be called twice."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._caches.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _does_not_start(model: ModelFile, why: str) -> ServerError:
    return ServerError(f"the server of {model.path} does not start: {why}")
