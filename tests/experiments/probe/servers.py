"""Small local servers that answer as documented: llama.cpp, vLLM, TGI (OpenAI's chat completions) and Ollama's chat."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "small-model"
AROUND, CACHED = 10, 4
"""Tokens that the template puts around a prompt, of which so many are cached."""
J_PER_TOKEN_IN, J_PER_TOKEN_OUT = 0.5, 2.0
"""Of the GPUs of ``tensorrt-llm``."""
PREFILL_MS_PER_TOKEN, DECODE_MS_PER_TOKEN = 2.0, 5.0


def tokens_of(prompt: str) -> int:
    return AROUND + len(prompt.split())


def joules_of(body: dict[str, Any]) -> float:
    return J_PER_TOKEN_IN * tokens_of(body["messages"][0]["content"]) + J_PER_TOKEN_OUT * body["max_tokens"]


def _openai(kind: str, body: dict[str, Any]) -> list[str]:
    count_in, count_out = tokens_of(body["messages"][0]["content"]), body["max_tokens"]
    lines = [{"choices": [{"delta": {"role": "assistant", "content": ""}}]}]
    # Two tokens come in one piece: a piece is not a token.
    for place in range(0, count_out, 2):
        text = "word " * min(2, count_out - place)
        lines.append({"choices": [{"index": 0, "delta": {"content": text}}]})
    usage: dict[str, Any] = {"prompt_tokens": count_in, "completion_tokens": count_out}
    last: dict[str, Any] = {"choices": [], "usage": usage}
    if kind == "llama.cpp":
        usage["prompt_tokens_details"] = {"cached_tokens": CACHED}
        last["timings"] = {
            "cache_n": CACHED,
            "prompt_n": count_in - CACHED,
            "prompt_ms": PREFILL_MS_PER_TOKEN * (count_in - CACHED),
            "predicted_n": count_out,
            "predicted_ms": DECODE_MS_PER_TOKEN * count_out,
        }
    if kind == "vllm":
        usage["prompt_tokens_details"] = None
    if kind == "no-usage" or (kind == "some-usage" and count_out > 1):
        last.pop("usage")
    return [f"data: {json.dumps(line)}\n\n" for line in [*lines, last]] + ["data: [DONE]\n\n"]


def _ollama(body: dict[str, Any]) -> list[str]:
    count_in, count_out = tokens_of(body["messages"][0]["content"]), body["options"]["num_predict"]
    lines: list[dict[str, Any]] = [
        {"model": MODEL, "message": {"role": "assistant", "content": "word "}, "done": False}
    ] * count_out
    last = {
        "model": MODEL,
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "length",
        "prompt_eval_count": count_in,
        "prompt_eval_duration": int(PREFILL_MS_PER_TOKEN * 1e6 * count_in),
        "eval_count": count_out,
        "eval_duration": int(DECODE_MS_PER_TOKEN * 1e6 * count_out),
    }
    return [json.dumps(line) + "\n" for line in [*lines, last]]


@contextmanager
def serving(kind: str, after: int | None = None) -> Iterator[str]:
    """Address of a server of ``kind``: llama.cpp, vllm, tgi, ollama, tensorrt-llm (``-off`` without its reading of
    energy, ``-again`` with one that began anew, ``-stands`` with a clock that stands); strict (refuses wishes it does
    not know), no-usage, some-usage (for one token alone), key (wants one), several (has two models). ``after`` so many
    requests it breaks off."""
    answered: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Quiet."""

        def _say(self, code: int, told: Any) -> None:
            text = json.dumps(told).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            if kind == "key" and self.headers.get("Authorization") != "Bearer right":
                return self._say(401, {"error": "no key"})
            if self.path == "/api/version" and kind == "ollama":
                return self._say(200, {"version": "0.12.0"})
            if self.path == "/api/tags" and kind == "ollama":
                return self._say(200, {"models": [{"name": MODEL}]})
            if self.path == "/energy_metrics" and kind.startswith("tensorrt-llm"):
                if kind == "tensorrt-llm-off":
                    return self._say(503, {"error": "Energy monitoring is not available"})
                total_j = 5000.0 + sum(map(joules_of, answered)) * (-1 if kind == "tensorrt-llm-again" else 1)
                clock_s = 1.0 if kind == "tensorrt-llm-stands" else time.perf_counter()
                return self._say(200, {"total_energy_j": round(total_j, 4), "query_time": clock_s})
            if self.path == "/v1/models" and kind != "ollama":
                names = [MODEL, "other"] if kind == "several" else [MODEL]
                return self._say(200, {"object": "list", "data": [{"id": name} for name in names]})
            return self._say(404, {"error": "not found"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if kind == "strict" and "ignore_eos" in body:
                return self._say(422, {"error": "unknown field ignore_eos"})
            if (self.path == "/api/chat") != (kind == "ollama"):
                return self._say(404, {"error": "not found"})
            answered.append(body)
            pieces = _ollama(body) if self.path == "/api/chat" else _openai(kind, body)
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for place, piece in enumerate(pieces):
                if after is not None and len(answered) > after and place == 1:
                    self.close_connection = True
                    return None
                data = piece.encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
