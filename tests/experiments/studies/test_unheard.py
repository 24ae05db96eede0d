"""Workers that never hear Ctrl-C."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from experiments.studies.unheard import unheard


def blocked() -> set[int]:
    """Of the asking process."""
    return {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, set())}


def interrupt() -> None:
    with unheard():
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.processes
def test_workers_that_are_started_within_have_it_blocked() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with unheard():
            asked = pool.submit(blocked)
        assert signal.SIGINT in asked.result()
    assert signal.SIGINT not in blocked()


def test_an_interrupt_within_is_met_at_the_end() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert signal.SIGINT not in blocked()
