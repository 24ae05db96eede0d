"""Record a command's figures for the documentation: ``python -m benchmarks.record [--keep PATHS] NAME COMMAND...``.

Runs the command in a folder of its own, reads the JSON object that it prints (so it needs ``--json``), and writes it to
``docs/figures/NAME.json`` with the command, the date and this machine. ``python -m docs.fill`` then writes the figures
into the pages. A command that fails, or prints something else, writes nothing. ``--keep claims,tables.errors`` keeps
these parts of the object only, and the file names them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "figures"


def machine() -> dict[str, Any]:
    """This machine in words: processor, cores, memory in GiB, versions, and how many processes wanted a core."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_bytes / 2**30, 1),
        "python": platform.python_version(),
        "torch": version("torch"),
        "load": round(os.getloadavg()[0], 1),
    }


def printed(command: list[str]) -> dict[str, Any]:
    """The JSON object that ``command`` prints. Raises RuntimeError with what it said where it fails.

    Exit code 1 with an object is a study with a missed claim or a benchmark with a missed goal, and is kept.
    """
    words = [sys.executable, *command[1:]] if command[0] == "python" else list(command)
    if words[0] == "detabed":
        words = [sys.executable, "-m", "experiments.cli", *words[1:]]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            words, cwd=place, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True
        )
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise RuntimeError(
            f"{shlex.join(command)} printed no JSON object and ended with {done.returncode}; give it --json"
        ) from error
    if done.returncode not in (0, 1) or ("failed" in found and "policies" not in found):
        raise RuntimeError(f"{shlex.join(command)} ended with {done.returncode}: {found}")
    return dict(found)


def parts(found: dict[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """What lies at ``paths`` (keys between dots), in tables as before.

    Raises RuntimeError where nothing lies at one.
    """
    kept: dict[str, Any] = {}
    for path in paths:
        *above, last = path.split(".")
        source, target = found, kept
        try:
            for key in above:
                source, target = source[key], target.setdefault(key, {})
            target[last] = source[last]
        except (KeyError, TypeError) as error:
            raise RuntimeError(f"nothing lies at {path}; there are {', '.join(source)}") from error
    return kept


def record(name: str, command: list[str], folder: Path = FOLDER, keep: Sequence[str] = ()) -> Path:
    """Run ``command`` and write what it found to ``folder``/NAME.json, all of it or the parts ``keep``; the file."""
    here = machine()
    found = printed(command)
    content = {
        "command": shlex.join(command),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": here,
        **({"kept": list(keep)} if keep else {}),
        "found": parts(found, keep) if keep else found,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--keep", metavar="PATHS", help="keep these parts only: keys between dots, paths between commas"
    )
    parser.add_argument("name", help="of the file in docs/figures, without .json")
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, help="a command line that prints one JSON object"
    )
    asked = parser.parse_args()
    if not asked.command:
        parser.error("which command? For example: sweep python -m benchmarks.sweep --quick --json")
    sys.stdout.write(
        f"{record(asked.name, asked.command, keep=asked.keep.split(',') if asked.keep else ())}\n"
    )


if __name__ == "__main__":
    main()
