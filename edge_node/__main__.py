"""``python -P -m edge_node BOARD.json``: a board's daemon. Exit code 2 for bad input, 1 when refused for good."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from carbon_data.files.folders import DATA_DIR_VARIABLE
from carbon_data.own_code import look_beside
from edge_node.board_file import read_board_file
from edge_node.daemon import DaemonError, run_daemon
from edge_node.tasks.memory import share_one_heap
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
        help="threads of the learning, instead of the file's (default 1: several nodes may share a machine)",
    )
    parser.add_argument("--log", default="warning", choices=["debug", "info", "warning", "error"])
    options = parser.parse_args(arguments)
    logging.basicConfig(level=options.log.upper(), format="%(asctime)s %(name)s %(levelname)s %(message)s")
    share_one_heap()
    try:
        configure_process(1 if options.threads is None else options.threads)
        board = read_board_file(options.board)
        if options.threads is None:
            configure_process(board.threads)
        if board.own_code is not None:
            look_beside(board.own_code)
        if board.data is not None:
            os.environ[DATA_DIR_VARIABLE] = str(board.data)
        run_daemon(board)
    except DaemonError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
