"""How a language model is served."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ServerSettings(BaseModel):
    """Of one server process. Threads: on small machines a second one decodes no faster and takes twice the CPU time,
    for it waits by spinning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """Of the model's file."""
    adapter: str = ""
    """Of an adapter's file (adapter_file) that changes the model; empty: none."""
    threads: int = Field(default=1, ge=1, le=1024)
    slots: int = Field(default=1, ge=1, le=1024)
    """Requests that are answered at the same time."""
    context_tokens: int = Field(default=2048, ge=256)
    """Of each slot: prompt and answer together. llama.cpp makes less than 256 to 256."""
    cache_folder: str = ""
    """Where a slot's prompt cache is saved and read (prompt_cache); empty: it is neither."""
