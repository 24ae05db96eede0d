"""A cluster on the coordinator's machine: its authority, certificates and tokens, in a folder beside the inventory."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from experiments.cluster.authority import Authority, Use, check_request, replace
from experiments.cluster.tokens import JoinToken, State, Tokens
from experiments.errors import UsageError
from protos.access.config import COORDINATOR, RUNNER, Access
from protos.access.files import REVOKED


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a board gets for its signing request, in PEM."""

    certificate: bytes
    authority: bytes
    revoked: bytes


def folder_of(inventory: Path) -> Path:
    """``boards.access`` for ``boards.toml``."""
    return inventory.with_suffix(".access")


class Cluster:
    """Opened with ``open``, begun with ``make``. Several processes may use one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = Authority.load(folder / "authority")
        self.tokens = Tokens(folder / "tokens.json")
        self.coordinator = Access(certificates=folder / COORDINATOR)
        self.runner = Access(certificates=folder / RUNNER)

    @classmethod
    def make(cls, inventory: Path) -> Cluster:
        """A new authority for the boards of ``inventory``. Raises UsageError where there is one."""
        folder = folder_of(inventory)
        if folder.exists():
            raise UsageError(
                f"{folder} exists already: {inventory} has its authority, and boards that joined trust it. Next: "
                f"detabed cluster invite NAME; or remove the folder, and all boards join again"
            )
        folder.mkdir(mode=0o700)
        authority = Authority.make(inventory.stem)
        authority.save(folder / "authority")
        authority.write_identity(folder / COORDINATOR, (COORDINATOR,), Use.SERVER)
        authority.write_identity(folder / RUNNER, (RUNNER,), Use.CLIENT)
        (folder / "issued").mkdir()
        return cls(folder)

    @classmethod
    def open(cls, inventory: Path) -> Cluster:
        """Raises UsageError where there is no authority, or it cannot be read."""
        folder = folder_of(inventory)
        if not folder.is_dir():
            raise UsageError(
                f"{folder} is not there: {inventory} has no authority yet; detabed cluster init {inventory}"
            )
        try:
            return cls(folder)
        except (ValueError, OSError) as error:
            raise UsageError(f"the authority of {inventory} cannot be used: {error}") from error

    def invite(self, node_id: str) -> JoinToken:
        """A token with which a board joins as ``node_id``."""
        with self._locked():
            return self.tokens.new(node_id, self.authority.fingerprint)

    def invited(self, node_id: str) -> State:
        """What became of the node's last token."""
        with self._locked():
            return self.tokens.state(node_id)

    def admit(self, node_id: str, secret: str, request: bytes) -> Admitted:
        """Spend a token and certify the key of a signing request; earlier certificates of the node are revoked.

        Raises ValueError, the token unspent where the request is at fault.
        """
        check_request(request, node_id)
        with self._locked():
            self.tokens.spend(node_id, secret)
            self._revoke(node_id)
            certificate = self.authority.sign(request, node_id).public_bytes(Encoding.PEM)
            replace(self._issued(node_id), certificate)
            revoked = (self._folder / "authority" / REVOKED).read_bytes()
        return Admitted(certificate, self.authority.pem, revoked)

    def certified(self, node_id: str, certificate: x509.Certificate) -> bool:
        """Whether this is the node's certificate: issued here, and neither replaced nor revoked since."""
        path = self._issued(node_id)
        return path.exists() and x509.load_pem_x509_certificate(path.read_bytes()) == certificate

    def revoke(self, node_id: str) -> None:
        """Let the node's certificate count no more. Raises UsageError where it has none."""
        with self._locked():
            if not self._issued(node_id).exists():
                raise UsageError(
                    f"{node_id} has no certificate: it has not joined, or it was revoked already"
                )
            self._revoke(node_id)

    def _issued(self, node_id: str) -> Path:
        return self._folder / "issued" / f"{node_id}.pem"

    def _revoke(self, node_id: str) -> None:
        path, listed = self._issued(node_id), self._folder / "authority" / REVOKED
        if not path.exists():
            return
        serials = [item.serial_number for item in x509.load_pem_x509_crl(listed.read_bytes())]
        serials.append(x509.load_pem_x509_certificate(path.read_bytes()).serial_number)
        content = self.authority.revocation_list(serials)
        for place in ("authority", COORDINATOR, RUNNER):
            replace(self._folder / place / REVOKED, content)
        path.unlink()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
