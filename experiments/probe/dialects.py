"""How servers are asked, and what they say of a request: OpenAI's chat completions, and Ollama's own chat.

OpenAI's is spoken by llama.cpp (which adds ``timings``), vLLM, TGI, TensorRT-LLM and Ollama; only Ollama's own says
how long it read and wrote.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from experiments.probe.answer import Answer

NS_PER_S, MS_PER_S = 1e9, 1e3


class Dialect(Protocol):
    """One way to ask."""

    name: str
    path: str
    """Of the call, after the server's address."""
    models_path: str

    def body(self, model: str, prompt: str, tokens_out: int, whole: bool) -> dict[str, Any]:
        """The request, without randomness. ``whole``: an end that the model would choose earlier is passed over, where
        the server takes such a wish."""
        ...

    def read(self, line: str, now_s: float, answer: Answer) -> None:
        """One line of the answer's body."""
        ...

    def models(self, listed: Any) -> list[str]:
        """Names in the server's list of models."""
        ...


class OpenAi:
    """Chat completions, streamed as server-sent events."""

    name = "openai"
    path = "/v1/chat/completions"
    models_path = "/v1/models"

    def body(self, model: str, prompt: str, tokens_out: int, whole: bool) -> dict[str, Any]:
        asked = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": tokens_out,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return asked | ({"ignore_eos": True} if whole else {})

    def read(self, line: str, now_s: float, answer: Answer) -> None:
        if not line.startswith("data:") or (text := line.removeprefix("data:").strip()) == "[DONE]":
            return
        told = json.loads(text)
        if told.get("error"):
            raise ValueError(f"the server reports an error: {told['error']}")
        for choice in told.get("choices") or []:
            delta = choice.get("delta") or {}
            # What a model thinks aloud is generated and paid for like the rest.
            piece = delta.get("content") or delta.get("reasoning_content") or delta.get("reasoning")
            if piece:
                answer.text.append(piece)
                answer.times_s.append(now_s)
        if usage := told.get("usage"):
            answer.prompt_tokens, answer.tokens_out = usage["prompt_tokens"], usage["completion_tokens"]
            answer.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
        if timings := told.get("timings"):
            answer.prefill_s = timings["prompt_ms"] / MS_PER_S
            answer.decode_s = timings["predicted_ms"] / MS_PER_S
            answer.cached_tokens = timings.get("cache_n", answer.cached_tokens)

    def models(self, listed: Any) -> list[str]:
        return _names(listed.get("data"), "id")


class Ollama:
    """Ollama's chat: a line of JSON a piece, the last with counts and durations in nanoseconds."""

    name = "ollama"
    path = "/api/chat"
    models_path = "/api/tags"

    def body(self, model: str, prompt: str, tokens_out: int, whole: bool) -> dict[str, Any]:
        # It has no wish to pass over the end.
        return {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "stream": True,
            "options": {"num_predict": tokens_out, "temperature": 0},
        }

    def read(self, line: str, now_s: float, answer: Answer) -> None:
        if not line.strip():
            return
        told = json.loads(line)
        if told.get("error"):
            raise ValueError(f"the server reports an error: {told['error']}")
        message = told.get("message") or {}
        if piece := message.get("content") or message.get("thinking"):
            answer.text.append(piece)
            answer.times_s.append(now_s)
        if told.get("done"):
            # It leaves out the count of a prompt that it had read before.
            answer.prompt_tokens, answer.tokens_out = told.get("prompt_eval_count"), told.get("eval_count")
            if "eval_duration" in told and "prompt_eval_duration" in told:
                answer.prefill_s = told["prompt_eval_duration"] / NS_PER_S
                answer.decode_s = told["eval_duration"] / NS_PER_S

    def models(self, listed: Any) -> list[str]:
        return _names(listed.get("models"), "name")


def _names(listed: Any, key: str) -> list[str]:
    """Of the entries of a list that have one; a server may list something else."""
    entries = listed if isinstance(listed, list) else []
    return [str(one[key]) for one in entries if isinstance(one, dict) and key in one]


DIALECTS: dict[str, Dialect] = {each.name: each for each in (OpenAi(), Ollama())}
