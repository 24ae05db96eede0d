"""The language server of one node: started and ended with it, asked for its health, started again where it died."""

from __future__ import annotations

import contextlib
import http.client
import logging
import urllib.request
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from carbon_data.types import DataError
from edge_node.config import LanguageConfig
from edge_node.language.ask import Asker
from edge_node.language.memory import MemoryShort, require_memory
from edge_node.language.model_file import ModelFile, model_file
from edge_node.language.prompt_cache import CacheError, Kin, PromptCache, put, take
from edge_node.language.prompts import Corpus, tokenised
from edge_node.language.server import LanguageServer, ServerError
from edge_node.meters.process_time import process_cpu_s

log = logging.getLogger(__name__)
HEALTH_S = 10.0


class NodeServer:
    """Keeps one server process at work.

    Args:
        node_id: For messages.
        config: Which model, and how it is served.

    Raises:
        DataError: the model's file is missing, is none, or is another, or this machine lacks memory for the server.
    """

    def __init__(self, node_id: str, config: LanguageConfig) -> None:
        self._node_id, self._config = node_id, config
        self.model = checked_model(config.path, config.sha256)
        try:
            require_memory(config, self.model.path.stat().st_size)
        except MemoryShort as error:
            raise DataError(f"{node_id}: {error}") from error
        self._server: LanguageServer | None = None
        self._asker: Asker | None = None
        self._corpus: Corpus | None = None
        self._ended_cpu_s = self._last_cpu_s = 0.0
        self._starts = 0
        self.restarts = 0
        """How often it was started again."""

    @property
    def pid(self) -> int | None:
        """Of the process; None: there is none."""
        return None if self._server is None else self._server.pid

    def start(self) -> None:
        """Raises ServerError where it does not start."""
        if self._server is None:
            self._starts += 1
            self._server = LanguageServer(
                self.model,
                threads=self._config.threads,
                slots=self._config.at_once,
                context_tokens=self._config.context_tokens,
            )
            self._asker = Asker(self._server.url)

    def ready(self) -> Asker:
        """The way to a server that answers; one that does not is replaced. Raises ServerError."""
        if self._server is not None and not self._is_healthy(self._server):
            self.drop()
        if self._server is None and self._starts:
            self.restarts += 1
            log.warning("%s: the server of %s is started again", self._node_id, self.model.name)
        self.start()
        assert self._asker is not None  # it was started
        return self._asker

    def ready_for(self, requests: int) -> list[Asker]:
        """Ways to ask so many requests at once, each of a slot of its own. Raises ServerError."""
        self.ready()
        assert self._server is not None
        return [Asker(self._server.url) for _ in range(requests)]

    def kin(self) -> Kin:
        """What another node's server must have in common with this one, which need not have started."""
        return Kin(self.model.sha256, version("xllamacpp"), slots=self._config.at_once)

    def taken(self) -> PromptCache:
        """The cache of the prompt that was read last. Raises CacheError."""
        if self._server is None:
            raise CacheError(f"the server of {self.model.name} has ended")
        return take(self._server)

    def put(self, cache: PromptCache) -> None:
        """The server is as if it had read that prompt. Raises CacheError and ServerError."""
        self.ready()
        assert self._server is not None
        put(self._server, cache)

    def corpus(self) -> Corpus:
        """The text of the users' requests in the model's tokens. Raises ServerError."""
        if self._corpus is None:
            self.ready()
            assert self._server is not None
            try:
                self._corpus = tokenised(self._server.url)
            except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
                why = f"{type(error).__name__}: {error}"
                raise ServerError(f"the server of {self.model.name} does not tokenise: {why}") from error
        return self._corpus

    def cpu_s(self) -> float:
        """CPU seconds of all processes so far: never fewer than before."""
        if self._server is not None:
            with contextlib.suppress(OSError):  # it was waited for: what was read last is all there is
                self._last_cpu_s = process_cpu_s(self._server.pid)
        return self._ended_cpu_s + self._last_cpu_s

    def drop(self) -> None:
        """End the process; the next request starts another."""
        self._ended_cpu_s, self._last_cpu_s = self.cpu_s(), 0.0
        if self._asker is not None:
            self._asker.close()
        if self._server is not None:
            self._server.stop()
        self._server = self._asker = None

    def stop(self) -> None:
        """The node ends. May be called twice."""
        self.drop()

    @staticmethod
    def _is_healthy(server: LanguageServer) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{server.url}/health", timeout=HEALTH_S) as answer:
                return bool(answer.status == 200)
        except (OSError, http.client.HTTPException):
            return False


def checked_model(path: str, sha256: str) -> ModelFile:
    """The model's file, whose content is read once a process. Raises DataError."""
    if not path:
        return model_file(None, sha256)
    try:
        stat = Path(path).stat()
    except OSError:
        return model_file(Path(path), sha256)  # says what is wrong
    return _checked(path, sha256, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _checked(path: str, sha256: str, mtime_ns: int, size: int) -> ModelFile:
    return model_file(Path(path), sha256)
