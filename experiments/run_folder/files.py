"""Names of the files in a run folder and in a compare folder."""

from __future__ import annotations

from pathlib import Path

from protos.access.config import Access

SCENARIO = "scenario.toml"
"""The scenario with every default written out."""
RECORDED_SCENARIO = "recorded.toml"
"""Of a run with live intensity: the scenario that repeats it with SIGNALS in their place."""
SIGNALS = "signals.jsonl"
"""Live intensities, slot by slot, as they were frozen."""
METADATA = "metadata.json"
LEDGER = "ledger.sqlite"
MODEL = "model.safetensors"
"""Last model of every learning stage; tensors are called STAGE/PARAMETER."""
TIMINGS = "timings.json"
"""Wall-clock figures: apart from the tables, which repeat byte for byte."""
ADDRESSES = "addresses.json"
"""Where outside clients ask each node, while the run lasts."""
PROCESSES = "processes.json"
"""Process number of the coordinator and of each node, while the run lasts."""
ACCESS = "access"
"""Folder of the run's secret or certificates, while the run lasts; its owner alone may read it."""
FLOWER_LOG = "flower.log"
COORDINATOR = "coordinator.json"
"""Configuration of the coordinator's process."""
COORDINATOR_LOG = "coordinator.log"

CHECKPOINT = "checkpoint.safetensors"
"""What an unfinished run goes on from, beside its ledger: replaced after every slot, gone once the run is over."""
PROGRESS = "progress.jsonl"
"""What nodes answered, slot by slot, as long as the run is unfinished."""
LOCK = "run.lock"
"""Held by the process that runs in the folder."""
COMPARING = "comparing.json"
"""Of an unfinished comparison: its scenario, policies and seeds."""

REPORT = "report.html"
FIGURES = "figures"
"""Folder of the report's figures."""
TABLES = "tables"
"""Folder of the report's tables, as CSV."""

COMPARE = "compare.json"
"""Of a compare folder: its runs, and their regret."""

DONE = "DONE"
"""Empty; the folder is complete."""
FAILED = "FAILED"
"""Instead of DONE: one sentence that says why the run failed."""


def access_of_runner(folder: Path, certified: bool) -> Access:
    """What the runner of a run, and ``detabed infer``, show on their calls."""
    place = (folder / ACCESS).resolve()
    return Access(certificates=place / "runner") if certified else Access(secret_file=place / "secret")


def nodes_log(process: int) -> str:
    """Log of the nodes that share a process: what they say, and where it crashes."""
    return f"nodes-{process}.log"


def table_file(name: str) -> str:
    """File of a table: ``slots``, ``nodes``, ``lines``, ``rounds``, ..."""
    return f"{name}.parquet"
