"""Batches as they travel: arrays to tensors and back, checked against the task's own batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_node.serving.requests import SERVICE, service_of
from edge_node.workload import HANDED, Arrays
from protos.messages.parcels import Parcel, Tensor, service_of_tensor, tensor_name


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
    """One parcel of ``batches``, those of each service concatenated along axis 0.

    Raises:
        ParcelError: no batches, or batches of one service with different names.
    """
    services = [service_of(batch) for batch in batches]
    kinds = {
        service: [batch for batch, asks in zip(batches, services, strict=True) if asks == service]
        for service in set(services)
    }
    if not batches or any(set(batch) != set(same[0]) for same in kinds.values() for batch in same):
        raise ParcelError(
            f"batches {list(batch_ids)[:8]} of {owner}: need at least one, all of a service with the same arrays"
        )
    tensors = []
    for service in sorted(kinds):
        same = kinds[service]
        for name in sorted(set(same[0]) - {SERVICE}):
            joined = np.concatenate([np.asarray(batch[name]) for batch in same])
            wire = joined.astype(joined.dtype.newbyteorder("<"), order="C", copy=False)
            tensors.append(
                Tensor(tensor_name(service, name), joined.dtype.name, tuple(joined.shape), wire.tobytes())
            )
    return Parcel(
        run_id,
        epoch,
        slot,
        owner,
        executor,
        tuple(batch_ids),
        tuple(tensors),
        tuple(_examples(batch) for batch in batches),
        tuple(services) if any(services) else (),
    )


def unpack(parcel: Parcel, template: Callable[[int], Arrays]) -> list[Arrays]:
    """The batches of a parcel as arrays of one's own.

    Args:
        parcel: As the codec lets it pass.
        template: A batch of the executor's own task in this stage, by service: names, dtypes and shapes must agree.

    Raises:
        ParcelError: they do not.
        ValueError: a service that the executor does not have.
    """
    services = parcel.batch_services or (0,) * len(parcel.batch_ids)
    arrays = {service: _arrays(parcel, service, template(service)) for service in sorted(set(services))}
    if unknown := {service_of_tensor(tensor.name) for tensor in parcel.tensors} - set(services):
        raise ParcelError(f"parcel holds arrays of services {sorted(unknown)} and no batch of them")
    begun = dict.fromkeys(arrays, 0)
    batches: list[Arrays] = []
    for service, size in zip(services, parcel.batch_sizes, strict=True):
        start = begun[service]
        begun[service] = start + size
        batch = {name: array[start : start + size] for name, array in arrays[service].items()}
        tag = {SERVICE: np.full(size, service, dtype=np.uint8)} if service else {}
        batches.append({**batch, **tag})
    return batches


def _arrays(parcel: Parcel, service: int, template: Arrays) -> dict[str, NDArray[Any]]:
    """Arrays of one service's batches, by the task's names."""
    wanted = {tensor_name(service, name): name for name in template if name != SERVICE}
    tensors = [tensor for tensor in parcel.tensors if service_of_tensor(tensor.name) == service]
    if {tensor.name for tensor in tensors} != set(wanted):
        raise ParcelError(
            f"parcel holds {[t.name for t in tensors]}; the task's batches hold {sorted(wanted)}"
        )
    arrays: dict[str, NDArray[Any]] = {}
    for tensor in tensors:
        expected = np.asarray(template[wanted[tensor.name]])
        if tensor.dtype != expected.dtype.name or tensor.shape[1:] != expected.shape[1:]:
            raise ParcelError(
                f"{tensor.name} is {tensor.dtype} of shape {tensor.shape}; "
                f"the task's is {expected.dtype.name} of shape (n, {', '.join(map(str, expected.shape[1:]))})"
            )
        flat = np.frombuffer(tensor.data, dtype=expected.dtype.newbyteorder("<"))
        arrays[wanted[tensor.name]] = flat.astype(expected.dtype).reshape(tensor.shape)
    return arrays


def with_prompts(parcel: Parcel, batches: Sequence[Arrays]) -> list[Arrays]:
    """The batches of a parcel with the prompts that its owner has read."""
    read = {(prompt.batch_id, prompt.place): prompt for prompt in parcel.prompts}
    of_batches = {prompt.batch_id for prompt in parcel.prompts}
    found: list[Arrays] = []
    for batch_id, size, batch in zip(parcel.batch_ids, parcel.batch_sizes, batches, strict=True):
        if batch_id in of_batches:
            prompts = np.empty(size, dtype=object)
            prompts[:] = [read.get((batch_id, place)) for place in range(size)]
            batch = {**batch, HANDED: prompts}
        found.append(batch)
    return found


def _examples(batch: Arrays) -> int:
    sizes = {len(array) for array in batch.values()}
    if len(sizes) != 1:
        raise ParcelError(
            f"arrays of a batch have {sorted(sizes)} examples; allowed is the same number in each"
        )
    return sizes.pop()
