"""What nodes on other machines show: files of certificates or a secret, sent with the nodes and written there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from protos.access.config import Access
from protos.access.files import AUTHORITY, CERTIFICATE, KEY, REVOKED, write_private

SECRET = "secret"


def packed(access: Access) -> dict[str, bytes]:
    """Content by file name."""
    if access.certificates is not None:
        return {
            name: (access.certificates / name).read_bytes() for name in (KEY, CERTIFICATE, AUTHORITY, REVOKED)
        }
    return {} if access.secret_file is None else {SECRET: access.secret_file.read_bytes()}


class Unpacked:
    """The files in a folder of this machine that only its owner may read; ``close`` removes it."""

    def __init__(self, files: dict[str, bytes], *, insecure: bool) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="detabed-access-")
        place = Path(self._folder.name)
        for name, content in files.items():
            write_private(place / Path(name).name, content)
        secret = place / SECRET
        self.access = Access(
            certificates=place if KEY in files else None,
            secret_file=secret if SECRET in files else None,
            insecure=insecure,
        )

    def close(self) -> None:
        self._folder.cleanup()
