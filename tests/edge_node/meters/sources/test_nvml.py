"""NVIDIA GPUs, with a shared library that behaves as NVML does (nvml_fake.c)."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_node.meters.sources.nvml import LIBRARY, Nvml, open_nvml
from edge_node.meters.sources.source import Restarted, SourceError
from protos.messages.terms import MeterKind

NOT_SUPPORTED, LOST = 3, 15
SOURCE = Path(__file__).with_name("nvml_fake.c")
ROOT = Path(__file__).parents[4]
READ = "from edge_node.meters.sources.nvml import open_nvml; s = open_nvml('1'); print(s.read()); s.close()"


class Gpus:
    """Two GPUs: what the library answers for each, in a file."""

    def __init__(self, library: Path) -> None:
        self.library, self._file = library, library.with_name("gpus.txt")
        self.energy_mj, self.codes = [10**12, 5_000], [0, 0]
        self.tell()
        os.environ["FAKE_NVML"] = str(self._file)

    def tell(self) -> None:
        rows = zip(self.codes, self.energy_mj, strict=True)
        self._file.write_text("".join(f"{code} {energy_mj}\n" for code, energy_mj in rows))

    def load(self, name: str) -> ctypes.CDLL:
        assert name == LIBRARY
        return ctypes.CDLL(str(self.library))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler (cc) here: the fake of NVML is a shared library")
    path = tmp_path_factory.mktemp("nvml") / LIBRARY
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(path), str(SOURCE)], check=True)
    return path


@pytest.fixture
def gpus(library: Path, monkeypatch: pytest.MonkeyPatch) -> Gpus:
    monkeypatch.setenv("FAKE_NVML", "")
    return Gpus(library)


def test_joules_since_the_source_was_made(gpus: Gpus) -> None:
    source = Nvml(1, load=gpus.load)
    gpus.energy_mj[1] += 7
    gpus.tell()
    assert (source.kind, source.read()) == (MeterKind.COUNTER, 7_000)
    gpus.energy_mj[1] = 3  # the driver was loaded again
    gpus.tell()
    with pytest.raises(Restarted):
        source.read()
    gpus.codes[1] = LOST
    gpus.tell()
    with pytest.raises(SourceError, match="15: GPU is lost"):
        source.read()
    source.close()
    assert gpus.load(LIBRARY).nvmlShutdown() != 0  # it was shut down already


def test_a_counter_of_64_bits_is_read_whole(gpus: Gpus) -> None:
    """10^12 mJ and a week more: far above 32 bits."""
    source = Nvml(0, load=gpus.load)
    gpus.energy_mj[0] += 4 * 10**11
    gpus.tell()
    assert source.read() == 4 * 10**14
    source.close()


def test_a_gpu_that_cannot_be_metered_is_refused(gpus: Gpus) -> None:
    with pytest.raises(SourceError, match="nvmlDeviceGetHandleByIndex_v2 answers 2: Invalid Argument"):
        Nvml(2, load=gpus.load)
    gpus.codes[0] = NOT_SUPPORTED
    gpus.tell()
    with pytest.raises(SourceError, match="Not Supported"):
        Nvml(0, load=gpus.load)
    with pytest.raises(SourceError, match="nvml:0"):
        open_nvml("first")


def test_the_library_is_found_by_its_name(gpus: Gpus) -> None:
    """As the sampler's process finds it: in the loader's path."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(gpus.library.parent), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", READ], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0"


def test_without_the_library_the_driver_is_named() -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    with pytest.raises(SourceError, match="NVIDIA's driver"):
        Nvml(0, load=missing)
