"""The wheel of what runs here, for boards: built from a copy of the sources, so that nothing stale comes along."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib import util
from pathlib import Path

from carbon_data.ours import NAMES, ROOT
from experiments.cluster.agent.installed import belongs, digest
from experiments.errors import UsageError

BUILD_S = 600.0
_BESIDE = ("pyproject.toml", "README.md", "LICENSE")


def build_wheel(folder: Path, root: Path = Path(ROOT)) -> Path:
    """A wheel in ``folder``. Raises UsageError where this is no checkout, or pip cannot build."""
    if missing := [name for name in _BESIDE if not (root / name).is_file()]:
        raise UsageError(
            f"{root} is no checkout ({', '.join(missing)} missing), so that no wheel can be built: give the one that "
            "is installed here, --wheel FILE"
        )
    with tempfile.TemporaryDirectory() as copy:
        for name in _BESIDE:
            shutil.copy(root / name, copy)
        for name in NAMES:
            shutil.copytree(root / name, Path(copy) / name, ignore=shutil.ignore_patterns("__pycache__"))
        # Isolated, pip would fetch setuptools from the index.
        isolation = ["--no-build-isolation"] if util.find_spec("setuptools") else []
        options = [
            "--no-deps",
            *isolation,
            "--disable-pip-version-check",
            "--quiet",
            "--wheel-dir",
            str(folder),
        ]
        command = [sys.executable, "-P", "-m", "pip", "wheel", *options, copy]
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S, check=False)
    if done.returncode != 0:
        raise UsageError(
            f"pip builds no wheel: {' '.join(done.stderr.split())[-500:]}; build one and give --wheel FILE"
        )
    return next(folder.glob("*.whl"))


def wheel_digest(path: Path) -> str:
    """The hash that ``code_digest`` gives where this wheel is installed. Raises UsageError for what is no wheel of
    ours."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if belongs(name) and name.partition("/")[0] in NAMES]
            if {name.partition("/")[0] for name in names} != set(NAMES):
                raise UsageError(
                    f"{path} is no wheel of detabed; give one that `pip wheel --no-deps .` built"
                )
            return digest((name, archive.read(name)) for name in names)
    except (OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} cannot be read as a wheel: {error}") from None
