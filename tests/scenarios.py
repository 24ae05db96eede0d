"""Scenarios of whole runs, each stated once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coordinator.config import CoordinatorBody, CoordinatorConfig, ZoneIntensity
from protos.messages.terms import Stage

THREE_NODES = """[fleet]
kind = "inprocess"
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-SE-SOCO"
[[nodes]]
zone = "US-NW-WACM"
"""
"""The fleet in this process: its zones differ in intensity, time zone and sun."""
PATIENT = """[coordinator]
lease_s = 60
"""
"""Table of runs in processes of their own that lose no node where a busy machine has one stand still."""
SMALL = (
    """name = "small"
[stages]
preparation = 1
development = 4
application = 2
recycling = 1
[time]
start = 2022-06-21T16:00:00Z
[task]
data = "digits"
batch_size = 16
local_epochs = 1
[inference]
batches_per_slot = 4
requests_per_batch = 16
"""
    + THREE_NODES
)
"""Every stage, three nodes, seconds."""
TWO_ROUNDS = """[time]
start = 2022-06-21T12:00:00Z
[stages]
preparation = 0
development = 2
application = 1
recycling = 0
[task]
data = "digits"
"""
"""Two slots of development and one of application, from noon."""
TINY = '[task]\ndata = "digits"\n[fleet]\nkind = "inprocess"\n[[nodes]]\nzone = "DE"\ncount = 12\n'
"""Nothing but twelve nodes: every other key at its default."""
FULL = (
    """name = "full"
policy = "local"
"""
    + TWO_ROUNDS
    + """local_epochs = 1
batches_per_slot = 2
[inference]
batches_per_slot = 1
requests_per_batch = 8
[[nodes]]
zone = "DE"
count = 3
"""
)
SERVING = (
    """name = "serving"
[stages]
preparation = 0
development = 1
application = 3
recycling = 0
[time]
start = 2022-06-21T16:00:00Z
[task]
name = "{task}"
data = "{data}"
batch_size = 16
batches_per_slot = 12
local_epochs = 3
[inference]
arrivals = "{arrivals}"
batches_per_slot = 3
requests_per_batch = 16
max_wait_s = 0.002
latency_target_s = {target}
[network]
transport = "wifi-low"
[harvest]
kind = "none"
"""
    + THREE_NODES
)


def serving_scenario(**changes: Any) -> str:
    values = {"task": "mnist-mlp", "data": "digits", "arrivals": "poisson", "target": 0.01, **changes}
    return SERVING.format(**values)


LEARNING = """name = "learning"
policy = "local"
[time]
start = 2022-06-21T12:00:00Z
[stages]
preparation = 0
development = {rounds}
application = {application}
recycling = 0
[task]
data = "digits"
batch_size = 16
local_epochs = 1
batches_per_slot = {batches}
{task}
[inference]
batches_per_slot = 1
[fleet]
{fleet}
{tables}
[[nodes]]
zone = "DE"
count = {nodes}
"""


def learning_scenario(
    task: str = "",
    *,
    rounds: int = 3,
    application: int = 0,
    batches: int = 3,
    fleet: str = 'kind = "inprocess"',
    tables: str = "",
    nodes: int = 3,
) -> str:
    """Rounds of equal nodes, from noon, and slots that serve. ``task``, ``fleet``: further keys of these tables, and
    tables below them."""
    return LEARNING.format(
        task=task,
        rounds=rounds,
        application=application,
        batches=batches,
        fleet=fleet,
        tables=tables,
        nodes=nodes,
    )


def one_node_config(folder: Path) -> CoordinatorConfig:
    """Of a coordinator with one node and one slot, as a process of its own takes it."""
    return CoordinatorConfig(
        run_id=str(folder / "run"),
        ledger_path=folder / "ledger.sqlite",
        policy="local",
        slot_s=60.0,
        stages=(Stage.DEVELOPMENT,),
        node_ids=("n0",),
        zones=(ZoneIntensity(zone="Z", intensity_g_per_kwh=(1.0,), origin={}),),
        body=CoordinatorBody(
            zone="Z",
            static_w=1.0,
            joules_per_aggregated_parameter=0.0,
            joules_per_evaluated_example=0.0,
            router_w=0.0,
        ),
        tree_alpha_bits_per_token=1.0,
    )
