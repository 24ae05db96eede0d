"""Who may call whom in one run: a secret of the run on loopback, certificates of an authority of the run beyond."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.cluster.authority import Authority, Use
from experiments.cluster.cluster import Cluster
from experiments.run_folder.files import ACCESS, access_of_runner
from protos.access.config import COORDINATOR, RUNNER, Access, is_loopback
from protos.access.files import write_private


@dataclass(frozen=True, slots=True)
class RunAccess:
    """What each party shows."""

    coordinator: Access
    runner: Access
    nodes: Access


@contextlib.contextmanager
def run_access(folder: Path, host: str, node_ids: Iterable[str], *, insecure: bool) -> Iterator[RunAccess]:
    """Access for the processes of a run on this machine, in a folder of the run that only its owner may read.

    It is removed when the run ends. Beyond loopback without ``insecure`` every port has mutual TLS; nodes share one
    certificate, which names them all, for they share this machine and its user.
    """
    place = (folder / ACCESS).resolve()
    shutil.rmtree(place, ignore_errors=True)  # of a run that was killed here
    place.mkdir(mode=0o700)
    try:
        if insecure or is_loopback(host):
            runner = access_of_runner(folder, certified=False)
            assert runner.secret_file is not None
            write_private(runner.secret_file, secrets.token_hex(32).encode())
            everyone = runner.model_copy(update={"insecure": insecure})
            yield RunAccess(everyone, runner, everyone)
            return
        authority = Authority.make(f"run {folder.name}")
        runner = access_of_runner(folder, certified=True)
        assert runner.certificates is not None
        authority.write_identity(runner.certificates, (RUNNER,), Use.CLIENT)
        authority.write_identity(place / "coordinator", (COORDINATOR,), Use.SERVER)
        authority.write_identity(place / "nodes", node_ids, Use.NODE)
        yield RunAccess(
            Access(certificates=place / "coordinator"), runner, Access(certificates=place / "nodes")
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def cluster_access(folder: Path, cluster: Cluster) -> Iterator[RunAccess]:
    """Access for a run on boards that have certificates of ``cluster``. The runner's lies in the run's folder while it
    lasts, where ``detabed infer`` looks for it."""
    place = (folder / ACCESS).resolve()
    shutil.rmtree(place, ignore_errors=True)  # of a run that was killed here
    place.mkdir(mode=0o700)
    try:
        runner = access_of_runner(folder, certified=True)
        assert runner.certificates is not None
        assert cluster.runner.certificates is not None
        shutil.copytree(cluster.runner.certificates, runner.certificates)  # with their modes
        yield RunAccess(cluster.coordinator, cluster.runner, Access())
    finally:
        shutil.rmtree(place, ignore_errors=True)
