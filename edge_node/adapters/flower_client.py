"""The Flower ClientApp of the nodes that live in this process: Flower messages in, the node's work out.

What a node runs is the coordinator's decision, which reaches it over its own link; a message gives the
slot for which the result is wanted, and brings the model. The same app runs in a shared process, in Ray actors and
behind a SuperNode.

| message | stage | content | reply |
|---|---|---|---|
| ``train`` | development, recycling | ``arrays``, ``config`` | ``arrays``, ``metrics`` |
| ``query.prepare`` | preparation | ``config`` | ``metrics`` |
| ``query.work`` | development, without learning | ``config`` | ``metrics`` |
| ``query.infer`` | application | ``arrays``, ``config`` | ``metrics`` |
| ``query.lower``, ``query.upper`` | development, recycling | see flower_parts.py | |
| ``query.keys``, ``query.shares``, ``query.unmask`` | development | see flower_masking.py | |
| ``query.identity`` | any | | ``identity`` |

``config`` holds ``slot`` and ``deadline-s`` (seconds to wait for the decision and for offloaded batches), and may hold
the training options of edge_node.workload. Every failure becomes an error reply with its reason.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import wraps

from flwr.app import ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from carbon_data.own_code import place_of
from edge_node.adapters.flower_masking import MaskingSide
from edge_node.adapters.flower_parts import answer_lower, answer_upper
from edge_node.adapters.flower_records import from_record, to_record
from edge_node.slots.errors import NoWork
from edge_node.slots.link import Link
from edge_node.workload import TRAIN_OPTIONS, InferResult, Parameters, PrepareResult, Result, TrainResult
from protos.flower_names import ARRAYS, CLIENT_APP_RAISED, CONFIG, METRICS, PERSONAL
from protos.messages.terms import Stage

IDENTITY = "identity"
"""Key of the record in which a node names itself."""
NODE_ID = "node-id"
"""Key of the node's own name in Flower's node configuration."""

TRAINED = frozenset({Stage.DEVELOPMENT, Stage.RECYCLING})
PREPARED = frozenset({Stage.PREPARATION})
COUNTED = frozenset({Stage.DEVELOPMENT})
SERVED = frozenset({Stage.APPLICATION})

log = logging.getLogger(__name__)

Handler = Callable[[Message, Context], Message]


class RequestError(ValueError):
    """A Flower message that a node cannot act on."""


def build_client_app(links: Mapping[str, Link]) -> ClientApp:
    """The ClientApp of these nodes, by node id.

    A message is for the node that Flower's node configuration calls ``node-id``; where it names none, for the
    only node there is. ``links`` is looked into at every message: nodes may come later.
    """
    app = ClientApp()
    maskings: dict[str, MaskingSide] = defaultdict(MaskingSide)

    def _update(message: Message, context: Context, result: TrainResult, received: Parameters) -> ArrayRecord:
        link = link_of(links, context)
        privacy = link.node.config.task.privacy
        if privacy is None or not privacy.masked:
            return to_record(result.parameters)
        return maskings[link.node.node_id].masked(message, link, result, received)

    @app.train()
    @answers_with_errors
    def train(message: Message, context: Context) -> Message:
        link = link_of(links, context)
        parameters = _parameters(message)
        result = _work(link, message, TRAINED, parameters)
        if result is None:
            nothing = {"num-examples": 0, "batches": 0, "flop": 0.0}
            return _reply(message, nothing, ArrayRecord())
        assert isinstance(result, TrainResult)
        metrics = {
            "num-examples": result.num_examples,
            "loss": result.mean_loss,
            "batches": result.batches,
            "flop": result.flop,
        }
        if result.personal_accuracy is not None:
            metrics[PERSONAL] = result.personal_accuracy
        return _reply(message, metrics, _update(message, context, result, parameters))

    @app.query("prepare")
    @answers_with_errors
    def prepare(message: Message, context: Context) -> Message:
        result = _work(link_of(links, context), message, PREPARED, {})
        if result is None:
            return _reply(message, {"num-examples": 0, "batches": 0, "flop": 0.0})
        assert isinstance(result, PrepareResult)
        return _reply(
            message, {"num-examples": result.num_examples, "batches": result.batches, "flop": result.flop}
        )

    @app.query("work")
    @answers_with_errors
    def work(message: Message, context: Context) -> Message:
        result = _work(link_of(links, context), message, COUNTED, {})
        if result is None:
            return _reply(message, {"batches": 0, "flop": 0.0})
        return _reply(message, {"batches": result.batches, "flop": result.flop})

    @app.query("infer")
    @answers_with_errors
    def infer(message: Message, context: Context) -> Message:
        link = link_of(links, context)
        # A language model is in a file on the node, and none is brought.
        parameters = _parameters(message) if link.node.config.language is None else {}
        result = _work(link, message, SERVED, parameters)
        if result is None:
            result = InferResult(requests=0, payload_bits=0, correct=0, batches=0, flop=0.0)
        assert isinstance(result, InferResult)
        metrics = {
            "requests": result.requests,
            "tokens-in": result.input_tokens,
            "tokens-out": result.output_tokens,
            "bits": result.payload_bits,
            "correct": result.correct,
            "batches": result.batches,
            "flop": result.flop,
        }
        return _reply(message, metrics)

    @app.query("lower")
    @answers_with_errors
    def lower(message: Message, context: Context) -> Message:
        return answer_lower(message, link_of(links, context))

    @app.query("upper")
    @answers_with_errors
    def upper(message: Message, context: Context) -> Message:
        return answer_upper(message, link_of(links, context))

    @app.query("keys")
    @answers_with_errors
    def keys(message: Message, context: Context) -> Message:
        link = link_of(links, context)
        return maskings[link.node.node_id].keys(message, link)

    @app.query("shares")
    @answers_with_errors
    def shares(message: Message, context: Context) -> Message:
        link = link_of(links, context)
        return maskings[link.node.node_id].shares(message, link)

    @app.query("unmask")
    @answers_with_errors
    def unmask(message: Message, context: Context) -> Message:
        link = link_of(links, context)
        return maskings[link.node.node_id].unmask(message, link)

    @app.query("identity")
    @answers_with_errors
    def identity(message: Message, context: Context) -> Message:
        node = link_of(links, context).node
        record = ConfigRecord(
            {NODE_ID: node.node_id, "zone": node.config.zone, "boot-id": node.boot_id, "slot": node.slot}
        )
        return Message(RecordDict({IDENTITY: record}), reply_to=message)

    return app


def answers_with_errors(handler: Handler) -> Handler:
    """The boundary to the server: a failure in here is reported to the round and does not end the process."""

    @wraps(handler)
    def answer(message: Message, context: Context) -> Message:
        try:
            return handler(message, context)
        except Exception as error:
            name = context.node_config.get(NODE_ID, context.node_id)
            kind = message.metadata.message_type
            log.warning("%s could not answer %s: %s", name, kind, error, exc_info=True)
            reason = f"{name} could not answer {kind}: {type(error).__name__}: {error} (at {place_of(error)})"
            return Message(Error(CLIENT_APP_RAISED, reason), reply_to=message)

    return answer


def link_of(links: Mapping[str, Link], context: Context) -> Link:
    """The link of the node that ``context`` names. Raises RequestError where it does not live here."""
    name = context.node_config.get(NODE_ID)
    if name is None and len(links) == 1:
        return next(iter(links.values()))
    if name not in links:
        raise RequestError(
            f"node {name!r} does not live here; nodes of this process: {', '.join(sorted(links))}"
        )
    return links[str(name)]


def _parameters(message: Message) -> Parameters:
    if ARRAYS not in message.content.array_records:
        raise RequestError(f"the message brings no model: it needs an array record {ARRAYS!r}")
    return from_record(message.content.array_records[ARRAYS])


def _work(link: Link, message: Message, stages: frozenset[Stage], parameters: Parameters) -> Result | None:
    """Wait until the slot is decided and its batches are settled, then run it. None: nothing to run."""
    config = message.content.config_records.get(CONFIG, ConfigRecord())
    slot, deadline_s = number_in(config, "slot"), number_in(config, "deadline-s")
    planned = link.node.config.stages
    if slot != int(slot) or not 0 <= slot < len(planned):
        raise RequestError(f"slot is {slot}; allowed is 0 to {len(planned) - 1}")
    stage = planned[int(slot)]
    if stage not in stages:
        raise RequestError(
            f"slot {int(slot)} is {stage.value} in this run; {message.metadata.message_type} is for "
            f"{', '.join(sorted(each.value for each in stages))}"
        )
    options = {key: number_in(config, key) for key in TRAIN_OPTIONS if key in config}
    link.wait_ready(int(slot), deadline_s)
    try:
        return link.node.execute(parameters, options)
    except NoWork:
        return None


def number_in(config: ConfigRecord, key: str) -> float:
    """The number ``key`` of a message's settings. Raises RequestError where there is none."""
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestError(f"{CONFIG!r} needs a number {key!r}, got {value!r}")
    return float(value)


def _reply(
    message: Message, metrics: Mapping[str, int | float], arrays: ArrayRecord | None = None
) -> Message:
    content = RecordDict({METRICS: MetricRecord(dict(metrics))})
    if arrays is not None:
        content[ARRAYS] = arrays
    return Message(content, reply_to=message)
