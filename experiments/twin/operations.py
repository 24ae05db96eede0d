"""Counted operations of what a ledger says was done: of a batch by stage, of a request by service."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from edge_node.config import BoardConfig
from edge_node.tasks.base import Task
from edge_node.tasks.none import LANGUAGE
from edge_node.tasks.none import NAME as NO_TASK
from edge_node.tasks.registry import configured_task, find_task
from experiments.errors import UsageError
from experiments.resolve.demand import counted_flop
from experiments.scenario.model import Scenario
from protos.messages.terms import Stage


class Operations:
    """Of a scenario's task and services. ``standard``: the scenario's board, which says how large a batch is where
    nothing is learned and the scenario does not say it."""

    def __init__(self, scenario: Scenario, standard: BoardConfig) -> None:
        self._scenario, self._standard = scenario, standard

    @cached_property
    def _task(self) -> Task:
        with self._scenario.at("task", "name"):
            if self._scenario.task.name == LANGUAGE:
                raise UsageError(
                    "a twin prices counted operations by the board's speed in training, and tokens of a language model "
                    "take another; detabed calibrate --task llm measures what they cost"
                )
            return find_task(self._scenario.task.name)

    @cached_property
    def _services(self) -> dict[str, Task]:
        """By the name that readings give them."""
        found = {self._task.name: self._task}
        for place, spec in enumerate(self._scenario.inference.services):
            with self._scenario.at("inference", "services", place):
                found[spec.label] = configured_task(spec.task, spec.prompt_tokens, spec.answer_tokens)
        return found

    def of_batch(self, stage: Stage) -> float:
        """Of any stage but the application, whose batches differ in size."""
        spec = self._scenario.task
        if spec.name == NO_TASK:
            return counted_flop(self._scenario, self._standard)
        if stage is Stage.PREPARATION:
            return self._task.prepare_flop(spec.batch_size)
        return spec.batch_size * self._task.flop().train * spec.local_epochs

    def of_request(self, service: str) -> float:
        """Raises UsageError for a service that the scenario does not have."""
        if service not in self._services:
            raise UsageError(
                f"the ledger has answers of service {service!r}, the run's scenario has {', '.join(self._services)}: "
                "the run folder's scenario.toml was changed; restore it from a copy"
            )
        return self._services[service].serve_flop()

    def of_slot(self, stage: Stage, usage: Mapping[str, Any]) -> float:
        """Of the slot's own and offloaded batches in a reading."""
        if stage is Stage.APPLICATION:
            return sum(told["requests"] * self.of_request(told["service"]) for told in usage["serving"])
        batches = sum(done["batches"] for done in usage["executed"])
        return batches * self.of_batch(stage) if batches else 0.0

    def of_outside(self, usage: Mapping[str, Any]) -> float:
        """Of outside clients, whom the learned task answers."""
        outside = usage.get("outside")
        return 0.0 if outside is None else outside["requests"] * self.of_request(outside["service"])
