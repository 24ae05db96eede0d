"""Memory that language servers on one machine take, against what it has."""

from __future__ import annotations

import psutil

from edge_node.config import LanguageConfig

PROCESS_BYTES = 64 * 2**20
"""Of a server beside the model and the slots' keys and values: 47 to 65 MB were measured (memory of the process that is
its own, SmolLM2-135M, xllamacpp 2026.10, contexts of 256 to 8,192 tokens in 1 to 8 slots)."""


class MemoryShort(ValueError):
    """Servers do not fit the machine's memory."""


def slots_bytes(config: LanguageConfig) -> int:
    """Keys and values of a server's slots; 0 where the model's file does not say how large they are."""
    return config.at_once * config.context_tokens * config.cache_bytes_per_token


def needed_bytes(config: LanguageConfig, model_bytes: int, servers: int = 1) -> int:
    """Of ``servers`` on one machine, which share the model's pages."""
    return model_bytes + servers * (slots_bytes(config) + PROCESS_BYTES)


def available_bytes() -> int:
    """Memory of this machine that is not in use."""
    return int(psutil.virtual_memory().available)


def require_memory(config: LanguageConfig, model_bytes: int, servers: int = 1) -> None:
    """Raises MemoryShort where this machine does not have the memory now that ``servers`` on it would take."""
    needed, available = needed_bytes(config, model_bytes, servers), available_bytes()
    if needed <= available:
        return
    what = "a server" if servers == 1 else f"{servers} servers"
    raise MemoryShort(
        f"{what} of {config.model} on this machine would take {_in_words(needed)} of memory, {_in_words(available)} "
        f"are available: {_in_words(model_bytes)} for the model, and for each server {_in_words(slots_bytes(config))} "
        f"for {config.at_once} {'slot' if config.at_once == 1 else 'slots'} of {config.context_tokens} tokens and "
        f"{_in_words(PROCESS_BYTES)} beside them; lower task.llm.at_once or task.llm.context_tokens, or take fewer "
        "nodes a machine"
    )


def _in_words(size: int) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"
