"""Invented large files, packed as their servers offer them."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

from carbon_data.files.datasets import Dataset

PLAIN = b"to be or not to be\n" * 5000
PACKED = gzip.compress(b"idx" * 30_000, mtime=0)


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
