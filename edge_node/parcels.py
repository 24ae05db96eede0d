"""Batches as they travel: arrays to tensors and back, checked against the task's own batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_node.workload import Arrays
from protos.messages import Parcel, Tensor


class ParcelError(ValueError):
    """A parcel whose arrays are not what the executor's task works on."""


def pack(
    *,
    run_id: str,
    epoch: int,
    slot: int,
    owner: str,
    executor: str,
    batch_ids: Sequence[int],
    batches: Sequence[Arrays],
) -> Parcel:
    """One parcel of ``batches``, concatenated along axis 0.

    Raises:
        ParcelError: no batches, or batches of different names.
    """
    if not batches or any(set(batch) != set(batches[0]) for batch in batches):
        raise ParcelError(
            f"batches {list(batch_ids)[:8]} of {owner}: need at least one, all with the same arrays"
        )
    sizes = [_examples(batch) for batch in batches]
    tensors = []
    for name in sorted(batches[0]):
        joined = np.concatenate([np.asarray(batch[name]) for batch in batches])
        wire = joined.astype(joined.dtype.newbyteorder("<"), order="C", copy=False)
        tensors.append(Tensor(name, joined.dtype.name, tuple(joined.shape), wire.tobytes()))
    return Parcel(run_id, epoch, slot, owner, executor, tuple(batch_ids), tuple(tensors), tuple(sizes))


def unpack(parcel: Parcel, template: Arrays) -> list[Arrays]:
    """The batches of a parcel as arrays of one's own.

    Args:
        parcel: As the codec lets it pass.
        template: A batch of the executor's own task in this stage: names, dtypes and shapes must agree.

    Raises:
        ParcelError: they do not.
    """
    arrays: dict[str, NDArray[Any]] = {}
    if {tensor.name for tensor in parcel.tensors} != set(template):
        raise ParcelError(
            f"parcel holds {[t.name for t in parcel.tensors]}; the task's batches hold {sorted(template)}"
        )
    for tensor in parcel.tensors:
        expected = np.asarray(template[tensor.name])
        if tensor.dtype != expected.dtype.name or tensor.shape[1:] != expected.shape[1:]:
            raise ParcelError(
                f"{tensor.name} is {tensor.dtype} of shape {tensor.shape}; "
                f"the task's is {expected.dtype.name} of shape (n, {', '.join(map(str, expected.shape[1:]))})"
            )
        size = math.prod(tensor.shape)
        flat = np.frombuffer(tensor.data, dtype=expected.dtype.newbyteorder("<"), count=size)
        arrays[tensor.name] = flat.astype(expected.dtype).reshape(tensor.shape)
    ends = np.cumsum(parcel.batch_sizes)
    starts = ends - np.asarray(parcel.batch_sizes)
    return [{name: a[i:j] for name, a in arrays.items()} for i, j in zip(starts, ends, strict=True)]


def payload_bytes(parcel: Parcel) -> int:
    """Bytes of the batches in a parcel: what both ends count."""
    return sum(len(tensor.data) for tensor in parcel.tensors)


def _examples(batch: Arrays) -> int:
    sizes = {len(array) for array in batch.values()}
    if len(sizes) != 1:
        raise ParcelError(
            f"arrays of a batch have {sorted(sizes)} examples; allowed is the same number in each"
        )
    return sizes.pop()
