"""Versions that the machines of a run have in common: with others a message may mean something else, or a weight."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata

COMPARED = ("detabed", "flwr", "torch", "numpy")


def versions() -> dict[str, str]:
    """By name; what is not installed as a package is left out. A build of torch (``+cpu``) is no other version."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in COMPARED:
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return found


def differences(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """Those that both sides know and that differ, for people; empty: none."""
    names = [name for name in ours if name in theirs and theirs[name] != ours[name]]
    return ", ".join(f"{name} {theirs[name]} (here {ours[name]})" for name in names)
