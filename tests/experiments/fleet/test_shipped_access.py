"""Certificates and secrets sent to another machine: there they are files that only their owner may read."""

from __future__ import annotations

import stat
from pathlib import Path

from experiments.fleet.shipped_access import Unpacked, packed
from protos.access.config import Access
from protos.access.files import read_identity, write_private
from tests.boards.identities import Identities


def test_certificates_arrive_whole_and_private(tmp_path: Path) -> None:
    sent = Identities(tmp_path).node("n0")
    there = Unpacked(packed(sent), insecure=False)
    folder = there.access.certificates
    assert folder is not None
    assert sent.certificates is not None
    assert read_identity(folder) == read_identity(sent.certificates)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    there.close()
    assert not folder.exists()


def test_a_secret_arrives_with_the_leave_to_use_it(tmp_path: Path) -> None:
    write_private(tmp_path / "given", b"s3")
    there = Unpacked(packed(Access(secret_file=tmp_path / "given", insecure=True)), insecure=True)
    assert there.access.certificates is None
    assert there.access.insecure
    assert there.access.secret_file is not None
    assert there.access.secret_file.read_bytes() == b"s3"
    there.close()


def test_a_file_stays_in_the_folder(tmp_path: Path) -> None:
    there = Unpacked({"../secret": b"x"}, insecure=False)
    assert not (Path(str(there.access.secret_file)).parent.parent / "secret").exists()
    there.close()
