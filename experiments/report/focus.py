"""A finished comparison with another policy in focus, or another baseline, than it was run with."""

from __future__ import annotations

from dataclasses import replace

from experiments.errors import UsageError
from experiments.report.read import Study
from experiments.run_folder.about import UNCHOSEN, About


def with_focus(study: Study, about: About) -> Study:
    """``study`` about what ``about`` names, where it names anything. Raises UsageError."""
    if about == UNCHOSEN:
        return study
    if not study.is_comparison:
        raise UsageError(
            f"{study.folder} is one run, and --focus and --baseline choose among those of a comparison: make one with "
            "`detabed compare`"
        )
    about.check(study.policies)
    chosen = replace(study, in_focus=about.focus or study.in_focus, against=about.baseline or study.against)
    if chosen.focus == chosen.against:
        raise UsageError(
            f"--baseline {chosen.against}: the report is about it already; name another policy with --focus"
        )
    return chosen
