"""Signed books: by the cluster's authority or one's own, checked with and without this project; any change is found."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import shutil
import stat
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.cluster.authority import Authority
from experiments.cluster.cluster import Cluster
from experiments.run_folder.files import LEDGER
from experiments.run_folder.signed import SignedFileError, is_signed, unpack
from tests.scenarios import SMALL

SCRIPT = Path(__file__).parents[3] / "docs" / "verify_ledger.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run and its signed books."""
    place = tmp_path_factory.mktemp("signed")
    (place / "small.toml").write_text(SMALL.replace("[stages]", 'policy = "deta"\n[stages]', 1))
    assert invoke(["run", str(place / "small.toml"), "-o", str(place / "run"), "--no-report"]) == 0
    Cluster.make(place / "boards.toml")
    export = ["ledger", "export", str(place / "run"), "--signed", "--inventory", str(place / "boards.toml")]
    assert invoke([*export, "-o", str(place / "books.jsonl")]) == 0
    return place


@pytest.fixture(scope="module")
def books(folder: Path) -> Path:
    return folder / "books.jsonl"


@pytest.fixture(scope="module")
def fingerprint(folder: Path) -> str:
    return Cluster.open(folder / "boards.toml").authority.fingerprint


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of modules: cryptography, and what it needs, alone."""
    place = tmp_path_factory.mktemp("bare")
    for name in ("cryptography", "cffi", "_cffi_backend"):
        found = find_spec(name)
        if found is not None and found.origin is not None:
            origin = Path(found.origin)
            there = origin.parent if origin.name == "__init__.py" else origin
            (place / there.name).symlink_to(there)
    return place


def by_script(file: Path, fingerprint: str, bare: Path) -> subprocess.CompletedProcess[str]:
    """Without site packages, in another folder: this project cannot be imported."""
    return subprocess.run(
        [sys.executable, "-S", "-P", str(SCRIPT), str(file), fingerprint],
        cwd=bare,
        env={"PYTHONPATH": str(bare), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_script_of_thirty_lines_needs_only_cryptography(
    folder: Path, books: Path, fingerprint: str, bare: Path
) -> None:
    assert len(SCRIPT.read_text().splitlines()) <= 30
    assert SCRIPT.read_text() in (SCRIPT.parent / "audit.md").read_text()
    done = by_script(books, fingerprint, bare)
    head = json.loads((folder / "run" / "metadata.json").read_text())["ledger"]
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("VALID: ")
    assert f"{head['entries']} entries, head {head['head']}, sound" in done.stdout


def test_verify_puts_the_books_together_again(
    books: Path, fingerprint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["ledger", "verify", str(books), "--authority", fingerprint, "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["state"], verdict["findings"]) == ("sound", [])
    assert verdict["heads"][str(books)]["signed_by"] == fingerprint
    assert invoke(["ledger", "verify", str(books)]) == 0
    assert "compare it with what you were told" in capsys.readouterr().out


def test_another_authority_is_told_apart(
    folder: Path, books: Path, fingerprint: str, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever changes the books can sign them again, with another key: the fingerprint differs."""
    other = Authority.make("other")
    lines = books.read_bytes().splitlines(keepends=True)
    header = json.loads(lines[0])
    header |= {"authority": other.pem.decode(), "fingerprint": other.fingerprint}
    forged = folder / "forged.jsonl"
    swapped = b"".join([json.dumps(header, separators=(",", ":")).encode() + b"\n", *lines[1:]])
    forged.write_bytes(swapped)
    assert by_script(forged, fingerprint, bare).returncode != 0
    assert by_script(forged, other.fingerprint, bare).returncode != 0, "signed with the first key"
    with pytest.raises(SignedFileError, match="signature"):
        unpack(forged, folder)
    assert invoke(["ledger", "verify", str(books), "--authority", other.fingerprint]) == 1
    assert f"wanted {other.fingerprint}" in capsys.readouterr().err


def test_every_changed_byte_and_every_cut_is_found(
    folder: Path, books: Path, fingerprint: str, bare: Path, tmp_path: Path
) -> None:
    content, chance = books.read_bytes(), random.Random(15)
    last = content.rindex(b"\n", 0, -1) + 1
    places = [*chance.sample(range(last), 300), *range(last, len(content))]
    forged, scripted = tmp_path / "forged.jsonl", 0
    for place in places:
        for bit in (0x01, 0x20):
            forged.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
            with pytest.raises(SignedFileError):
                unpack(forged, tmp_path)
    cuts = [0, 1, last, len(content) - 1, *chance.sample(range(len(content)), 20)]
    cut_lines = b"".join(content.splitlines(keepends=True)[:-2]) + content[last:]
    for changed in (*(content[:cut] for cut in cuts), content + b"\n", content + content, cut_lines):
        forged.write_bytes(changed)
        with pytest.raises(SignedFileError):
            unpack(forged, tmp_path)
    for place in (*chance.sample(range(last), 4), last + 15, len(content) - 4, len(content) - 1):
        forged.write_bytes(content[:place] + bytes([content[place] ^ 0x20]) + content[place + 1 :])
        scripted += by_script(forged, fingerprint, bare).returncode != 0
    assert scripted == 7
    assert not (tmp_path / LEDGER).exists(), "nothing was unpacked"


def test_a_signed_lie_is_found_by_verify(folder: Path, books: Path, tmp_path: Path) -> None:
    """The owner of the key changes a document: the chain does not hold, whatever the signature says."""
    authority = Cluster.open(folder / "boards.toml").authority
    lines = books.read_bytes().splitlines(keepends=True)[:-1]
    lines[5] = lines[5].replace(b'"slot":', b'"slot":1', 1) if b'"slot":' in lines[5] else lines[5]
    digest = hashlib.sha256(b"".join(lines)).digest()
    signature = {"signature": authority.sign_digest(digest).hex()}
    lie = tmp_path / "lie.jsonl"
    lie.write_bytes(b"".join(lines) + json.dumps(signature, separators=(",", ":")).encode() + b"\n")
    assert invoke(["ledger", "verify", str(lie), "--authority", authority.fingerprint]) == 1


def test_a_run_without_a_cluster_is_signed_by_ones_own_authority(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert invoke(["ledger", "export", str(folder / "run"), "--signed", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    key = tmp_path / "config" / "detabed" / "authority" / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert is_signed(tmp_path / said["file"])
    assert invoke(["ledger", "verify", said["file"], "--authority", said["authority"]]) == 0
    again = ["ledger", "export", str(folder / "run"), "--signed", "--json"]
    capsys.readouterr()
    assert invoke([*again, "-o", "second.jsonl"]) == 0
    assert json.loads(capsys.readouterr().out)["authority"] == said["authority"]
    assert invoke(again) == 2
    assert "exists already" in capsys.readouterr().err
    key.chmod(0o644)
    assert invoke([*again, "-o", "third.jsonl"]) == 2
    assert "chmod 600" in capsys.readouterr().err
    assert not Path("third.jsonl").exists()


def test_what_cannot_be_signed_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = ["-o", str(tmp_path / "books.jsonl"), "--inventory", str(folder / "boards.toml")]
    assert invoke(["ledger", "export", str(folder / "run"), *target]) == 2
    assert "give --signed" in capsys.readouterr().err
    assert invoke(["ledger", "export", str(tmp_path), "--signed", *target]) == 2
    assert "give a run folder" in capsys.readouterr().err
    forged = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    (forged / "slots.parquet").write_bytes((forged / "nodes.parquet").read_bytes())
    assert invoke(["ledger", "export", str(forged), "--signed", *target]) == 1
    assert "not sound and is not signed" in capsys.readouterr().err
    text = (forged / "scenario.toml").read_text()
    (forged / "scenario.toml").write_text(text.replace("[fleet]", '[fleet]\ncluster = "gone.toml"', 1))
    shutil.copy(folder / "run" / "slots.parquet", forged)
    assert invoke(["ledger", "export", str(forged), "--signed", "-o", str(tmp_path / "b.jsonl")]) == 2
    assert "has no authority yet" in capsys.readouterr().err
    assert not (tmp_path / "books.jsonl").exists()
    assert invoke(["ledger", "verify", str(folder / "run"), "--authority", "00"]) == 2


def test_columns_of_a_virtual_fleet_are_in_the_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "virtual"
    text = SMALL
    for stage in ("preparation = 1", "application = 2", "recycling = 1"):
        text = text.replace(stage, f"{stage[:-1]}0")
    (folder / "virtual.toml").write_text(text)
    command = ["run", str(folder / "virtual.toml"), "--fleet", "virtual", "--no-report"]
    assert invoke([*command, "-o", str(run)]) == 0
    file = tmp_path / "virtual.jsonl"
    export = ["ledger", "export", str(run), "--signed", "--inventory", str(folder / "boards.toml")]
    assert invoke([*export, "-o", str(file)]) == 0
    assert any("columns" in json.loads(line) for line in file.read_bytes().splitlines()[1:-1])
    assert base64.b64decode(json.loads(file.read_bytes().splitlines()[2])["columns"], validate=True)
    assert invoke(["ledger", "verify", str(file)]) == 0
