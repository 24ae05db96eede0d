"""Names of the files in a sweep's folder."""

from __future__ import annotations

PLAN = "sweep.json"
"""The plan: what a sweep is resumed from."""
RESULTS = "results"
"""Folder of the results, by key."""
SCRATCH = "unfinished"
"""Folder of the runs that are under way; they are begun again when the sweep is resumed."""
LOG = "workers.log"
"""What the processes of this machine say."""
TABLE = "sweep.parquet"
TABLE_CSV = "sweep.csv"
FAILURES = "failures.csv"
"""Runs without figures, with the reason; it is there where one failed."""
PAGE = "sweep.html"
