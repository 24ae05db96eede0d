"""Entry point of ``detabed``. It imports next to nothing, so that Ctrl-C is answered before the program is imported."""

from __future__ import annotations

from importlib import import_module

from experiments.interrupts import end, ending_at_once


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    try:
        with ending_at_once():
            command_line = import_module("experiments.cli").main
        command_line()
    except KeyboardInterrupt:
        end()


if __name__ == "__main__":
    main()
