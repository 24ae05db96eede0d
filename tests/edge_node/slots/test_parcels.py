"""Batches as they travel: arrays to tensors and back, checked against the task's own batches."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge_node.config import NodeConfig
from edge_node.serving.requests import RequestWorkload
from edge_node.slots.parcels import ParcelError, pack, unpack
from edge_node.workload import Arrays
from protos import codec
from protos.messages.parcels import Parcel, Tensor, payload_bytes
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


X, Y = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=np.float32), np.array([7, 8, 9], dtype=np.int64)


def images(start: int, end: int) -> Arrays:
    return {"y": Y[start:end], "x": X[start:end]}


def packed(batches: list[Arrays], **changes: Any) -> Parcel:
    told: dict[str, Any] = {"run_id": "run", "epoch": 3, "slot": 5, "owner": "n0", "executor": "n1"}
    return pack(**told, batch_ids=range(40, 40 + len(batches)), batches=batches, **changes)


def test_a_parcel_whole_by_hand() -> None:
    """Arrays of a service one after the other, by name, as little-endian bytes; services one after the other."""
    asks = {"words": np.array([[65, 66]], dtype=np.uint8), "service": np.array([1], dtype=np.uint8)}
    parcel = packed([images(0, 2), asks, images(2, 3)])
    assert parcel == Parcel(
        run_id="run",
        epoch=3,
        slot=5,
        owner="n0",
        executor="n1",
        batch_ids=(40, 41, 42),
        tensors=(
            Tensor("x", "float32", (3, 2), X.astype("<f4").tobytes()),
            Tensor("y", "int64", (3,), Y.astype("<i8").tobytes()),
            Tensor("1:words", "uint8", (1, 2), b"AB"),
        ),
        batch_sizes=(2, 1, 1),
        batch_services=(0, 1, 0),
    )
    assert payload_bytes(parcel) == 24 + 24 + 2
    assert packed([images(0, 2)]).batch_services == (), "one service needs no names"
    big = {"x": X.astype(">f4"), "y": Y}
    assert packed([big]).tensors[0] == Tensor("x", "float32", (3, 2), X.astype("<f4").tobytes())
    turned = {"x": np.asfortranarray(X), "y": Y}
    assert packed([turned]).tensors[0].data == X.tobytes()


def test_batches_that_make_no_parcel() -> None:
    several = "need at least one, all of a service with the same arrays"
    with pytest.raises(ParcelError, match=rf"^batches \[\] of n0: {several}$"):
        packed([])
    other: Arrays = {"x": X}
    named = list(range(40, 48))
    with pytest.raises(ParcelError, match=rf"^batches {re.escape(str(named))} of n0: {several}$"):
        packed([images(0, 1)] * 9 + [other])
    uneven: Arrays = {"x": X, "y": Y[:2]}
    with pytest.raises(ParcelError) as caught:
        packed([uneven])
    assert str(caught.value) == "arrays of a batch have [2, 3] examples; allowed is the same number in each"


def test_batches_come_out_of_a_parcel_in_their_order_and_as_copies() -> None:
    asks = {
        "words": np.array([[65, 66], [67, 68]], dtype=np.uint8),
        "service": np.array([1, 1], dtype=np.uint8),
    }
    parcel = packed([images(0, 2), asks, images(2, 3)])
    templates: dict[int, Arrays] = {0: images(0, 1), 1: {**asks, "words": asks["words"][:1]}}
    first, second, third = unpack(parcel, templates.__getitem__)
    for found, wanted in ((first, images(0, 2)), (second, asks), (third, images(2, 3))):
        assert set(found) == set(wanted)
        for name, array in found.items():
            assert array.dtype == wanted[name].dtype
            assert array.tolist() == wanted[name].tolist()
    first["x"][0, 0] = -1.0  # arrays of one's own
    assert X[0, 0] == 1.0
    asked: list[int] = []
    unpack(
        packed([images(0, 2), images(2, 3)]), lambda service: (asked.append(service), templates[service])[1]
    )
    assert asked == [0]


def test_parcels_unlike_the_task_s_batches_say_how() -> None:
    parcel = packed([images(0, 2), images(2, 3)])
    x, y = parcel.tensors

    def refused(tensors: tuple[Tensor, ...], **changes: Any) -> str:
        with pytest.raises(ParcelError) as caught:
            unpack(dataclasses.replace(parcel, tensors=tensors, **changes), lambda service: images(0, 1))
        return str(caught.value)

    assert refused((x,)) == "parcel holds ['x']; the task's batches hold ['x', 'y']"
    stranger = dataclasses.replace(x, name="z")
    assert refused((x, y, stranger)) == "parcel holds ['x', 'y', 'z']; the task's batches hold ['x', 'y']"
    double = dataclasses.replace(x, dtype="float64")
    assert refused((double, y)) == "x is float64 of shape (3, 2); the task's is float32 of shape (n, 2)"
    wide = dataclasses.replace(x, shape=(2, 3))
    assert refused((wide, y)) == "x is float32 of shape (2, 3); the task's is float32 of shape (n, 2)"
    words = (dataclasses.replace(x, name="2:x"), dataclasses.replace(x, name="1:x"))
    assert refused((x, y, *words)) == "parcel holds arrays of services [1, 2] and no batch of them"
    long = dataclasses.replace(x, data=x.data + b"1234")
    with pytest.raises(ValueError, match=r"cannot reshape array of size 7 into shape \(3,2\)"):
        unpack(dataclasses.replace(parcel, tensors=(long, y)), lambda service: images(0, 1))
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is shorter than argument 1"):
        unpack(dataclasses.replace(parcel, batch_sizes=(2,)), lambda service: images(0, 1))
