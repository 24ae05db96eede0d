"""Outside clients of a node: a plain class for programs, and what ``detabed infer`` does.

Needs grpc and numpy only, and for ``run_infer_client`` the data set that it asks about.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, cast

import grpc
import numpy as np
from numpy.typing import NDArray

from edge_node.serving.tensors import to_arrays, to_tensors
from edge_node.tasks.data import images, text
from edge_node.workload import Arrays
from protos.access.calls import Calls
from protos.access.config import Access
from protos.codec import INFER, MAX_INFER_BYTES, ProtocolError
from protos.latency import exact_quantile
from protos.messages.inference import InferAnswer, InferRequest
from protos.wire import SEVERAL_NODES

TIMEOUT_S = 60.0


class InferError(RuntimeError):
    """A node would not, or could not, answer. ``code`` is the gRPC status."""

    def __init__(self, code: str, reason: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(f"{code}: {reason}")

    @property
    def nodes(self) -> tuple[str, ...]:
        """Nodes at the address, where the request named none of several; else none."""
        _, found, names = self.reason.partition(SEVERAL_NODES)
        return tuple(names.split(", ")) if found else ()


class InferClient:
    """Asks one address. Use as a context manager, or ``close``."""

    def __init__(self, address: str, access: Access | None = None, node_id: str = "") -> None:
        """``access``: the run's secret, or a certificate of its authority; ``node_id``: which node, where several
        share the address, and always with certificates: that of the node is compared with it.

        Raises ValueError for an ``access`` that cannot be used.
        """
        self._calls = Calls(access or Access())
        if self._calls.certified and not node_id:
            raise ValueError(
                f"{address}: which node answers there? Give its name: its certificate must say so"
            )
        options = (
            ("grpc.max_receive_message_length", MAX_INFER_BYTES + 4096),
            ("grpc.enable_http_proxy", 0),
        )
        self._channel = self._calls.channel(address, node_id, options)
        self._address, self._node_id = address, node_id

    def stream(self, requests: Iterable[Arrays], timeout_s: float = TIMEOUT_S) -> Iterator[InferAnswer]:
        """Answers in the order asked; requests are sent as fast as the node takes them.

        Raises InferError when the node refuses or is not there, ProtocolError for what may not be sent.
        """
        call: Any = cast(Any, self._channel).stream_stream(INFER.path)
        broken: list[ProtocolError] = []
        prefix = uuid.uuid4().hex[:12]

        def encoded() -> Iterator[bytes]:
            for number, arrays in enumerate(requests):
                request = InferRequest(f"{prefix}-{number}", self._node_id, to_tensors(arrays))
                try:
                    data = INFER.encode_request(request)
                    if len(data) > MAX_INFER_BYTES:
                        raise ProtocolError("InferRequest", f"{len(data)} bytes", f"{MAX_INFER_BYTES} bytes")
                except ProtocolError as error:
                    broken.append(error)
                    return
                yield data

        try:
            for data in call(encoded(), timeout=timeout_s, metadata=self._calls.metadata):
                yield INFER.decode_response(data)
        except grpc.RpcError as error:
            status: Any = error
            raise InferError(status.code().name, f"{self._address}: {status.details()}") from None
        if broken:
            raise broken[0]

    def ask(self, arrays: Arrays, timeout_s: float = TIMEOUT_S) -> InferAnswer:
        """One request, one answer. Raises as ``stream``."""
        return next(self.stream([arrays], timeout_s))

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> InferClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def run_infer_client(
    address: str,
    *,
    data: str = "digits",
    count: int = 100,
    batch: int = 1,
    node_id: str = "",
    seed: int = 0,
    timeout_s: float = TIMEOUT_S,
    access: Access | None = None,
) -> dict[str, Any]:
    """Ask a node about ``count`` examples of data set ``data``, ``batch`` to a request, and say how it went.

    Returns one JSON object: requests, examples, answered, tokens_in, tokens_out, duration_s, examples_per_s,
    queue_p50_s, queue_p95_s, queue_p99_s, service_p50_s, mean_batch_examples, and accuracy_fraction for
    labelled images (None for texts).

    Raises InferError, or ValueError and DataError for data that cannot be loaded.
    """
    if count < 1 or batch < 1:
        raise ValueError(f"count {count}, batch {batch}; allowed is at least 1 of each")
    arrays, labels = _examples(data, count, seed)
    requests = [
        {name: array[k : k + batch] for name, array in arrays.items()} for k in range(0, count, batch)
    ]
    with InferClient(address, access, node_id) as client:
        began = time.perf_counter()
        answers = list(client.stream(requests, timeout_s))
        duration_s = time.perf_counter() - began
    queue_s, service_s = (sorted(getattr(a, name) for a in answers) for name in ("queue_s", "service_s"))
    accuracy = None
    if labels is not None:
        classes = np.concatenate([to_arrays(answer.tensors)["classes"] for answer in answers])
        accuracy = float(np.mean(classes == labels[: len(classes)]))
    return {
        "address": address,
        "node_id": answers[0].node_id,
        "data": data,
        "requests": len(requests),
        "answered": len(answers),
        "examples": count,
        "tokens_in": sum(answer.tokens_in for answer in answers),
        "tokens_out": sum(answer.tokens_out for answer in answers),
        "duration_s": duration_s,
        "examples_per_s": count / duration_s,
        "queue_p50_s": exact_quantile(queue_s, 0.50),
        "queue_p95_s": exact_quantile(queue_s, 0.95),
        "queue_p99_s": exact_quantile(queue_s, 0.99),
        "service_p50_s": exact_quantile(service_s, 0.50),
        "mean_batch_examples": float(np.mean([answer.batch_examples for answer in answers])),
        "accuracy_fraction": accuracy,
    }


def _examples(data: str, count: int, seed: int) -> tuple[Mapping[str, NDArray[Any]], NDArray[Any] | None]:
    """(what is asked, right answers or None): ``count`` examples of the test set, drawn by ``seed``."""
    if data in text.NAMES and data not in images.NAMES:
        tokens = text.load(text.resolve(data)).test["tokens"]
        return {"tokens": tokens[_choice(len(tokens), count, seed), : text.PROMPT - 1]}, None
    if data not in images.NAMES:
        raise ValueError(f"data {data!r} is not known; allowed are {', '.join((*images.NAMES, *text.NAMES))}")
    test = images.load(images.resolve(data)).test
    chosen = _choice(len(test["images"]), count, seed)
    return {"images": test["images"][chosen]}, test["labels"][chosen]


def _choice(available: int, count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, available, count)
