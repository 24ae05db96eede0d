"""A user's Flower ClientApp on nodes of this process: a mod around it guards the slot and meters the work.

The app is called as Flower's own processes call it: with the message that its ServerApp sent, and the node's context.
The allowance that the runner attached (protos.flower_names.SLOT) tells the mod which slot a training message is for;
the mod takes it off the message. One round of training is one batch of the node's work; a divisible app is told how
many batches it may run, and tells how many it ran. All else that the app is asked,
e.g. evaluation, is metered in the slot beside its batch.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Mapping, Sequence

import numpy as np
from flwr.app import ConfigRecord, Context, Message
from flwr.clientapp import ClientApp
from numpy.typing import NDArray

from edge_node.adapters.app_modules import forget_apps, load_app_object
from edge_node.adapters.flower_client import (
    Handler,
    answers_with_errors,
    build_client_app,
    link_of,
    number_in,
)
from edge_node.adapters.flower_private import error_reply
from edge_node.config import NodeConfig
from edge_node.slots.beside import Done
from edge_node.slots.errors import NotReady, NoWork
from edge_node.slots.link import Link
from edge_node.workload import TrainResult
from protos.flower_metrics import TRAIN_LOSS, examples_of, figure_of, numbers_of
from protos.flower_names import CONFIG, NOT_IN_SLOT, SLOT

BATCHES = "batches"
"""What a divisible app is told and tells: key of its configuration, and of a metric of its answer."""


def client_app_of(configs: Sequence[NodeConfig], links: Mapping[str, Link]) -> Handler:
    """What answers the messages of these nodes: our ClientApp of their task, or a user's with the mod around it.

    ``links`` is looked into at every message. Raises ValueError where the user's cannot be loaded."""
    app = configs[0].app
    if app is None:
        return build_client_app(links)
    forget_apps()
    inner = load_app_object(app.client_app, app.folder, ClientApp)
    seed_generators(configs[0].seed)

    @answers_with_errors
    def answer(message: Message, context: Context) -> Message:
        return slot_mod(message, context, inner, link_of(links, context))

    return answer


def seed_generators(seed: int) -> None:
    """Seed the process-wide generators that apps, and Flower's sampling, draw from: runs then repeat, as far as the app
    lets them."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # the one that apps draw from
    if (torch := sys.modules.get("torch")) is not None:  # of an app that learns with it
        torch.manual_seed(seed)


def slot_mod(message: Message, context: Context, app: Handler, link: Link) -> Message:
    """Have ``app`` (or Flower's next mod) answer within the node's slot, metered."""
    told = message.content.config_records.get(SLOT)
    if told is None:
        return _as_answer(message, _beside(message, context, app, link))
    del message.content[SLOT]
    try:
        return _as_answer(message, _round(message, context, app, link, told))
    except (NoWork, NotReady) as error:
        return error_reply(message, NOT_IN_SLOT, str(error))


def _as_answer(message: Message, reply: Message) -> Message:
    """``reply``, which has to name the message: the round would wait for it in vain. Mods of Flower make an error of an
    answer that they find wrong (LocalDpMod of one without a model), and address it to that answer."""
    if reply.metadata.reply_to_message_id == message.metadata.message_id:
        return reply
    if reply.has_error():
        return error_reply(message, reply.error.code, reply.error.reason or "no reason given")
    raise AppAnswerError(
        f"the app's answer to {message.metadata.message_type} is no reply to that message: make it with "
        "Message(content, reply_to=message)"
    )


def _round(message: Message, context: Context, app: Handler, link: Link, told: ConfigRecord) -> Message:
    """The node's batch of the slot: one round of training."""
    replies: list[Message] = []
    learned = link.node.learned
    received = _payloads(message)

    def job(batches: int) -> TrainResult:
        if learned.app.batches is not None:
            _tell(message, batches)
        reply, seconds = _timed(app, message, context)
        if reply.has_error():
            replies.append(reply)
            raise _AppFailed(reply.error.reason)
        sent = _payloads(reply)
        numbers = numbers_of(reply)
        done = batches if learned.app.batches is None else _batches_done(numbers, batches)
        flop = learned.flop(seconds, batches=done)
        loss = figure_of(numbers, TRAIN_LOSS)
        replies.append(reply)
        if done:
            learned.observe(flop / done, max(_bytes(received), _bytes(sent)))
        return TrainResult(
            parameters=sent,  # type: ignore[arg-type]  # as they travel: only their bytes are counted
            num_examples=examples_of(numbers),
            batches=done,
            mean_loss=math.nan if loss is None else loss,
            flop=flop,
        )

    slot, deadline_s = int(number_in(told, "slot")), number_in(told, "deadline-s")
    link.wait_ready(slot, deadline_s)
    try:
        link.node.execute(received, job=job)  # type: ignore[arg-type]  # likewise
    except _AppFailed:
        return replies[0]
    # A further message of training in the slot: its batch is done.
    return replies[0] if replies else _beside(message, context, app, link)


def _tell(message: Message, batches: int) -> None:
    """Say in the message's configuration how many batches a divisible app may run."""
    config = ConfigRecord({**message.content.config_records.get(CONFIG, ConfigRecord()), BATCHES: batches})
    message.content[CONFIG] = config


def _batches_done(numbers: Mapping[str, float], allowed: int) -> int:
    done = numbers.get(BATCHES)
    if done is None or done != int(done) or not 0 <= done <= allowed:
        raise AppAnswerError(
            f"a divisible app tells the batches that it ran as the metric {BATCHES!r}, 0 to {allowed} here; it told "
            f"{'none' if done is None else f'{done:g}'}"
        )
    return int(done)


class AppAnswerError(RuntimeError):
    """The app gave no answer that can be sent."""


class _AppFailed(Exception):
    """The app answered with an error of its own: its work is booked as wasted, and the error is the answer."""


def _beside(message: Message, context: Context, app: Handler, link: Link) -> Message:
    replies: list[Message] = []
    learned = link.node.learned

    def job() -> Done:
        reply, seconds = _timed(app, message, context)
        replies.append(reply)
        sent = 0 if reply.has_error() else _bytes(_payloads(reply))
        return Done(learned.flop(seconds, batches=0), _bytes(_payloads(message)), sent)

    try:
        link.node.beside(job)
    except NotReady as error:
        return error_reply(message, NOT_IN_SLOT, str(error))
    return replies[0]


def _timed(app: Handler, message: Message, context: Context) -> tuple[Message, float]:
    """The app's answer, and the seconds that it computed: CPU time of this thread, at most wall time, since a board of
    its own would not share its cores with other nodes of this machine."""
    cpu_s, wall_s = time.thread_time(), time.perf_counter()
    try:
        reply = app(message, context)
    except SystemExit as error:  # it would end the process of all nodes
        raise AppAnswerError(f"the ClientApp called sys.exit({error.code!r})") from error
    if not isinstance(reply, Message):
        raise AppAnswerError(f"the ClientApp returned a {type(reply).__name__}; a Message is needed")
    return reply, min(time.thread_time() - cpu_s, time.perf_counter() - wall_s)


def _payloads(message: Message) -> dict[str, NDArray[np.uint8]]:
    """Arrays of a message as the bytes that travel, of whatever type and in whichever record they are."""
    return {
        f"{key}/{name}": np.frombuffer(array.data, dtype=np.uint8)
        for key, record in message.content.array_records.items()
        for name, array in record.items()
    }


def _bytes(payloads: Mapping[str, NDArray[np.uint8]]) -> int:
    return sum(array.nbytes for array in payloads.values())
