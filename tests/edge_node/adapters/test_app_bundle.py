"""An app's bundle on a board: unpacked when it is the one that was promised, and never outside its folder."""

from __future__ import annotations

import hashlib
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from edge_node.adapters import app_bundle
from edge_node.adapters.app_bundle import remove_bundles, unpack_bundle
from edge_node.adapters.flower_private import bundle_of

PLAIN = Path(__file__).parents[2] / "apps" / "plain"


def zipped(name: str, content: bytes = b"x") -> tuple[bytes, str]:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr(name, content)
    return stream.getvalue(), hashlib.sha256(stream.getvalue()).hexdigest()


def test_a_project_arrives_as_it_left(tmp_path: Path) -> None:
    bundle = bundle_of(PLAIN)
    digest = hashlib.sha256(bundle).hexdigest()
    place = unpack_bundle(bundle, digest, tmp_path)
    assert place.parent == tmp_path
    for name in ("client_app.py", "server_app.py"):
        assert (place / "plain_app" / name).read_bytes() == (PLAIN / "plain_app" / name).read_bytes()
    (place / "left over").touch()
    assert not (unpack_bundle(bundle, digest, tmp_path) / "left over").exists()
    remove_bundles(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_anything_else_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="came with sha256"):
        unpack_bundle(b"other", "0" * 64, tmp_path)
    for name in ("../outside.py", "/outside.py", "a/../../outside.py"):
        with pytest.raises(ValueError, match="no name below a folder"):
            unpack_bundle(*zipped(name), tmp_path)
    with pytest.raises(ValueError, match="cannot be unpacked"):
        unpack_bundle(b"no zip", hashlib.sha256(b"no zip").hexdigest(), tmp_path)
    monkeypatch.setattr(app_bundle, "MAX_UNPACKED_BYTES", 9)
    with pytest.raises(ValueError, match="10 bytes, allowed are 9"):
        unpack_bundle(*zipped("a.py", b"0123456789"), tmp_path)
    assert list(tmp_path.iterdir()) == []
