"""A scenario and user code that fails."""

from __future__ import annotations

from tests.scenarios import TWO_ROUNDS

SCENARIO = (
    """name = "failed"
policy = "local"
"""
    + TWO_ROUNDS
    + """batch_size = 16
batches_per_slot = 2
local_epochs = 1
[inference]
batches_per_slot = 1
requests_per_batch = 4
[fleet]
kind = "inprocess"
[[nodes]]
zone = "FR"
[[nodes]]
zone = "PL"
"""
)
CODE = """
from dataclasses import replace

from coordinator.policies.local import Local
from flwr.serverapp.strategy import FedAvg


class Raising(Local):
    name = "raising"

    def decide(self, fleet, state):
        return self.not_there, state


class Doubling(Local):
    name = "doubling"

    def decide(self, fleet, state):
        decision, state = super().decide(fleet, state)
        return decision.with_dense(decision.batches * 2), state


class Once(Local):
    name = "once"

    def decide(self, fleet, state):
        if fleet.stage == "application":
            raise RuntimeError("only in one slot")
        return super().decide(fleet, state)


class Forgetful(FedAvg):
    def configure_train(self, *arguments):
        messages = super().configure_train(*arguments)
        for message in messages:
            message.content.pop("arrays", None)
        return messages
"""
