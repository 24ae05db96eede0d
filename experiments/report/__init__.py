"""The report of a finished run or comparison: figures, tables, one HTML page, and what the terminal shows.

Everything here reads finished run folders only: plotting never trains, running never plots. Importing this
package
is cheap; pandas, matplotlib and jinja2 come in when a report is written.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_report"]


def write_report(folder: Path | str, *, require_done: bool = True) -> Path:
    """Write ``report.html``, ``figures/`` and ``tables/`` into a run or compare folder; returns the page's
    path.

    Raises carbon_data.types.DataError when the folder is not a finished run or comparison, or its tables
    break the
    schema of experiments.report.read. ``require_done=False`` accepts a run whose ``DONE`` is not written yet.
    """
    from experiments.report.html import write_report as write

    return write(Path(folder), require_done=require_done)
