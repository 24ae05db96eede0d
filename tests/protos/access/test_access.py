"""Certificate folders, secrets and revocation lists as a process reads them; the calls are in tests/boards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc.aio
import pytest

from experiments.cluster.authority import Authority, Use
from protos.access.calls import Calls
from protos.access.config import Access, is_loopback, refuse_open_port
from protos.access.files import AUTHORITY, CERTIFICATE, KEY, REVOKED, read_identity, write_private
from protos.access.guard import Caller, Guard
from protos.access.revoked import Revocations


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "n1"
    Authority.make("test").write_identity(place, ("n1",), Use.NODE)
    return place


def test_one_of_secret_and_certificates() -> None:
    with pytest.raises(ValueError, match="give certificates beyond loopback, secret_file on loopback"):
        Access(certificates=Path("a"), secret_file=Path("b"))


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("[::]", False),
        ("192.0.2.7", False),
        ("no.such.host.invalid", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, here: bool) -> None:
    assert is_loopback(host) is here
    if here:
        refuse_open_port(host, Access())
        return
    with pytest.raises(ValueError, match="insecure = true"):
        refuse_open_port(host, Access())
    with pytest.raises(ValueError, match="certificates"):
        refuse_open_port(host, Access(secret_file=Path("secret")))
    refuse_open_port(host, Access(insecure=True))
    refuse_open_port(host, Access(certificates=Path("folder")))


def test_a_port_beyond_loopback_is_not_bound_without_certificates(folder: Path) -> None:
    async def bind(access: Access) -> str:
        server = grpc.aio.server()
        try:
            return Guard(access).listen(server, "0.0.0.0", 0)
        finally:
            await server.stop(None)

    with pytest.raises(ValueError, match=r"0\.0\.0\.0 can be reached from other machines"):
        asyncio.run(bind(Access()))
    for access in (Access(insecure=True), Access(certificates=folder)):
        address = asyncio.run(bind(access))
        assert address.startswith("0.0.0.0:")
        assert not address.endswith(":0")


@pytest.mark.parametrize("name", [KEY, CERTIFICATE, AUTHORITY, REVOKED])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{name} cannot be read"):
        Guard(Access(certificates=folder))


def test_a_key_that_others_can_read_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / KEY).chmod(0o640)
    for use in (Guard, Calls):
        with pytest.raises(ValueError, match="chmod 600"):
            use(Access(certificates=folder))
    secret = tmp_path / "secret"
    write_private(secret, b"x")
    assert Calls(Access(secret_file=secret)).metadata == (("detabed-run-secret", "x"),)
    secret.chmod(0o604)
    for use in (Guard, Calls):
        with pytest.raises(ValueError, match="mode 604"):
            use(Access(secret_file=secret))


def test_private_files_are_new_and_their_owners_alone(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", b"1")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "secret", b"2")


def test_a_revocation_list_counts_when_the_authority_signed_it(folder: Path) -> None:
    other = Authority.make("other")
    path = folder / REVOKED
    own = read_identity(folder)
    found = Revocations(path, own.authority)
    assert not found.holds(7)
    path.write_bytes(other.revocation_list([]))
    with pytest.raises(ValueError, match="not signed by the authority beside it"):
        Revocations(path, own.authority)
    assert found.holds(7), "with a list that cannot be trusted, nobody is let in"
    path.unlink()
    assert found.holds(8)


def test_a_list_of_the_same_name_and_another_key_is_no_list(tmp_path: Path) -> None:
    one, two = Authority.make("same"), Authority.make("same")
    (tmp_path / REVOKED).write_bytes(two.revocation_list([]))
    with pytest.raises(ValueError, match="not signed"):
        Revocations(tmp_path / REVOKED, one.pem)


def test_a_list_is_read_again_when_it_changes(tmp_path: Path) -> None:
    authority, path = Authority.make("test"), tmp_path / REVOKED
    path.write_bytes(authority.revocation_list([]))
    found = Revocations(path, authority.pem)
    assert not found.holds(7)
    (tmp_path / "draft").write_bytes(authority.revocation_list([7, 9]))
    (tmp_path / "draft").replace(path)
    assert [found.holds(serial) for serial in (7, 8, 9)] == [True, False, True]


def test_a_caller_speaks_for_the_names_of_its_certificate() -> None:
    assert Caller().may_be("n1")
    caller = Caller(frozenset({"n1", "n2"}))
    assert caller.may_be("n1")
    assert not caller.may_be("n3")
    assert str(caller) == "n1, n2"
    assert not Caller(frozenset()).may_be("")
