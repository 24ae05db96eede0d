"""Fault 11: a parcel was decoded before its run and slot were checked: 24 refused parcels cost 858 MB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge_node.adapters.batch_transfer import head_metadata
from protos import codec
from protos.access.calls import Calls
from protos.access.config import Access
from protos.access.files import write_private
from protos.messages.parcels import Parcel, Receipt, Tensor
from tests.reliability.test_load import MOST_GROWTH_MB, ROOT, most_memory

pytestmark = pytest.mark.processes
COUNT, AT_A_TIME, BYTES = 24, 6, 36_000_000
WAIT_S = 120.0


def test_refused_parcels_cost_no_memory_also_from_one_who_knows_the_secret(tmp_path: Path) -> None:
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
    tensor = Tensor("x", "uint8", (BYTES,), bytes(BYTES))
    parcels = [
        Parcel(run, 1, slot, "n1", executor, (1,), (tensor,), (BYTES,))
        for run, slot, executor in (("run", 7, "n0"), ("another", 0, "n0"), ("run", 0, "n9"))
    ]
    sent = [(codec.encode(parcel), head_metadata(parcel)) for parcel in parcels]

    def deliver(number: int) -> Receipt:
        data, head = sent[number % len(sent)]
        with calls.channel(address, "n0", (("grpc.max_send_message_length", -1),)) as channel:
            call = channel.unary_unary(codec.DELIVER.path)
            return codec.DELIVER.decode_response(
                call(data, timeout=WAIT_S, metadata=(*calls.metadata, *head))
            )

    try:
        assert node.stdout is not None
        address = json.loads(node.stdout.readline())["peer"]
        deliver(0)  # what the first call costs is not the parcel's
        with most_memory(node.pid) as megabytes, ThreadPoolExecutor(AT_A_TIME) as threads:
            receipts = list(threads.map(deliver, range(COUNT)))
    finally:
        node.kill()
        node.wait()
    assert not any(receipt.accepted for receipt in receipts)
    assert len({receipt.reason for receipt in receipts}) >= 2
    growth_mb = megabytes[1] - megabytes[0]
    print(f"{COUNT} refused parcels of {BYTES / 1e6:.0f} MB: +{growth_mb:.0f} MB")
    assert growth_mb < MOST_GROWTH_MB
