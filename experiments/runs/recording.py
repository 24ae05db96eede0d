"""What a run makes durable after each slot, beside its ledger, so that it can be resumed: see decision 20."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ArrayRecord
from safetensors.numpy import save

from carbon_data.files.whole import sync, write_durably
from carbon_data.own_code import VARIABLE
from coordinator.adapters.flower_server import Booked, RunRecord, SlotOutcome
from coordinator.adapters.flower_strategy import Replies
from edge_node.adapters.npy import array_view
from edge_node.config import NodeMemory
from experiments.run_folder.checkpoint import FORMAT, STATE, append_line, discard
from experiments.run_folder.digest import scenario_sha256
from experiments.run_folder.files import CHECKPOINT, DONE
from experiments.runs.strategy_state import NotKeptError
from experiments.runs.strategy_state import keep as keep_strategy
from protos.messages.terms import Stage

MODEL = "model"
"""Tensors of models are called MODEL/STAGE/PARAMETER."""
HOME = "home"
"""Those that nodes keep to themselves are called HOME/NODE/PARAMETER."""


@dataclass(frozen=True)
class Kept:
    """What a checkpoint holds, beside what the nodes remember."""

    slot: int
    """The slot that is decided next."""
    record: RunRecord
    models: Mapping[Stage, ArrayRecord]
    strategy: Mapping[str, Any] | None = None
    """State of the strategy of ``stage``, in which ``arrays`` have names."""
    stage: Stage | None = None
    arrays: Mapping[str, Any] = field(default_factory=dict)
    not_kept: str | None = None
    """A strategy whose state cannot be kept, and why."""


class Recording:
    """Writes a run's checkpoints; as a context, it writes that of a slot while the slot's model is evaluated.

    Args:
        folder: The run's folder, which holds its scenario.
        resumptions: When the run was resumed, and where.
        restarts: Restarts of the coordinator in earlier starts of the run.
    """

    def __init__(
        self,
        folder: Path,
        resumptions: list[dict[str, Any]] | None = None,
        restarts: list[dict[str, Any]] | None = None,
    ) -> None:
        self._folder = folder
        self.resumptions = resumptions or []
        self._restarts_before = restarts or []
        self._facts = {
            "format": FORMAT,
            "version": version("detabed"),
            "scenario_sha256": scenario_sha256(folder),
            "own_code": os.environ.get(VARIABLE),
        }
        self.memories: Callable[[], dict[str, NodeMemory]] = dict
        """What another start of each node needs; asked after every slot."""
        self.restarts_now: Callable[[], list[dict[str, Any]]] = list
        """Restarts of the coordinator since this start."""
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._written: Future[None] | None = None
        """The checkpoint of the slot that was booked last."""

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        # An error of it was raised where it was waited for, or the run ends with another.
        self._beside.shutdown()

    @property
    def restarts(self) -> list[dict[str, Any]]:
        """Of the coordinator, in all starts of the run."""
        return [*self._restarts_before, *self.restarts_now()]

    def begin(self) -> None:
        """The run begins: from here on it can be resumed."""
        self.write(Kept(0, RunRecord(), {}))

    def booked(self, booked: Booked) -> None:
        """A slot is in the books: begin to make durable what follows from it. Whoever begins the next slot, which
        changes model and strategy, calls ``settled`` first."""
        self._written = self._beside.submit(self.keep, booked)

    def settled(self) -> None:
        """What follows from the slot that was booked last is on disk when this returns."""
        if self._written is not None:
            self._written.result()

    def keep(self, booked: Booked) -> None:
        """Make durable what follows from a slot."""
        outcome = booked.outcome
        append_line(self._folder, _line(outcome), synced=True)
        kept = Kept(outcome.slot + 1, booked.record, booked.models)
        if booked.strategy is not None:
            name = type(booked.strategy).__name__
            try:
                told, arrays = keep_strategy(booked.strategy)
                kept = replace(kept, strategy=told, stage=outcome.stage, arrays=arrays)
            except NotKeptError as error:
                kept = replace(kept, stage=outcome.stage, not_kept=f"{name} ({error})")
        self.write(kept)

    def lost(self, outcome: SlotOutcome) -> None:
        """A slot whose answers are lost is in the record; the checkpoint follows."""
        append_line(self._folder, _line(outcome), synced=True)

    def finished(self, outcome: SlotOutcome, slot_s: float, decide_s: float) -> None:
        """The slot's model is evaluated. Not waited for: what is lost of it is computed again."""
        self.settled()
        told = None if outcome.evaluation is None else asdict(outcome.evaluation)
        line = {"slot": outcome.slot, "evaluation": told, "slot_s": slot_s, "decide_s": decide_s}
        append_line(self._folder, line, synced=False)

    def over(self) -> None:
        """Nothing is left to resume, once the run's files outlive a power cut."""
        if (self._folder / CHECKPOINT).exists():
            for path in self._folder.iterdir():
                sync(path)
        write_durably(self._folder / DONE, b"")
        discard(self._folder)

    def write(self, kept: Kept) -> None:
        """Replace the checkpoint."""
        tensors = {
            f"{MODEL}/{stage.value}/{name}": np.array(array_view(array.data), order="C")
            for stage, arrays in kept.models.items()
            for name, array in arrays.items()
        }
        memories = self.memories()
        homes = {
            f"{HOME}/{name}/{tensor}": np.frombuffer(b64decode(told), "<f4")
            for name, memory in memories.items()
            for tensor, told in memory.home.items()
        }
        state = {
            **self._facts,
            "slot": kept.slot,
            "memories": {
                name: memory.model_dump(mode="json", exclude_defaults=True, exclude={"home"})
                | {"slot": memory.slot}
                for name, memory in memories.items()
            },
            "initial_evaluations": {
                stage.value: asdict(found) for stage, found in kept.record.initial_evaluations.items()
            },
            "models": {stage.value: list(arrays) for stage, arrays in kept.models.items()},
            "strategy": kept.strategy,
            "strategy_stage": None if kept.stage is None else kept.stage.value,
            "not_kept": kept.not_kept,
            "restarts": self.restarts,
            "resumptions": self.resumptions,
        }
        content = save({**tensors, **homes, **kept.arrays}, {STATE: json.dumps(state)})
        write_durably(self._folder / CHECKPOINT, content)


def _line(outcome: SlotOutcome) -> dict[str, Any]:
    replies = asdict(outcome.replies)
    # Metrics may be infinite, which JSON is not.
    replies["metrics"] = {name: float(value).hex() for name, value in replies["metrics"].items()}
    return {
        "slot": outcome.slot,
        "round": outcome.server_round,
        "replies": replies,
        "interrupted": outcome.interrupted,
    }


def replies_of(told: Mapping[str, Any]) -> Replies:
    """As ``_line`` has them."""
    names = ("sent", "answered", "raised", "missing", "unreachable")
    metrics = {name: float.fromhex(value) for name, value in told["metrics"].items()}
    return Replies(**{**told, **{name: tuple(told[name]) for name in names}, "metrics": metrics})
