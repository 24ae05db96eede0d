"""What SQLite writes and syncs, in order: recorded between SQLite and the operating system by a virtual file
system (VFS) that passes every call on. Without a compiler and without another process: the VFS is a copy of
SQLite's own, with four functions replaced.
"""

from __future__ import annotations

import _sqlite3
import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Pointer, Int, Int64 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
# SQLite keeps the name that it gives: the same pointer has to be passed on, no copy.
OPEN = ctypes.CFUNCTYPE(Int, Pointer, Pointer, Pointer, Int, Pointer)
DELETE = ctypes.CFUNCTYPE(Int, Pointer, ctypes.c_char_p, Int)
WRITE = ctypes.CFUNCTYPE(Int, Pointer, Pointer, Int, Int64)
TRUNCATE = ctypes.CFUNCTYPE(Int, Pointer, Int64)
SYNC = ctypes.CFUNCTYPE(Int, Pointer, Int)


class Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3."""

    _fields_ = (
        ("version", Int),
        ("file_size", Int),
        ("longest_path", Int),
        ("next", Pointer),
        ("name", ctypes.c_char_p),
        ("data", Pointer),
        ("open", OPEN),
        ("delete", DELETE),
        *(
            (name, Pointer)
            for name in "access full dl_open dl_error dl_sym dl_close random sleep time".split()
        ),
        *((name, Pointer) for name in "last_error time64 set_call get_call next_call".split()),
    )


class Methods(ctypes.Structure):
    """sqlite3_io_methods, version 3."""

    _fields_ = (
        ("version", Int),
        ("close", Pointer),
        ("read", Pointer),
        ("write", WRITE),
        ("truncate", TRUNCATE),
        ("sync", SYNC),
        *((name, Pointer) for name in "size lock unlock check_lock control sector device".split()),
        *((name, Pointer) for name in "shm_map shm_lock shm_barrier shm_unmap fetch unfetch".split()),
    )


@dataclass(frozen=True, slots=True)
class Op:
    """``kind``: create, write, truncate, sync, delete; or mark, with what had been acknowledged by then."""

    kind: str
    file: str = ""
    offset: int = 0
    data: bytes = b""
    mark: Any = None


@dataclass
class Recording:
    """Everything that reached the disk, in order."""

    ops: list[Op] = field(default_factory=list)

    def mark(self, acknowledged: Any) -> None:
        """The caller was told so: from now on a power cut must not undo it."""
        self.ops.append(Op("mark", mark=acknowledged))


_KEPT: list[Any] = []
"""Callbacks must outlive every connection that may still call them."""


@contextmanager
def recording(folder: Path) -> Iterator[Recording]:
    """Connections opened within are recorded, for the files of ``folder``."""
    recorded = Recording()
    library: Any = ctypes.CDLL(_sqlite3.__file__)
    library.sqlite3_vfs_find.restype = Pointer
    library.sqlite3_vfs_find.argtypes = (ctypes.c_char_p,)
    library.sqlite3_vfs_register.argtypes = (Pointer, Int)
    library.sqlite3_vfs_unregister.argtypes = (Pointer,)
    inner = Vfs.from_address(library.sqlite3_vfs_find(None))
    outer = Vfs.from_buffer_copy(inner)
    outer.name = b"recorder"
    spy = _Spy(recorded, folder, inner)
    outer.open, outer.delete = OPEN(spy.open), DELETE(spy.delete)
    _KEPT.append((outer, spy))
    library.sqlite3_vfs_register(ctypes.addressof(outer), 1)
    try:
        yield recorded
    finally:
        library.sqlite3_vfs_unregister(ctypes.addressof(outer))
        library.sqlite3_vfs_register(ctypes.addressof(inner), 1)


class _Spy:
    """The replaced functions."""

    def __init__(self, recorded: Recording, folder: Path, inner: Vfs) -> None:
        self._recorded, self._folder, self._inner = recorded, folder, inner
        self._files: dict[int, str] = {}
        self._tables: dict[int, Methods] = {}

    def open(self, vfs: int, name: int | None, file: int, flags: int, out: int | None) -> int:
        path = Path(ctypes.string_at(name).decode()) if name else None
        new = path is not None and not path.exists()
        result = self._inner.open(vfs, name, file, flags, out)
        place = ctypes.c_void_p.from_address(file)
        if result == 0 and path is not None and path.parent == self._folder and place.value:
            self._files[file] = path.name
            if new:
                self._recorded.ops.append(Op("create", path.name))
            place.value = ctypes.addressof(self._table(place.value))
        return int(result)

    def delete(self, vfs: int, name: bytes, sync: int) -> int:
        result = self._inner.delete(vfs, name, sync)
        if result == 0 and Path(name.decode()).parent == self._folder:
            self._recorded.ops.append(Op("delete", Path(name.decode()).name, sync))
        return int(result)

    def _table(self, address: int) -> Methods:
        """SQLite's functions for a file, three of them replaced."""
        if address not in self._tables:
            methods = Methods.from_buffer_copy(Methods.from_address(address))
            # By address: the field itself would follow what is written into it.
            write = WRITE(ctypes.cast(methods.write, Pointer).value or 0)
            truncate = TRUNCATE(ctypes.cast(methods.truncate, Pointer).value or 0)
            sync = SYNC(ctypes.cast(methods.sync, Pointer).value or 0)
            _KEPT.append((write, truncate, sync))
            methods.write = WRITE(self._write(write))
            methods.truncate = TRUNCATE(self._truncate(truncate))
            methods.sync = SYNC(self._sync(sync))
            self._tables[address] = methods
            _KEPT.append(methods)
        return self._tables[address]

    def _write(self, inner: Any) -> Callable[[int, int, int, int], int]:
        def write(file: int, buffer: int, amount: int, offset: int) -> int:
            self._recorded.ops.append(
                Op("write", self._files[file], offset, ctypes.string_at(buffer, amount))
            )
            return int(inner(file, buffer, amount, offset))

        return write

    def _truncate(self, inner: Any) -> Callable[[int, int], int]:
        def truncate(file: int, size: int) -> int:
            self._recorded.ops.append(Op("truncate", self._files[file], size))
            return int(inner(file, size))

        return truncate

    def _sync(self, inner: Any) -> Callable[[int, int], int]:
        def sync(file: int, flags: int) -> int:
            result = int(inner(file, flags))
            self._recorded.ops.append(Op("sync", self._files[file]))
            return result

        return sync
