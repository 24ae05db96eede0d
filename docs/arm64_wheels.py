"""Wheels that a board with 64-bit ARM and Linux installs, by name and version: the table of docs/raspberry-pi.md.

Command: python docs/arm64_wheels.py [--python 3.13]
Cost:    half a gigabyte from the package index.

``pip download --platform`` fetches wheels of another platform, and reads their conditions (``platform_machine == ...``)
as those of this machine. So each is fetched by itself (``--no-deps``), and its requirements are read here as the board
reads them. Versions are those installed here, which fit each other and are tested; else the newest.
Packages of CUDA are left out: torch comes from PyTorch's CPU index there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.parser import Parser
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

REQUIREMENTS = Path(__file__).parents[1] / "edge_node" / "requirements.txt"
GLIBC = range(17, 37)
"""Debian 12 has glibc 2.36, Debian 13 a later one."""
PLATFORMS = ("manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in GLIBC))
CUDA = ("nvidia-", "cuda-", "triton")
Fetch = Callable[[Requirement], Path]
Installed = Callable[[str], str | None]
"""Version by name; None: it is not."""


@dataclass(frozen=True)
class Wheel:
    """One file, and what it needs on the board."""

    name: str
    version: str
    file: str
    needs: tuple[Requirement, ...]


def board_environment(python: str) -> dict[str, str]:
    """What conditions of requirements are read against."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": "aarch64",
        "platform_system": "Linux",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "sys_platform": "linux",
        "os_name": "posix",
        "extra": "",
    }


def installed_here(name: str) -> str | None:
    """Without the local part: a CPU build of torch is the same version."""
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def resolved(
    requirements: Iterable[Requirement], python: str, fetch: Fetch, installed: Installed = installed_here
) -> dict[str, Wheel]:
    """Wheels by name, until none lacks another. A wheel that a later requirement excludes is fetched again."""
    environment, found, wanted = board_environment(python), dict[str, Wheel](), dict[str, Requirement]()
    waiting = list(requirements)
    while waiting:
        new = waiting.pop(0)
        name = canonicalize_name(new.name)
        if name.startswith(CUDA) or (new.marker is not None and not new.marker.evaluate(environment)):
            continue
        wanted[name] = known = wanted.get(name, Requirement(name))
        known.specifier &= new.specifier
        if name in found and known.specifier.contains(found[name].version):
            continue
        here = installed(name)
        fits = here is not None and known.specifier.contains(here)
        found[name] = wheel = read_wheel(fetch(Requirement(f"{name}=={here}") if fits else known))
        waiting += wheel.needs
    return found


def read_wheel(path: Path) -> Wheel:
    """Name, version and requirements of a file."""
    name, version, _, _ = parse_wheel_filename(path.name)
    with zipfile.ZipFile(path) as archive:
        (place,) = (n for n in archive.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA"))
        told = Parser().parsestr(archive.read(place).decode())
    needs = tuple(Requirement(line) for line in told.get_all("Requires-Dist") or ())
    return Wheel(name, str(version), path.name, needs)


def pip_download(python: str, folder: Path) -> Fetch:
    """Fetches one wheel for the board. Raises CalledProcessError where there is none; a source archive is not taken."""
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]

    def fetch(requirement: Requirement) -> Path:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            command += [*platforms, "--implementation", "cp", "--python-version", python, "--dest", place]
            subprocess.run([*command, str(requirement)], check=True)
            (path,) = Path(place).iterdir()
            return path.rename(folder / path.name)

    return fetch


def as_table(wheels: Iterable[Wheel]) -> str:
    """In Markdown."""
    rows = (f"| {w.name} | {w.version} | `{w.file}` |" for w in sorted(wheels, key=lambda w: w.name))
    return "\n".join(("| package | version | wheel |", "|---|---|---|", *rows))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--python", default="3.13", help="the board's; Raspberry Pi OS of 2025 has 3.13, of 2023 3.11"
    )
    python = parser.parse_args().python
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    with tempfile.TemporaryDirectory() as folder:
        print(as_table(resolved(wanted, python, pip_download(python, Path(folder))).values()))


if __name__ == "__main__":
    main()
