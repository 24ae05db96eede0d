"""Temporary folder of Ray, and the largest length of its path."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.fleet.ray_local import LocalRay
from experiments.fleet.temporary import BELOW, LONGEST_PATH_BYTES, require_short_folder
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from tests.scenarios import TINY


def test_a_temporary_folder_too_long_for_sockets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = "/" + "t" * (LONGEST_PATH_BYTES - len(BELOW) - 1)
    require_short_folder(longest)
    monkeypatch.setattr(tempfile, "tempdir", longest + "t")
    with pytest.raises(UsageError, match=r"fleet\.kind: TMPDIR is .*TMPDIR=/tmp"):
        resolve(parse_scenario(TINY.replace("inprocess", "ray")))
    resolve(parse_scenario(TINY))


@pytest.mark.processes
def test_ray_starts_in_the_longest_folder_that_is_allowed(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = LONGEST_PATH_BYTES - len(BELOW)
    with tempfile.TemporaryDirectory(prefix="/tmp/" + "t" * (allowed - 5 - 8)) as folder:
        assert len(folder) == allowed
        monkeypatch.setattr(tempfile, "tempdir", folder)
        with LocalRay(1, ()):
            sockets = list(Path(folder).glob("detabed-*/r/session_2*/sockets/*"))
            assert sockets
            assert all(len(str(socket)) <= LONGEST_PATH_BYTES for socket in sockets)
