"""Versions of what a run depends on, for its metadata."""

from __future__ import annotations

import importlib.metadata
import platform

VERSIONS = (
    "detabed",
    "flwr",
    "ray",
    "torch",
    "grpcio",
    "protobuf",
    "highspy",
    "numpy",
    "pandas",
    "pvlib",
)


def versions() -> dict[str, str]:
    """Name to version, Python's among them."""
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    return found
