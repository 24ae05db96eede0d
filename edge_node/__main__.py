"""``python -m edge_node NODE.json``: one edge node as a daemon. Exit code 2 for bad input, 1 when cut off."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from edge_node.build import build_node
from edge_node.config import NodeConfig
from edge_node.daemon import ServeFlower, attend_only, run_daemon
from edge_node.meters.base import MeterError
from edge_node.slots.errors import NodeError
from edge_node.slots.link import Link, LinkError
from edge_node.tasks.process import configure_process


def load_config(path: Path) -> NodeConfig:
    """The node's configuration. Raises ValueError with every fault and its place."""
    try:
        return NodeConfig.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        faults = (f"  {'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors())
        raise ValueError("\n".join([f"{path} is no node configuration:", *faults])) from error


def load_server(reference: str) -> ServeFlower:
    """``package.module:function`` that runs the Flower client. Raises ValueError when there is none."""
    module, _, name = reference.partition(":")
    try:
        return cast(ServeFlower, getattr(import_module(module), name))
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"--serve {reference}: expected package.module:function ({error})") from error


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m edge_node", description="Run one edge node as a daemon.")
    parser.add_argument("config", type=Path, metavar="NODE.json", help="the node's configuration")
    parser.add_argument("--outbox", type=Path, help="file that keeps readings until they are acknowledged")
    parser.add_argument(
        "--serve", metavar="MODULE:FUNCTION", help="what runs the Flower client; default: none"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="threads of the learning; default 1: several nodes may share a machine; more for a board of one's own",
    )
    parser.add_argument("--log", default="warning", choices=["debug", "info", "warning", "error"])
    options = parser.parse_args(arguments)
    logging.basicConfig(level=options.log.upper(), format="%(asctime)s %(name)s %(levelname)s %(message)s")

    def announce(link: Link) -> None:
        # One line for the process that started this one: the node is up, and where peers and outside clients find it.
        ready = {
            "node_id": link.node.node_id,
            "peer_address": link.address,
            "infer_address": link.infer_address,
            "boot_id": link.node.boot_id,
        }
        print(json.dumps(ready), flush=True)

    try:
        configure_process(options.threads)
        config = load_config(options.config)
        if not config.coordinator_address:
            raise ValueError(f"{options.config}: coordinator_address is empty; give host:port")
        serve = attend_only if options.serve is None else load_server(options.serve)
        run_daemon(config, serve, build=build_node, outbox_path=options.outbox, on_ready=announce)
    except LinkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (ValueError, NodeError, MeterError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
