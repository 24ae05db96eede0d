"""Fault 1 at a node: a Flower message that fails anywhere, and is asked again, counts as one that did not, but for the
model that it brought: its bytes were received."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict

from edge_node.adapters.flower_client import build_client_app
from edge_node.adapters.flower_private import bind_identity
from edge_node.adapters.flower_records import to_record
from edge_node.adapters.sqlite_outbox import SqliteOutbox
from edge_node.slots.link import LocalLink
from protos.messages.slot import CloseSlot, Decision, EnergyGrant, Settlement, Usage
from protos.messages.stream import Welcome
from protos.messages.terms import Component, Stage
from tests.edge_node.conftest import FEATURES
from tests.reliability.sabotage import SabotageError, fail_at, plain

STAGES = (Stage.PREPARATION, Stage.DEVELOPMENT, Stage.APPLICATION, Stage.RECYCLING)
KINDS = {
    Stage.PREPARATION: "query.prepare",
    Stage.DEVELOPMENT: "train",
    Stage.APPLICATION: "query.infer",
    Stage.RECYCLING: "train",
}
WATCHED = ("edge_node", "protos", "carbon_data")
METERED = ("edge_node/meters", "edge_node/energy/power_model.py")
"""What a meter counted was really spent: the work of an attempt that failed is waste."""
MODEL = {"w": np.zeros(FEATURES, dtype=np.float32)}
MODEL_BYTES = MODEL["w"].nbytes


class Node:
    """One node, whose coordinator the test plays."""

    def __init__(self, folder: Path, make_node: Callable[..., Any]) -> None:
        folder.mkdir()
        bind_identity(1)
        self.outbox = SqliteOutbox(folder / "outbox.sqlite")
        self.node = make_node(0, self.outbox, stages=STAGES, battery=None)
        links: dict[str, LocalLink] = {}
        self.link = LocalLink(self.node, links, "boot")
        self.app = build_client_app(links)
        self.link.register()
        self.link.receive(Welcome("run", 1, 1.0, 3.0, 0))

    def ask(self, slot: int, kind: str) -> Message:
        content = RecordDict({"config": ConfigRecord({"slot": slot, "deadline-s": 0.1})})
        content["arrays"] = to_record(MODEL)
        message = Message(content, dst_node_id=2, message_type=kind)
        context = Context(
            run_id=1, node_id=2, node_config={"node-id": "n0"}, state=RecordDict(), run_config={}
        )
        return self.app(message, context)

    def memory(self) -> dict[str, Any]:
        """What the node knows, but for what its meter counted."""
        state = self.node._state
        current = {name: plain(getattr(state.current, name)) for name in state.current.__dataclass_fields__}
        tallies = {kind: plain(tally) for kind, tally in state.current.serving.items()}
        rest = (state.mean_loss, state.battery_uj, state.serving.free_s, plain(vars(state.backlog)))
        return {**current, "serving": tallies, "rest": rest, "model": self.node._outside.model}

    def rows(self) -> list[Any]:
        return [
            *self.outbox._db.execute("SELECT * FROM outbox"),
            *self.outbox._db.execute("SELECT * FROM state"),
        ]

    def slot(self, number: int, work: Callable[[], Message]) -> list[Any]:
        """Everything that the node says in a slot."""
        stage = STAGES[number]
        decision = Decision("n0", 1, number, stage, True, 2, (), (), 0, 0, 0, deadline_s=1.0)
        said = [*self.link.receive(decision)]
        reply = work()
        assert not reply.has_error(), reply.error
        said.append(reply.content.metric_records)
        said += self.link.receive(CloseSlot(1, number))
        said += self.link.receive(EnergyGrant("n0", 1, number, 0, 0))
        return said


def test_a_flower_message_that_fails_anywhere_changes_neither_memory_nor_outbox(
    tmp_path: Path, make_node: Callable[..., Any]
) -> None:
    failing, undisturbed = Node(tmp_path / "failing", make_node), Node(tmp_path / "undisturbed", make_node)
    steps: dict[str, int] = {}
    models = dict.fromkeys(range(len(STAGES)), 0)
    """By slot, those that came for nothing."""

    def sabotaged(number: int, kind: str) -> Message:
        before, rows = failing.memory(), failing.rows()
        while True:
            steps[kind] = steps.get(kind, 0) + 1
            sys.setprofile(fail_at(steps[kind], WATCHED, METERED))
            try:
                return failing.ask(number, kind)  # where nothing fails, the real call
            except SabotageError as error:
                failed_in = str(error)
            finally:
                sys.setprofile(None)
            after = failing.memory()
            if after["result"] is None:
                if after["model_bytes"] != before["model_bytes"]:
                    models[number] += 1
                    before["model_bytes"] += MODEL_BYTES
                for name, value in after.items():
                    assert value == before[name], f"{kind} changed {name}, then failed in {failed_in}"
            assert failing.rows() == rows, failed_in

    for number, stage in enumerate(STAGES):
        kind = KINDS[stage]
        steps.pop(kind, None)
        sabotaged(number, "query.identity")
        steps.pop("query.identity")
        told = failing.slot(number, lambda number=number, kind=kind: sabotaged(number, kind))  # type: ignore[misc]
        wanted = undisturbed.slot(number, lambda number=number, kind=kind: undisturbed.ask(number, kind))  # type: ignore[misc]
        assert without_waste(told, models[number] * MODEL_BYTES) == without_waste(wanted)
    assert models.pop(0) == 0  # preparation takes no model
    assert all(models.values())
    print(f"{sum(steps.values())} failed steps of Flower messages, none changed anything: {steps}")


def without_waste(said: list[Any], received_bytes: int = 0) -> list[Any]:
    """Work of attempts that failed costs real joules: on lines of its own, in the seconds by which static power is
    divided, in what is settled, and for ``received_bytes`` of models that came for nothing."""
    found = []
    for message in said:
        if isinstance(message, Usage):
            lines = tuple(
                line
                for line in message.lines
                if line.component not in (Component.WASTE, Component.STATIC, Component.RADIO_RX)
            )
            bytes_of_work = message.model_bytes - received_bytes
            found.append(plain(replace(message, lines=lines, model_bytes=bytes_of_work)))
        elif not isinstance(message, Settlement):
            found.append(plain(message))
    return found
