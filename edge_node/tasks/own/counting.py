"""Operations of any module, counted by torch's FlopCounterMode.

Two kinds of layers hide their products from it on a processor: fused attention and fused recurrent layers. While it
counts, attention takes its plain form and oneDNN is off, so that every product is one that it knows. Its tracker of
modules is left out: it would register hooks for the modules of all threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

_SETTINGS = threading.Lock()
"""oneDNN is on or off for a whole process."""


class _NoTracker:
    """Stands in place of the counter's tracker of modules: all is counted as one."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None: ...
    def __exit__(self, *args: Any) -> None: ...


@contextmanager
def _plain_products() -> Iterator[None]:
    with _SETTINGS, sdpa_kernel(SDPBackend.MATH):
        before = torch._C._get_mkldnn_enabled()
        torch._C._set_mkldnn_enabled(False)
        try:
            yield
        finally:
            torch._C._set_mkldnn_enabled(before)


def counted(work: Callable[[], None]) -> float:
    """Operations of ``work``, a multiplication and an addition being two."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _NoTracker()  # type: ignore[assignment]
    with _plain_products(), counter:
        work()
    return float(counter.get_total_flops())
