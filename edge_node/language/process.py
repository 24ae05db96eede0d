"""``python -m edge_node.language.process``: llama.cpp's HTTP server on this machine's loopback.

Standard input: one line, ServerSettings as JSON; it ends when standard input does. Standard output: one line,
``{"url": "http://127.0.0.1:PORT", "pid": ..., "build": VERSION}`` once it answers, or ``{"failed": WHY}``.
"""

from __future__ import annotations

import json
import os
import sys

from edge_node.language.settings import ServerSettings


def serve(settings: ServerSettings) -> object:
    """A server that answers until it is dropped. Raises RuntimeError where the model cannot be loaded."""
    # A node without language models does without the package.
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings.path
    params.n_ctx = settings.context_tokens * settings.slots
    params.n_parallel = settings.slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    params.n_threads_http = settings.slots + 2  # health and metrics beside the requests
    params.port = 0  # one that is free; the host is 127.0.0.1 by default
    params.cache_ram_mib = 0  # no prompts kept in memory beside the slots'
    params.endpoint_slots = params.endpoint_metrics = params.endpoint_props = True
    params.ui = False
    if settings.cache_folder:
        params.slot_save_path = settings.cache_folder.rstrip("/") + "/"
    if settings.adapter:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(settings.adapter, 1.0)]  # type: ignore[attr-defined]
    params.verbosity = 0
    return xllamacpp.Server(params)


def main() -> int:
    try:
        settings = ServerSettings.model_validate_json(sys.stdin.readline())
        server = serve(settings)
        import xllamacpp

        ready = {"url": server.listening_address, "pid": os.getpid(), "build": xllamacpp.__version__}  # type: ignore[attr-defined]
    except ImportError as error:
        print(json.dumps({"failed": f"{error}; install detabed[llm]"}), flush=True)
        return 1
    except (RuntimeError, ValueError, OSError) as error:
        print(json.dumps({"failed": f"{type(error).__name__}: {error}"}), flush=True)
        return 1
    print(json.dumps(ready), flush=True)
    sys.stdin.read()  # until the parent closes it, or dies
    os._exit(0)  # its threads do not end by themselves


if __name__ == "__main__":
    sys.exit(main())
