"""Generates protos/gen from protos/testbed.proto: ``python -m protos.generate [--check]``.

Generated code requires at least the protobuf and grpcio that its generator was built with, so the generator is
pinned to the oldest runtime that the project allows: grpcio-tools 1.78.0 gives code for protobuf >= 6.31.1 and
grpcio >= 1.78.0.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata, resources
from pathlib import Path

GENERATOR_VERSION = "1.78.0"
FOLDER = Path(__file__).resolve().parent
SOURCE = "testbed.proto"
OUTPUTS = ("testbed_pb2.py", "testbed_pb2.pyi", "testbed_pb2_grpc.py")


class GenerateError(RuntimeError):
    """The generator is missing, of another version, or refused the schema."""


def generate(root: Path) -> dict[str, str]:
    """Text of every generated file by name; ``root`` is an empty folder to work in. Raises GenerateError."""
    try:
        from grpc_tools import protoc
    except ImportError as error:
        raise GenerateError(
            f"grpcio-tools is not installed; run: pip install grpcio-tools=={GENERATOR_VERSION}"
        ) from error
    installed = metadata.version("grpcio-tools")
    if installed != GENERATOR_VERSION:
        raise GenerateError(
            f"grpcio-tools is {installed}, but generated code is made with {GENERATOR_VERSION} (a newer one "
            "would exclude runtimes that pyproject.toml allows); "
            f"run: pip install grpcio-tools=={GENERATOR_VERSION}"
        )
    arguments = [
        "protoc",
        f"-Iprotos/gen={FOLDER}",
        f"-I{resources.files('grpc_tools') / '_proto'}",
        f"--python_out={root}",
        f"--pyi_out={root}",
        f"--grpc_python_out={root}",
        f"protos/gen/{SOURCE}",
    ]
    if protoc.main(arguments) != 0:
        raise GenerateError(f"protoc refused {FOLDER / SOURCE}; its message is above")
    return {name: (root / "protos" / "gen" / name).read_text(encoding="utf-8") for name in OUTPUTS}


def stale(fresh: dict[str, str]) -> list[str]:
    """Names of committed files that differ from ``fresh``."""
    target = FOLDER / "gen"
    return [
        name
        for name, text in fresh.items()
        if not (target / name).is_file() or (target / name).read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when done or fresh, 1 when stale, 2 when it could not run."""
    parser = argparse.ArgumentParser(prog="python -m protos.generate", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when committed code is stale"
    )
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            fresh = generate(Path(folder))
    except GenerateError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    changed = stale(fresh)
    if options.check:
        if changed:
            print(f"stale: {', '.join(changed)}; run: python -m protos.generate", file=sys.stderr)
        return 1 if changed else 0
    for name in changed:
        (FOLDER / "gen" / name).write_text(fresh[name], encoding="utf-8")
    print(f"written: {', '.join(changed)}" if changed else "generated code is fresh")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
