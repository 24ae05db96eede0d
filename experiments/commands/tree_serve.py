"""``detabed tree serve``: a small language model on this machine, to try a probe with."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from carbon_data.types import DataError
from edge_node.language.model_file import model_file
from edge_node.language.server import LanguageServer, ServerError
from experiments.commands.options import JsonOption
from experiments.commands.output import out, print_json
from experiments.errors import RunError, UsageError

POLL_S = 0.2


def _end(number: int, frame: object) -> None:
    """Unwind, so that the server ends too."""
    raise SystemExit(128 + number)


def tree_serve(
    model: Annotated[
        Path | None, typer.Argument(help="Model file (.gguf); default: the data set smollm2-135m.")
    ] = None,
    sha256: Annotated[str | None, typer.Option(help="What the file must be.")] = None,
    threads: Annotated[int, typer.Option(min=1, max=1024, help="Threads that compute.")] = 1,
    slots: Annotated[int, typer.Option(min=1, max=1024, help="Requests answered at the same time.")] = 1,
    context: Annotated[int, typer.Option(min=256, help="Tokens of a request, prompt and answer.")] = 2048,
    adapter: Annotated[
        Path | None, typer.Option(help="Adapter of the model (.gguf), as `detabed tree adapter` writes it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    try:
        found = model_file(model, sha256)
        server = LanguageServer(
            found,
            threads=threads,
            slots=slots,
            context_tokens=context,
            adapter=None if adapter is None else model_file(adapter),
        )
    except DataError as error:
        raise UsageError(str(error)) from error
    except ServerError as error:
        raise RunError(str(error)) from error
    signal.signal(signal.SIGTERM, _end)
    with server:
        if as_json:
            print_json(
                {"url": server.url, "pid": server.pid, "model": str(found.path), "sha256": found.sha256}
            )
        else:
            out.print(
                f"serving {found.name} at {server.url}, process {server.pid}; Ctrl-C ends it", highlight=False
            )
            out.print(
                f"try: detabed tree probe {server.url} --meter cpu-time:{server.pid}",
                highlight=False,
                soft_wrap=True,
            )
        while server.works:
            time.sleep(POLL_S)
    raise RunError(f"the server at {server.url} has ended by itself")
