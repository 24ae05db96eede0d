"""What a comparison is about: the policy its report speaks of, and a baseline beside GRID and LOCAL."""

from __future__ import annotations

import pytest

from experiments.errors import UsageError
from experiments.run_folder.about import About

COMPARED = ("local", "deta", "lab:Mine")


@pytest.mark.parametrize(
    "about", [About(), About("lab:Mine"), About("deta", "lab:Mine"), About(baseline="grid")]
)
def test_what_was_compared_may_be_named_and_grid_follows_from_local(about: About) -> None:
    about.check(COMPARED)
    assert About.from_metadata(about.as_metadata()) == about


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (
            About("det"),
            r"--focus det: it is not compared; compared are local, deta, lab:Mine\. Add it to --policies",
        ),
        (About(baseline="det"), r"--baseline det: it is not compared"),
        (About("deta", "deta"), r"both deta; a policy is not compared with itself"),
    ],
)
def test_strangers_are_refused(about: About, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        about.check(COMPARED)
    with pytest.raises(UsageError, match="--baseline grid"):
        About(baseline="grid").check(("deta", "lab:Mine"))
