"""One small sweep of real runs (two nodes without learning, six runs), shared by the tests that read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.experiments.sweep.energy import ENERGY


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(scope="session")
def energy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("energy") / "s.toml"
    path.write_text(ENERGY)
    return path


@pytest.fixture(scope="session")
def swept(energy: Path, cache: Path) -> Path:
    """The folder of a sweep over batteries and caps under LOCAL and DET, two seeds. Not to be written to."""
    from experiments.cli import invoke

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        folder = energy.parent / "swept"
        axes = ["--set", "limits.transfer_cap_fraction=0,0.5", "--set", "nodes.0.battery.capacity_wh=1,5"]
        assert (
            invoke(
                ["sweep", str(energy), *axes, "--policies", "local,det", "--seeds", "2", "-o", str(folder)]
            )
            == 0
        )
    return folder
