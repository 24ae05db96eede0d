"""Messages of a model that is trained in parts: a node's own part, and the rest on the node that serves the others.

| message | ``do`` | content | reply |
|---|---|---|---|
| ``query.lower`` | ``begin`` | ``arrays``: the part's parameters | ``arrays``: what it sends; at the end its part |
| ``query.lower`` | ``go-on`` | ``arrays``: the answer | likewise |
| ``query.upper`` | ``begin`` | ``arrays``: the rest's parameters | |
| ``query.upper`` | ``answer`` | a record for each node: what it sent | a record for each node: the answer |
| ``query.upper`` | ``end`` | | a record for each node: the rest of its model |

``config`` holds ``do``, ``slot`` and ``deadline-s``, training options at the beginning, and of ``query.upper`` the
``nodes``. ``metrics`` of ``query.lower`` says with ``done`` whether the reply ends the node's work.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from edge_node.adapters.flower_records import from_record, to_record
from edge_node.adapters.npy import array_view
from edge_node.slots.errors import NoWork
from edge_node.slots.link import Link
from edge_node.workload import TRAIN_OPTIONS, Arrays, TrainResult
from protos.flower_names import ARRAYS, CONFIG, METRICS


def answer_lower(message: Message, link: Link) -> Message:
    """A step of the node's own part."""
    config = message.content.config_records[CONFIG]
    slot = int(_number(config, "slot"))
    if config["do"] == "begin":
        link.wait_ready(slot, _number(config, "deadline-s"))
        parameters = from_record(message.content.array_records[ARRAYS])
        try:
            found = link.node.conversation.begin(parameters, _options(config))
        except NoWork:
            nothing = MetricRecord({"done": 1, "num-examples": 0, "batches": 0, "flop": 0.0})
            return Message(RecordDict({METRICS: nothing, ARRAYS: ArrayRecord()}), reply_to=message)
    else:
        found = link.node.conversation.go_on(slot, arrays_in(message.content.array_records[ARRAYS]))
    if not isinstance(found, TrainResult):
        metrics, arrays = MetricRecord({"done": 0}), record_of(found)
    else:
        arrays = to_record(found.parameters)
        metrics = MetricRecord(
            {
                "done": 1,
                "num-examples": found.num_examples,
                "loss": found.mean_loss,
                "batches": found.batches,
                "flop": found.flop,
            }
        )
    return Message(RecordDict({METRICS: metrics, ARRAYS: arrays}), reply_to=message)


def answer_upper(message: Message, link: Link) -> Message:
    """A step of the rest."""
    config, records = message.content.config_records[CONFIG], message.content.array_records
    slot, conversation = int(_number(config, "slot")), link.node.conversation
    content = RecordDict()
    if config["do"] == "begin":
        link.wait_ready(slot, _number(config, "deadline-s"))
        names = config["nodes"]
        nodes = tuple(str(name) for name in names) if isinstance(names, list) else ()
        conversation.serve(slot, from_record(records[ARRAYS]), nodes, _options(config))
    elif config["do"] == "answer":
        sent = {node: arrays_in(record) for node, record in records.items()}
        for node, answer in conversation.answer(slot, sent).items():
            content[node] = record_of(answer)
    else:
        for node, parameters in conversation.served(slot).items():
            content[node] = to_record(parameters)
    return Message(content, reply_to=message)


def record_of(arrays: Arrays) -> ArrayRecord:
    """Arrays of numbers as a record."""
    return ArrayRecord({name: Array(np.ascontiguousarray(array)) for name, array in arrays.items()})


def arrays_in(record: ArrayRecord) -> Mapping[str, np.ndarray]:
    """Arrays of a record, read-only views of its bytes. Raises ValueError for anything but numbers."""
    return {name: array_view(array.data) for name, array in record.items()}


def _number(config: ConfigRecord, key: str) -> float:
    """Raises ValueError where there is none."""
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{CONFIG!r} needs a number {key!r}, got {value!r}")
    return float(value)


def _options(config: ConfigRecord) -> dict[str, float]:
    return {
        key: float(value)
        for key in TRAIN_OPTIONS
        if isinstance(value := config.get(key), int | float) and not isinstance(value, bool)
    }
