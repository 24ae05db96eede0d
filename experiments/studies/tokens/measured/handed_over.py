"""Disaggregated against whole: a prompt read by one server and answered by another, beside one that does both."""

from __future__ import annotations

import socket
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_node.language.prompt_cache import PromptCache, put, take
from edge_node.language.server import LanguageServer
from experiments.studies.fei.engine import content_key, tell
from experiments.studies.tokens.measured.calls import Calls, room_for
from experiments.studies.tokens.measured.files import file_of, passage
from experiments.studies.tokens.measured.meter import board, depends, joules_of, own_joules

ANSWER_TOKENS = 32


@dataclass(frozen=True, slots=True)
class HandOverCell:
    """Prompts of several lengths, each answered both ways on the same two servers."""

    kind: str
    repeat: int
    lengths: tuple[int, ...]

    @property
    def weight(self) -> float:
        return 2.0 * sum(self.lengths) / 200.0

    def key(self) -> str:
        return content_key("hand-over", asdict(self), depends(__name__))

    def compute(self, scratch: Path) -> dict[str, Any]:
        """``rows``: joules of both ways and their parts, bytes of the cache, and whether the answers are the same."""
        model, rows = file_of(self.kind), []
        context = room_for(max(self.lengths) + ANSWER_TOKENS)
        with (
            LanguageServer(model, context_tokens=context) as one,
            LanguageServer(model, context_tokens=context) as two,
        ):
            for number, length in enumerate(self.lengths):
                tell(scratch, f"hand-over, {length} tokens", self.weight * number / len(self.lengths))
                place = (0.13 + 0.17 * self.repeat + 0.07 * number) % 1.0
                tokens = Calls(one).tokens(passage(place, 6 * length + 64))[:length]
                rows.append(_both_ways(Calls(one), Calls(two), tokens))
        return {"rows": rows}


def _both_ways(first: Calls, second: Calls, tokens: list[int]) -> dict[str, Any]:
    """The first token comes out of reading, where the prompt was read: the second server would have to compute the
    prompt's last token again, alone, and would at times choose another."""
    for each in (first, second):
        each.complete([1, 2, 3], 2)  # what the slot held is gone
    whole_j, alone = joules_of(second.server, lambda: second.complete(tokens, ANSWER_TOKENS))
    second.complete([1, 2, 3], 2)
    read_j, begun = joules_of(first.server, lambda: first.complete(tokens, 1, cached=True))
    taken_j, (own_take_j, cache) = joules_of(first.server, lambda: own_joules(lambda: take(first.server)))
    own_ship_j, there = own_joules(lambda: shipped(cache))
    put_j, (own_put_j, _) = joules_of(second.server, lambda: own_joules(lambda: put(second.server, there)))
    write_j, rest = joules_of(
        second.server,
        lambda: second.complete([*tokens, *begun["tokens"]], ANSWER_TOKENS - 1, cached=True),
    )
    size = len(cache.content)
    return {
        "tokens": len(tokens),
        "whole_j": whole_j,
        "read_j": read_j,
        "hand_over_j": taken_j + put_j + own_take_j + own_ship_j + own_put_j,
        "write_j": write_j,
        "bytes": size,
        "radio_j": size * (board().tx_j_per_byte + board().rx_j_per_byte),
        "restored_prompt_n": int(rest["timings"]["prompt_n"]),
        "same": begun["tokens"] + rest["tokens"] == alone["tokens"],
    }


def shipped(cache: PromptCache) -> PromptCache:
    """The cache after its bytes went over a connection on the loopback."""
    received = bytearray(len(cache.content))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sender = threading.Thread(target=_send, args=(listening.getsockname(), cache.content))
        sender.start()
        connection, _ = listening.accept()
        with connection:
            view, have = memoryview(received), 0
            while have < len(received) and (count := connection.recv_into(view[have:])):
                have += count
        sender.join()
    return PromptCache(cache.kin, cache.tokens, bytes(received), cache.sha256)


def _send(address: tuple[str, int], content: bytes) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(content)
