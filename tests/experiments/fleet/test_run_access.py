"""Access of one run: a secret on loopback, certificates beyond it, and nothing left afterwards."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509

from experiments.fleet.run_access import run_access
from experiments.run_folder.files import ACCESS, access_of_runner
from protos.access.calls import Calls
from protos.access.files import CERTIFICATE, read_identity, read_private
from protos.access.guard import Guard


def names(folder: Path) -> list[str]:
    certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return list(found.get_values_for_type(x509.DNSName))


def test_on_loopback_all_share_a_secret_that_others_cannot_read(tmp_path: Path) -> None:
    secrets = set()
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        with run_access(tmp_path / run, "127.0.0.1", ["n0"], insecure=False) as access:
            assert access.coordinator == access.runner == access.nodes
            assert access.runner == access_of_runner(tmp_path / run, certified=False)
            assert access.runner.secret_file is not None
            assert stat.S_IMODE((tmp_path / run / ACCESS).stat().st_mode) == 0o700
            secrets.add(read_private(access.runner.secret_file))
        assert list((tmp_path / run).iterdir()) == []
    assert len(secrets) == 2
    assert {len(secret) for secret in secrets} == {64}


def test_beyond_loopback_each_party_has_its_certificate(tmp_path: Path) -> None:
    with run_access(tmp_path, "192.0.2.7", ["n0", "n1"], insecure=False) as access:
        parties = [access.coordinator, access.runner, access.nodes]
        folders = [party.certificates for party in parties if party.certificates is not None]
        assert [names(folder) for folder in folders] == [["coordinator"], ["runner"], ["n0", "n1"]]
        assert len({read_identity(folder).key for folder in folders}) == 3
        assert len({read_identity(folder).authority for folder in folders}) == 1
        assert access.runner == access_of_runner(tmp_path, certified=True)
        for party in parties:
            Guard(party), Calls(party)
    assert list(tmp_path.iterdir()) == []


def test_in_the_clear_only_where_the_scenario_says_so(tmp_path: Path) -> None:
    with run_access(tmp_path, "0.0.0.0", ["n0"], insecure=True) as access:
        assert access.coordinator.insecure
        assert access.nodes.insecure
        assert access.nodes.secret_file is not None


def test_what_a_killed_run_left_is_replaced_and_an_error_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / ACCESS).mkdir()
    (tmp_path / ACCESS / "secret").write_text("old")

    def fail() -> None:
        with run_access(tmp_path, "127.0.0.1", ["n0"], insecure=False) as access:
            assert access.runner.secret_file is not None
            assert read_private(access.runner.secret_file) != b"old"
            raise RuntimeError("the run failed")

    with pytest.raises(RuntimeError, match="the run failed"):
        fail()
    assert list(tmp_path.iterdir()) == []
