"""Batches as they travel: arrays to tensors and back, checked against the task's own batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from edge_node.config import NodeConfig
from edge_node.serving.requests import RequestWorkload
from edge_node.slots.parcels import ParcelError, pack, payload_bytes, unpack
from edge_node.workload import Arrays
from protos import codec
from protos.messages.parcels import Parcel
from protos.messages.terms import Stage
from tests.edge_node.two_services import two_services

SERVED = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.APPLICATION)
MakeConfig = Callable[..., NodeConfig]


def parcel_of(workload: RequestWorkload, count: int = 12) -> tuple[Parcel, list[Arrays]]:
    batches = [workload.batch(k, Stage.APPLICATION) for k in range(count)]
    ids = list(range(count))
    return pack(
        run_id="run", epoch=1, slot=1, owner="n0", executor="n1", batch_ids=ids, batches=batches
    ), batches


def test_a_parcel_of_two_services_comes_out_as_it_went_in(make_config: MakeConfig) -> None:
    workload = two_services(make_config)
    parcel, batches = parcel_of(workload)
    assert set(parcel.batch_services) == {0, 1}
    again = unpack(codec.decode(Parcel, codec.encode(parcel)), workload.template)
    for one, two in zip(batches, again, strict=True):
        assert set(one) == set(two)
        assert all(np.array_equal(one[name], two[name]) for name in one)
    # The service is stated once per batch; the tags of requests are not sent.
    assert payload_bytes(parcel) == sum(
        array.nbytes for batch in batches for name, array in batch.items() if name != "service"
    )


def test_parcels_that_contradict_themselves_are_refused(make_config: MakeConfig) -> None:
    workload = two_services(make_config)
    parcel, _ = parcel_of(workload)
    swapped = dataclasses.replace(parcel, batch_services=tuple(1 - k for k in parcel.batch_services))
    with pytest.raises(codec.ProtocolError, match="axis 0"):
        codec.encode(swapped)
    with pytest.raises(codec.ProtocolError, match="one per batch"):
        codec.encode(dataclasses.replace(parcel, batch_services=parcel.batch_services[1:]))
    other = dataclasses.replace(
        parcel,
        batch_services=tuple(2 * k for k in parcel.batch_services),
        tensors=tuple(dataclasses.replace(t, name=t.name.replace("1:", "2:")) for t in parcel.tensors),
    )
    with pytest.raises(ValueError, match="service 2; this node has 0 to 1"):
        unpack(other, workload.template)
    lacking = dataclasses.replace(parcel, tensors=tuple(t for t in parcel.tensors if t.name != "1:tokens"))
    with pytest.raises(ParcelError, match="1:tokens"):
        unpack(lacking, workload.template)
