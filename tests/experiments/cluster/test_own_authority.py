"""A user's own authority is made once, whole, for its owner alone."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from experiments.cluster.own_authority import own_authority
from experiments.errors import UsageError


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "detabed"


def test_many_at_once_get_the_same_and_leave_nothing_else(place: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = {made.fingerprint for made in pool.map(lambda _: own_authority(), range(16))}
    assert len(found) == 1
    assert own_authority().fingerprint in found
    assert [path.name for path in place.iterdir()] == ["authority"]
    assert stat.S_IMODE((place / "authority").stat().st_mode) == 0o700
    assert stat.S_IMODE((place / "authority" / "key.pem").stat().st_mode) == 0o600


def test_one_that_cannot_be_used_is_named(place: Path) -> None:
    own_authority()
    (place / "authority" / "key.pem").write_text("no key")
    with pytest.raises(UsageError, match=r"your authority in .*authority cannot be used: .*--inventory"):
        own_authority()
