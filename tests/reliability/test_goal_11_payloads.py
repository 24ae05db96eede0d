"""Goal 11: hostile payloads (pickle, object arrays, huge shapes, compression bombs, NaN): no code runs, memory grows by
less than 50 MB."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from flwr.app import Array, ArrayRecord

from edge_node.adapters.batch_transfer import HEAD
from edge_node.adapters.flower_records import NUMPY_BYTES, from_record
from protos import codec
from protos.access.calls import Calls
from protos.access.config import Access
from protos.access.files import write_private
from protos.gen import testbed_pb2 as pb
from tests.reliability.test_load import MOST_GROWTH_MB, ROOT, most_memory

WAIT_S = 300.0
BOMB_BYTES = 400_000_000


class Code:
    """Runs a command where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def header(shape: str, dtype: str = "<f4") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def models(mark: Path) -> dict[str, bytes]:
    """Arrays of a Flower message."""
    return {
        "pickle": pickle.dumps(Code(mark)),
        "object array": npy(np.array([Code(mark)], dtype=object), allow_pickle=True),
        "huge shape": header("(1099511627776,)") + bytes(64),
        "shape whose product overflows": header("(4294967296, 4294967296, 4)") + bytes(64),
        "code in the header": header("(__import__('os').system('touch " + str(mark) + "'),)"),
        "gzip bomb": gzip.compress(bytes(10_000_000)),
        "cut": npy(np.zeros(10, dtype=np.float32))[:-1],
        "complex": npy(np.zeros(4, dtype=np.complex128)),
    }


def tensor(**changes: Any) -> pb.Tensor:
    return pb.Tensor(**{"name": "x", "dtype": "float32", "shape": [2], "data": bytes(8), **changes})


def requests(mark: Path) -> dict[str, bytes]:
    """Messages of an Infer stream, and, as bytes of a parcel, of a peer port."""
    hostile = {
        "pickle": tensor(data=pickle.dumps(Code(mark))),
        "object": tensor(dtype="object", data=pickle.dumps(Code(mark))),
        "huge shape": tensor(shape=[2**40], data=b""),
        "shape whose product overflows": tensor(shape=[2**32, 2**32, 2], data=b""),
        "negative shape": tensor(shape=[-2]),
        "2,000 axes": tensor(shape=[1] * 2000, data=bytes(4)),
        "NaN": tensor(data=np.full(2, math.nan, dtype=np.float32).tobytes()),
    }
    return {
        name: pb.InferRequest(request_id="1", node_id="n0", tensors=[each]).SerializeToString()
        for name, each in hostile.items()
    }


def test_hostile_models_run_no_code_and_cost_no_memory(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    hostile = models(mark)
    with most_memory(os.getpid()) as megabytes:
        for data in hostile.values():
            record = ArrayRecord({"w": Array(dtype="float32", shape=(2,), stype=NUMPY_BYTES, data=data)})
            with pytest.raises(ValueError, match="parameter w"):
                from_record(record)
        stype = ArrayRecord({"w": Array(dtype="float32", shape=(2,), stype="pickle", data=hostile["pickle"])})
        with pytest.raises(ValueError, match="serialised as 'pickle'"):
            from_record(stype)
    assert not mark.exists()
    growth_mb = megabytes[1] - megabytes[0]
    print(f"{len(hostile) + 1} hostile models: no code ran, +{growth_mb:.0f} MB")
    assert growth_mb < MOST_GROWTH_MB


@pytest.mark.processes
def test_hostile_messages_to_a_node_run_no_code_and_cost_no_memory(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    write_private(tmp_path / "secret", b"of the run")
    command = [sys.executable, str(Path(__file__).with_name("node_process.py"))]
    command += ["127.0.0.1:1", "0", "3", str(tmp_path), str(tmp_path / "secret")]
    with (tmp_path / "log").open("w") as log:
        node = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    calls = Calls(Access(secret_file=tmp_path / "secret"))
    unlimited = (("grpc.max_send_message_length", -1),)
    answers = []

    def ask(port: str, call_of: Callable[[grpc.Channel], Any]) -> None:
        with calls.channel(ports[port], "n0", unlimited) as channel:
            try:
                answers.append(str(call_of(channel)))
            except grpc.RpcError as error:
                status: Any = error
                answers.append(status.code().name)

    def stream(
        path: str, data: bytes, more: tuple[Any, ...], channel: grpc.Channel, **options: Any
    ) -> list[Any]:
        metadata = (*calls.metadata, *more)
        return list(channel.stream_stream(path)(iter([data]), timeout=WAIT_S, metadata=metadata, **options))

    try:
        assert node.stdout is not None
        ports = json.loads(node.stdout.readline())
        with most_memory(node.pid) as megabytes:
            for data in requests(mark).values():
                ask("infer", partial(stream, codec.INFER.path, data, ()))
                ask("peer", partial(stream, codec.DELIVER.path, data, ((HEAD, data[:4000]),)))
            for port, path in (("peer", codec.DELIVER.path), ("infer", codec.INFER.path)):
                ask(port, partial(stream, path, bytes(BOMB_BYTES), (), compression=grpc.Compression.Gzip))
        assert node.poll() is None
    finally:
        node.kill()
        node.wait()
    assert not mark.exists()
    assert "DEADLINE_EXCEEDED" not in answers
    growth_mb = megabytes[1] - megabytes[0]
    print(
        f"{len(answers)} hostile messages, two bombs of {BOMB_BYTES / 1e6:.0f} MB: no code ran, +{growth_mb:.0f} MB"
    )
    assert growth_mb < MOST_GROWTH_MB
