"""Batches between nodes: a parcel of tensors, and its receipt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    dtype: str
    """A name from the codec's allow list, e.g. ``uint8``, ``int64``, ``float32``."""
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class HandedPrompt:
    """The prompt of one request as its owner has read it: cache, and the first token of the answer."""

    batch_id: int
    place: int
    """In the batch, from 0."""
    tokens: int
    """In the cache."""
    first_token: int
    """Of the answer, by its number: it comes out of reading the prompt."""
    first_text: bytes
    """The same as text, UTF-8; empty where it is a part of a character."""
    read_s: float
    """Slot time, seconds, at which it was read."""
    kin: str
    """As ``WorkProfile.hand_over.kin`` of the owner."""
    sha256: str
    """Of ``cache``."""
    cache: bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """Batches on their way from owner to executor. Arrays travel as raw bytes with dtype and shape, never pickled."""

    run_id: str
    epoch: int
    slot: int
    owner: str
    executor: str
    batch_ids: tuple[int, ...]
    tensors: tuple[Tensor, ...]
    """Per tensor of the task (e.g. images, labels) all batches of its service concatenated along axis 0."""
    batch_sizes: tuple[int, ...]
    """Examples per batch, so that the executor can cut the batches apart again."""
    batch_services: tuple[int, ...] = ()
    """Service of each batch, where an application stage has several: 0 the learned task, k the k-th other service.
    Tensors of service k hold only its batches and are called ``k:NAME``. Empty: all batches are of service 0."""
    prompts: tuple[HandedPrompt, ...] = ()
    """Of batches whose prompts the owner has read."""


@dataclass(frozen=True, slots=True)
class ParcelHead:
    """What a parcel says of itself before it is sent: in the headers of the call."""

    run_id: str
    epoch: int
    slot: int
    owner: str
    executor: str
    payload_bytes: int
    """Bytes of its batches, as both ends count them."""


def head_of(parcel: Parcel) -> ParcelHead:
    return ParcelHead(
        parcel.run_id,
        parcel.epoch,
        parcel.slot,
        parcel.owner,
        parcel.executor,
        payload_bytes(parcel),
    )


def payload_bytes(parcel: Parcel) -> int:
    """Bytes of the batches in a parcel and of the caches of their prompts, as both ends count them."""
    return sum(len(tensor.data) for tensor in parcel.tensors) + sum(
        len(prompt.cache) for prompt in parcel.prompts
    )


def tensor_name(service: int, name: str) -> str:
    """Name in a parcel of array ``name`` of a service's batches."""
    return f"{service}:{name}" if service else name


def service_of_tensor(name: str) -> int:
    """Service of a parcel's tensor."""
    number, colon, _ = name.partition(":")
    return int(number) if colon and number.isascii() and number.isdigit() else 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """Answer of the executor: it has the batches (accepted), or refuses them (reason)."""

    accepted: bool
    payload_bytes: int
    reason: str = ""
