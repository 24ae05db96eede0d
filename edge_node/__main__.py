"""``python -P -m edge_node BOARD.json``: a board's daemon. Exit code 2 for bad input, 1 when refused for good."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_node.board_file import read_board_file
from edge_node.daemon import DaemonError, run_daemon
from edge_node.tasks.process import configure_process


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -P -m edge_node", description="Host this board's node in one run after the other."
    )
    parser.add_argument(
        "board", type=Path, metavar="BOARD.json", help="who this board is, and where it dials"
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
    try:
        configure_process(options.threads)
        run_daemon(read_board_file(options.board))
    except DaemonError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
