"""Large data files: finding, checking and fetching, without partial files."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from carbon_data.files.dataset_list import DATASETS, Dataset
from carbon_data.files.datasets import (
    DatasetState,
    dataset,
    mnist_names,
    require,
    status,
    status_of,
)
from carbon_data.files.download import fetch
from carbon_data.files.folders import data_dir
from carbon_data.types import DataError

PLAIN = b"to be or not to be\n" * 5000
PACKED = gzip.compress(b"idx" * 30_000, mtime=0)
REPACKED = gzip.compress(b"idx" * 30_000, compresslevel=1, mtime=1)


def sets() -> tuple[Dataset, ...]:
    def make(name: str, content: bytes, md5: str | None = None, **more: Any) -> Dataset:
        return Dataset(
            name=name,
            path=f"part/{name}",
            title="",
            origin="here",
            licence="CC0-1.0",
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            content_md5=md5,
            **more,
        )

    md5 = hashlib.md5(gzip.decompress(PACKED), usedforsecurity=False).hexdigest()
    return (
        make("plain.txt", PLAIN, urls=("https://127.0.0.1:1/never",)),
        make("packed.gz", PACKED, md5, urls=("https://127.0.0.1:1/never",)),
        make("derived.csv", b"a,b\n", instructions="derived: join a and b"),
    )


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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


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


def test_a_gzip_bomb_is_not_unpacked_to_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carbon_data.files.datasets.MAX_CONTENT_BYTES", 1 << 20)
    bomb = folder / "part" / "packed.gz"
    bomb.parent.mkdir(parents=True)
    bomb.write_bytes(gzip.compress(b"\0" * (8 << 20)))
    found = status_of(sets()[1], folder)
    assert found.state is DatasetState.CORRUPT
    assert "more than 1048576 bytes" in found.detail


def test_require_says_what_is_missing_where_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETABED_DATA_DIR", str(tmp_path))
    assert data_dir() == tmp_path
    with pytest.raises(DataError, match=r"tinyshakespeare is missing.*DETABED_DATA_DIR.*detabed data fetch"):
        require("tinyshakespeare")
    with pytest.raises(DataError, match="there are mnist-train-images"):
        require("nonsense")
    assert {each.state for each in status()} == {DatasetState.MISSING}


def test_the_cache_folder_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DETABED_DATA_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_dir() == tmp_path / "detabed" / "data"


def test_looking_for_files_needs_no_http() -> None:
    code = (
        "import sys; sys.modules.update(requests=None, urllib3=None); "
        "from carbon_data.files.datasets import status; print(len(status()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(len(DATASETS)), done.stderr


def test_the_list_is_whole() -> None:
    names = [each.name for each in DATASETS]
    assert len(set(names)) == len(names)
    assert len(mnist_names()) == 4
    for each in DATASETS:
        assert bool(each.urls) != bool(each.instructions), each.name
        assert all(url.startswith("https://") for url in each.urls)
        assert each.licence
        assert each.origin
        assert len(each.sha256) == 64
        assert dataset(each.name) is each


@pytest.mark.parametrize("each", DATASETS, ids=lambda each: each.name)
def test_files_in_the_data_folder_are_whole(each: Dataset) -> None:
    found = status_of(each)
    if found.state is DatasetState.MISSING:
        pytest.skip("not in the data folder")
    assert found.state is DatasetState.PRESENT, found.detail
    assert found.path.stat().st_size == each.size_bytes
