"""Work of a command that may take long: a bar on standard error."""

from __future__ import annotations

from contextlib import AbstractContextManager

from experiments.commands.output import err
from experiments.progress import Watch, watching


def waiting(what: str = "resolving") -> AbstractContextManager[Watch]:
    """A progress bar while the work within goes on, where standard error is a terminal and it takes more than a moment.

    ``what`` is being done, until the work says so itself.
    """
    return watching(err, what)
