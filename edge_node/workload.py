"""Port to a node's task. The node itself depends on no learning framework; only code behind this port uses torch."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from protos.messages.parcels import HandedPrompt
from protos.messages.slot import Recalled
from protos.messages.terms import RequestPart

Arrays = Mapping[str, NDArray[Any]]
"""Named arrays of one batch (e.g. ``images`` (B, 1, 28, 28) uint8, ``labels`` (B,) int64), axis 0 the examples."""
Parameters = Mapping[str, NDArray[np.float32]]
"""Model parameters by name."""
Stop = Callable[[], bool]
"""Asked before every batch: whether the rest is to be left undone."""

TRAIN_OPTIONS: frozenset[str] = frozenset({"proximal-mu", "learning-rate", "local-epochs"})
"""What ``Workload.train`` understands; the last two override the task's configuration."""


HANDED = "handed"
"""Array of objects (B,) beside a batch of requests to a language model: of each the prompt as its owner read it
(protos.messages.parcels.HandedPrompt), or None. It is made where a parcel comes in, and has no tensor."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Measured cost of computing, in place of counted operations."""

    seconds: float
    joules: float
    """Above static power."""

    def times(self, share: float) -> Calibrated:
        return Calibrated(self.seconds * share, self.joules * share)


@dataclass(frozen=True, slots=True)
class SplitCost:
    """Of a batch of requests to a language model, what may be done on another node than the rest."""

    read_flop: float
    """Of ``WorkCost.flop_per_batch``, reading the prompts."""
    cache_bytes: float
    """Of the caches of its prompts, as they travel."""
    kin: str
    """What two nodes must have in common for one to go on with what the other has read."""
    measured: Calibrated | None = None
    """Of reading them, where the task's cost was calibrated."""

    def times(self, share: float) -> SplitCost:
        measured = None if self.measured is None else self.measured.times(share)
        return SplitCost(self.read_flop * share, self.cache_bytes * share, self.kin, measured)


@dataclass(frozen=True, slots=True)
class WorkCost:
    """Counted work of one batch."""

    flop_per_batch: float
    bytes_per_batch: int
    model_bytes: int = 0
    """Bytes of the model's parameters: received by a node before it trains or serves, sent back after training."""
    up_bytes: float = 0.0
    """From the users to the node, for an average batch: see ``Workload.user_bytes``."""
    down_bytes: float = 0.0
    """From the node to the users."""
    split: SplitCost | None = None
    """None: a batch is run by one node."""
    measured: Calibrated | None = None
    """Of a batch, where the task's cost was calibrated on the board; None: its operations at the board's speed."""


@dataclass(frozen=True, slots=True)
class UserBytes:
    """Payload of one batch between the users' devices and the nodes."""

    up_bytes: int
    """Requests; in the preparation stage the data."""
    down_bytes: int
    """Answers."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    parameters: Parameters
    num_examples: int
    """Distinct examples trained on: the aggregation weight."""
    batches: int
    mean_loss: float
    flop: float
    personal_accuracy: float | None = None
    """Of the model that the node would serve now, on held-out examples in the proportions of its own classes, 0..1;
    None: not measured."""


@dataclass(frozen=True, slots=True)
class BatchWork:
    """Operations and seconds of one batch of requests."""

    flop: float
    seconds: float
    """Really spent computing (CPU time, at most wall time): not what a board would need."""
    decode_flop: float = 0.0
    """Of ``flop``, what was done token by token after the pass over the input (prefill)."""
    decode_s: float = 0.0
    """Of ``seconds``, the same."""


@dataclass(frozen=True, slots=True)
class Together:
    """Of a request that was answered at the same time as others: when, as shares of the seconds of all of them."""

    group: int
    """Number, within the batch, of those that were answered at once."""
    first_fraction: float
    """Until its first token."""
    done_fraction: float
    """Until its last one."""


@dataclass(frozen=True, slots=True)
class Aside:
    """Work for a request in a window of its own, whose result no user gets."""

    seconds: float
    """Of the board."""
    compute_j: float | None
    """As of ``RequestUse``."""


@dataclass(frozen=True, slots=True)
class RequestUse:
    """One request to a language model: what it took, also where it failed."""

    cached_tokens: int
    """Of the prompt, that the server had read before and did not read again."""
    prefilled_tokens: int
    """Of the prompt, that it read."""
    tokens_out: int
    """Generated. The first one comes out of reading the prompt."""
    seconds: float
    """Of the board: CPU time, at most wall time."""
    prefill_fraction: float
    """Of ``seconds``, reading the prompt, by the server's own timings (of counted operations under a meter that
    counts)."""
    first_s: float
    """Until the first token came, in seconds of the board from the request's turn."""
    compute_j: float | None
    """Above static power, read in a window of its own; None: the meter has no reading of so short a window."""
    half_width_j: float | None
    """Half of the 95 % interval of a sensor's reading; None where the meter has none."""
    flop: float
    """Counted operations; of a failed request those that were begun."""
    decode_flop: float
    up_bytes: int
    """From the user, framing included."""
    down_bytes: int
    """To the user, framing included."""
    content_bits: int
    """Of the texts of prompt and answer."""
    failed: str = ""
    """Why it was not answered; empty: it was."""
    part: RequestPart = RequestPart.WHOLE
    cache_bytes: int = 0
    """Of the prompt's cache as it travelled; 0 of a whole request."""
    same: bool | None = None
    """Whether the answer with the cache of another node was the same as without it; None: not tried."""
    first_at_s: float | None = None
    """Slot time of the first token, where another node wrote it; None: it is ``first_s`` of the request's own time."""
    together: Together | None = None
    """None: it had its turn alone."""
    answer: tuple[int, ...] = ()
    """Of a turn of a conversation: the tokens that were written. Empty of other requests."""
    answer_bytes: int = 0
    """Of their text."""
    aside: tuple[Aside, ...] = ()
    """What was also done for it, and is waste: attempts with a cache, and the answer gone through once more."""

    @property
    def decode_s(self) -> float:
        return self.seconds * (1.0 - self.prefill_fraction)


@dataclass(frozen=True, slots=True)
class InferResult:
    requests: int
    payload_bits: int
    """Bits of requests and answers."""
    correct: int
    batches: int
    flop: float
    input_tokens: int = 0
    """Tokens read (prompts) by a task that generates; images have none."""
    output_tokens: int = 0
    """Tokens generated; a class is none."""
    decode_flop: float = 0.0
    """Of ``flop``, what was done token by token after the pass over the input (prefill)."""
    decode_s: float = 0.0
    """Seconds really spent in it."""
    by_batch: tuple[BatchWork, ...] = ()
    """Batch by batch, in the order given."""
    parts: tuple[InferResult, ...] = ()
    """Results batch by batch, in the same order."""
    uses: tuple[RequestUse, ...] = ()
    """Of a language model: every request, in the order given. Its seconds are those of the server's process."""
    metered_flop: float = 0.0
    """Of ``flop``, what the workload has entered in the meter itself, request by request."""
    users: tuple[UserBytes, ...] = ()
    """By batch, what really went between users and node, framing included; empty: ``Workload.user_bytes``."""


@dataclass(frozen=True, slots=True)
class PrepareResult:
    """Result of preprocessing."""

    batches: int
    num_examples: int
    flop: float


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    """One request whose prompt was read for another node."""

    use: RequestUse | None
    """What reading it took; None: the node had its cache already."""
    prompt: HandedPrompt | None
    """Without its place in a batch, which the node knows; None where reading failed."""


Result = TrainResult | InferResult | PrepareResult
"""Result of a slot's work."""


def add_up(results: Sequence[InferResult]) -> InferResult:
    """Sums of ``results``, which become its parts."""
    return InferResult(
        requests=sum(result.requests for result in results),
        payload_bits=sum(result.payload_bits for result in results),
        correct=sum(result.correct for result in results),
        batches=sum(result.batches for result in results),
        flop=sum(result.flop for result in results),
        input_tokens=sum(result.input_tokens for result in results),
        output_tokens=sum(result.output_tokens for result in results),
        decode_flop=sum(result.decode_flop for result in results),
        decode_s=sum(result.decode_s for result in results),
        parts=tuple(results),
        uses=tuple(use for result in results for use in result.uses),
        metered_flop=sum(result.metered_flop for result in results),
        users=tuple(each for result in results for each in result.users),
    )


@dataclass(frozen=True, slots=True)
class Sent:
    """What one part of a model sends to the other."""

    arrays: Arrays
    flop: float
    """Counted operations since it last sent something."""


Lower = Generator[Sent, Arrays, TrainResult]
"""Training of a node's part: it sends arrays, gets the answer to them, and so on; at the end the result, whose
parameters are those of the part, and whose ``flop`` are all of it."""


class Upper(Protocol):
    """Training of the rest, on the node that serves the others."""

    def answer(self, sent: Mapping[str, Arrays]) -> tuple[dict[str, Arrays], float]:
        """Answers by node to what nodes sent, and the operations counted. Raises ValueError for what does not fit."""
        ...

    def parameters(self) -> dict[str, Parameters]:
        """Of the rest as it is now, by the node whose model it completes."""
        ...


@runtime_checkable
class InParts(Protocol):
    """A workload of which a node trains a part (edge_node.tasks.parts)."""

    server: str
    """Node id of the node that trains the rest."""

    def lower(
        self, parameters: Parameters, batches: Sequence[Arrays], options: Mapping[str, float]
    ) -> Lower: ...

    def upper(self, parameters: Parameters, nodes: Sequence[str], options: Mapping[str, float]) -> Upper: ...


@runtime_checkable
class RecallsTurns(Protocol):
    """A workload whose requests are turns of conversations."""

    def recall(self, turns: Sequence[Recalled]) -> None:
        """Take up what the ledger has of conversations that the node does not have, and turns of lost nodes."""
        ...


@runtime_checkable
class KeepsTensors(Protocol):
    """A workload with tensors that belong to its node alone."""

    def home(self) -> Parameters:
        """Those tensors now."""
        ...

    def take_home(self, tensors: Parameters) -> None:
        """Go on with these, of another start of the node. Raises ValueError for names or sizes that are not its own."""
        ...


class Workload(Protocol):
    """One node's share of a data set with the model to train on it."""

    @property
    def num_examples(self) -> int: ...

    @property
    def num_batches(self) -> int:
        """Batches in one pass over the share."""
        ...

    @property
    def digest(self) -> str:
        """sha256 over the share."""
        ...

    def cost(self, stage: str) -> WorkCost:
        """Counted work of one batch of ``stage`` (a protos.messages.terms.Stage value)."""
        ...

    def batch(self, batch_id: int, stage: str) -> Arrays:
        """Arrays of own batch ``batch_id`` (any integer >= 0: passes wrap around, reshuffled per pass by seed)."""
        ...

    def user_bytes(self, batch: Arrays, stage: str) -> UserBytes:
        """What users send for ``batch`` and get for it: in the application stage exactly what ``infer`` counts in
        ``payload_bits``, in the preparation stage the data, else nothing."""
        ...

    def prepare(self, batches: Sequence[Arrays]) -> float:
        """Preprocess batches for real; returns the work counted, in FLOP."""
        ...

    def train(
        self,
        parameters: Parameters,
        batches: Sequence[Arrays],
        options: Mapping[str, float],
        stop: Stop | None = None,
    ) -> TrainResult:
        """Local SGD over ``batches`` (own and offloaded), ``local_epochs`` passes. Options: TRAIN_OPTIONS."""
        ...

    def infer(self, parameters: Parameters, batches: Sequence[Arrays]) -> InferResult: ...
