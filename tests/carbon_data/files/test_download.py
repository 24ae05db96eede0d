"""Downloads of large data files."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from carbon_data.files.datasets import DatasetState, status_of
from carbon_data.files.download import fetch
from carbon_data.types import DataError
from tests.carbon_data.files.archives import sets

PLAIN = b"to be or not to be\n" * 5000
PACKED = gzip.compress(b"idx" * 30_000, mtime=0)
REPACKED = gzip.compress(b"idx" * 30_000, compresslevel=1, mtime=1)


class Quiet(SimpleHTTPRequestHandler):
    truncate = False
    moved_to = ""
    asked: ClassVar[list[dict[str, str]]] = []

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.asked.append({name.lower(): value for name, value in self.headers.items()})
        if self.moved_to and not self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", self.moved_to)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.path = self.path.removeprefix("/moved")
        if not self.truncate:
            # A client may close the connection early.
            with contextlib.suppress(ConnectionError):
                super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(PLAIN)))
        self.end_headers()
        self.wfile.write(PLAIN[: len(PLAIN) // 2])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "part").mkdir(parents=True)
    (folder / "part" / "plain.txt").write_bytes(PLAIN)
    (folder / "part" / "packed.gz").write_bytes(REPACKED)
    return folder


@pytest.fixture
def mirror(site: Path) -> Iterator[str]:
    Quiet.truncate, Quiet.moved_to = False, ""
    Quiet.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def files(folder: Path) -> set[str]:
    return (
        {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        if folder.exists()
        else set()
    )


def test_fetch_brings_what_is_missing_and_reports_progress(folder: Path, mirror: str) -> None:
    seen: list[tuple[str, int, int | None]] = []
    results = fetch(None, lambda *step: seen.append(step), folder=folder, base_url=mirror, datasets=sets())
    assert [each.state for each in results] == [DatasetState.PRESENT] * 2
    assert files(folder) == {"part/plain.txt", "part/packed.gz"}
    assert seen[-1] == ("packed.gz", len(REPACKED), len(REPACKED))
    received = [step[1] for step in seen if step[0] == "plain.txt"]
    assert received == sorted(received)
    assert (folder / "part" / "plain.txt").read_bytes() == PLAIN


def test_what_is_there_is_not_fetched_again(folder: Path, mirror: str) -> None:
    fetch(["plain.txt"], folder=folder, base_url=mirror, datasets=sets())
    seen: list[Any] = []
    fetch(["plain.txt"], lambda *step: seen.append(step), folder=folder, base_url=mirror, datasets=sets())
    assert seen == []


def test_another_packing_of_the_same_content_is_as_good(folder: Path, mirror: str) -> None:
    assert REPACKED != PACKED
    (result,) = fetch(["packed.gz"], folder=folder, base_url=mirror, datasets=sets())
    assert result.state is DatasetState.PRESENT


@pytest.mark.parametrize("name", ["plain.txt", "packed.gz"])
def test_wrong_content_is_refused_and_nothing_is_kept(
    folder: Path, site: Path, mirror: str, name: str
) -> None:
    (site / "part" / name).write_bytes(
        gzip.compress(b"something else") if name.endswith("gz") else b"something else"
    )
    with pytest.raises(DataError, match=r"nothing was kept.*expected"):
        fetch([name], folder=folder, base_url=mirror, datasets=sets())
    assert files(folder) == set()


def test_a_truncated_download_is_refused_and_a_second_one_starts_afresh(folder: Path, mirror: str) -> None:
    Quiet.truncate = True
    with pytest.raises(DataError, match=rf"broke off after {len(PLAIN) // 2} bytes .*{len(PLAIN) // 2} more"):
        fetch(["plain.txt"], folder=folder, base_url=mirror, datasets=sets())
    assert files(folder) == set()
    Quiet.truncate = False
    (result,) = fetch(["plain.txt"], folder=folder, base_url=mirror, datasets=sets())
    assert result.state is DatasetState.PRESENT
    assert files(folder) == {"part/plain.txt"}


def test_a_download_follows_redirects_and_takes_no_password_along(
    folder: Path, mirror: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password mine\nmachine 127.0.0.1 login me password mine\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    # As with a host of the outside, for which the environment (proxies, certificates) counts.
    monkeypatch.setattr("carbon_data.files.http.is_loopback", lambda url: False)
    monkeypatch.setattr("carbon_data.files.http.is_allowed", lambda url: True)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    Quiet.moved_to = f"{mirror.replace('127.0.0.1', 'localhost')}moved/part/plain.txt"
    (result,) = fetch(["plain.txt"], folder=folder, base_url=mirror, datasets=sets())
    assert result.state is DatasetState.PRESENT
    assert [asked["host"].partition(":")[0] for asked in Quiet.asked] == ["127.0.0.1", "localhost"]
    assert not any("authorization" in asked for asked in Quiet.asked)


def test_a_packed_file_stays_packed_where_the_server_calls_it_an_encoding(
    folder: Path, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def labelled(handler: Quiet) -> None:
        handler.send_header("Content-Encoding", "gzip")
        SimpleHTTPRequestHandler.end_headers(handler)

    monkeypatch.setattr(Quiet, "end_headers", labelled)
    fetch(["packed.gz"], folder=folder, base_url=mirror, datasets=sets())
    assert (folder / "part" / "packed.gz").read_bytes() == REPACKED


def test_an_endless_download_is_cut_off(folder: Path, site: Path, mirror: str) -> None:
    (site / "part" / "plain.txt").write_bytes(PLAIN * 10)
    with pytest.raises(DataError, match="sends more than"):
        fetch(["plain.txt"], folder=folder, base_url=mirror, datasets=sets())
    assert files(folder) == set()


def test_a_failed_fetch_does_not_delete_a_corrupt_file(folder: Path, site: Path, mirror: str) -> None:
    target = folder / "part" / "plain.txt"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"mine")
    assert status_of(sets()[0], folder).state is DatasetState.CORRUPT
    (site / "part" / "plain.txt").unlink()
    with pytest.raises(DataError, match="answers 404"):
        fetch(["plain.txt"], folder=folder, base_url=mirror, datasets=sets())
    assert target.read_bytes() == b"mine"
    (site / "part" / "plain.txt").write_bytes(PLAIN)
    fetch(["plain.txt"], folder=folder, base_url=mirror, datasets=sets())
    assert target.read_bytes() == PLAIN


def test_an_interrupt_leaves_nothing_half_written(folder: Path, mirror: str) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(["plain.txt"], interrupt, folder=folder, base_url=mirror, datasets=sets())
    assert files(folder) == set()


def test_a_data_folder_that_cannot_be_written_is_named(folder: Path, mirror: str) -> None:
    folder.write_text("no folder")
    with pytest.raises(DataError, match=r"cannot write to .*set DETABED_DATA_DIR"):
        fetch(["plain.txt"], folder=folder, base_url=mirror, datasets=sets())


def test_a_second_origin_is_asked_where_the_first_fails(folder: Path, mirror: str) -> None:
    plain = replace(sets()[0], urls=(f"{mirror}part/packed.gz", f"{mirror}gone", f"{mirror}part/plain.txt"))
    (result,) = fetch(["plain.txt"], folder=folder, datasets=[plain])
    assert result.state is DatasetState.PRESENT
    assert files(folder) == {"part/plain.txt"}


def test_derived_files_say_how_they_are_made(folder: Path) -> None:
    with pytest.raises(DataError, match="derived: join a and b"):
        fetch(["derived.csv"], folder=folder, datasets=sets())


def test_unknown_names_and_unreachable_origins_are_clear(folder: Path) -> None:
    with pytest.raises(DataError, match=r"no data set is called nonsense; there are plain\.txt"):
        fetch(["nonsense"], folder=folder, datasets=sets())
    with pytest.raises(DataError, match="could not be fetched"):
        fetch(["plain.txt"], folder=folder, datasets=sets(), timeout_s=1.0)
    with pytest.raises(DataError, match="https is"):
        fetch(["plain.txt"], folder=folder, datasets=sets(), base_url="http://example.com")
    assert files(folder) == set()
