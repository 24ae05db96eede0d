"""Every private import of Flower, in one file: taken from 1.41 and 1.42 and held by
tests/edge_node/adapters/test_flower_private.py.

Flower's public ``Grid`` is an abstract class, but its messages take their sender from a process-wide identity
that Flower's own launcher sets, and the run of a grid is a private type. A transport of messages needs both.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from flwr.app import Array, ArrayRecord, Error, Message, RecordDict
from flwr.common.config import get_fused_config_from_dir, get_project_config
from flwr.common.constant import FAB_MAX_SIZE
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity
from numpy.typing import NDArray

from edge_node.adapters.flower_records import NUMPY_BYTES
from edge_node.adapters.npy import array_view

UserValue = bool | int | float | str
"""Of a run's configuration."""
PackedArrays = list[tuple[str, str, tuple[int, ...], str, NDArray[np.uint8]]]
"""Per array: name, dtype, shape, Flower's serialisation type, payload."""

SERVER_NODE_ID = 1
MAX_BUNDLE_BYTES: int = FAB_MAX_SIZE


class ReceivedArray(Array):
    """An array that came with a message. NumPy's own reader gives the header to Python's parser, which must not run in
    two threads at once (edge_node.adapters.npy), and averaging reads while other threads of the runner do."""

    def numpy(self) -> NDArray[Any]:
        if self.stype == NUMPY_BYTES:
            with contextlib.suppress(ValueError):  # what only NumPy can read, or refuse
                return array_view(self.data).copy(order="K")
        return super().numpy()


def bind_identity(run_id: int) -> None:
    """Set Flower's identity of this process, which ``Message(...)`` reads. Call once per run and process."""
    TaskIdentity.run_id = run_id
    TaskIdentity.task_id = 1
    TaskIdentity.node_id = SERVER_NODE_ID


def empty_run(run_id: int) -> Run:
    """A run without a Flower app bundle."""
    return Run.create_empty(run_id)


def stamp(message: Message) -> str:
    """Give a message the id that Flower's SuperLink would give it; replies then name it."""
    message_id = uuid.uuid4().hex
    message.metadata.__dict__["_message_id"] = message_id
    return message_id


def adopt_id(message: Message, message_id: str) -> None:
    """Make ``message`` a reply to ``message_id``: a stored reply answers a repeated message."""
    message.metadata.__dict__["_reply_to_message_id"] = message_id


def pack_head(message: Message) -> bytes:
    """A message without its array records, in Flower's own protobuf."""
    if message.has_error():
        return cast(bytes, message_to_proto(message).SerializeToString())
    whole = message.content
    message.content = RecordDict({k: v for k, v in whole.items() if not isinstance(v, ArrayRecord)})
    try:
        return cast(bytes, message_to_proto(message).SerializeToString())
    finally:
        message.content = whole


def pack_arrays(record: ArrayRecord) -> PackedArrays:
    """An array record as its parts. The payloads are views, so that an object store copies them once
    (through protobuf and pickle it would be four times)."""
    return [
        (name, array.dtype, tuple(array.shape), array.stype, np.frombuffer(array.data, dtype=np.uint8))
        for name, array in record.items()
    ]


def unpack_arrays(packed: PackedArrays) -> ArrayRecord:
    """The array record again; payloads stay bytes until someone asks for numpy, and nothing is unpickled."""
    return ArrayRecord(
        {
            name: ReceivedArray(dtype=dtype, shape=shape, stype=stype, data=payload.tobytes())
            for name, dtype, shape, stype, payload in packed
        }
    )


def unpack(head: bytes, arrays: Mapping[str, PackedArrays]) -> Message:
    """The message again."""
    message = message_from_proto(ProtoMessage.FromString(head))
    for key, packed in arrays.items():
        message.content[key] = unpack_arrays(packed)
    return message


def pack(message: Message) -> tuple[bytes, dict[str, PackedArrays]]:
    """Head and arrays of a message."""
    if message.has_error():
        return pack_head(message), {}
    return pack_head(message), {
        key: pack_arrays(record) for key, record in message.content.array_records.items()
    }


def copy_message(message: Message) -> Message:
    """A message that shares no mutable state with the original, as after a real wire.

    Array payloads are immutable bytes and may be shared; the records around them are rebuilt.
    """
    copied = message_from_proto(ProtoMessage.FromString(pack_head(message)))
    if message.has_content():
        for key, record in message.content.array_records.items():
            copied.content[key] = ArrayRecord(
                {
                    name: ReceivedArray(dtype=a.dtype, shape=tuple(a.shape), stype=a.stype, data=a.data)
                    for name, a in record.items()
                }
            )
    return copied


def error_reply(message: Message, code: int, reason: str) -> Message:
    """Error reply of a failed node, as Flower's strategies expect it."""
    return Message(Error(code=code, reason=reason[:2000]), reply_to=message)


def components_of(folder: Path) -> tuple[str, str, str]:
    """(project, ServerApp, ClientApp) that a ``pyproject.toml`` names. Raises ValueError, FileNotFoundError."""
    config = get_project_config(folder)
    components = config["tool"]["flwr"]["app"]["components"]
    return config["project"]["name"], components["serverapp"], components["clientapp"]


def run_config_of(folder: Path, overrides: Mapping[str, UserValue]) -> dict[str, UserValue]:
    """``run_config`` of a project: nested tables as dotted names, ``overrides`` in place of its values.

    Raises ValueError for one that the project does not have."""
    return dict(get_fused_config_from_dir(folder, dict(overrides)))


def bundle_of(folder: Path) -> bytes:
    """A project as Flower's own nodes get it: a zip file (FAB) of code and settings, the same for the same files.

    Raises ValueError, OSError for a project of which Flower makes none."""
    from flwr.cli.build import build_fab_from_disk  # of the runner's machine alone: brings the command line

    return cast(bytes, build_fab_from_disk(folder))
