"""Arrival times as hypothesis draws them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

ARRIVALS = st.lists(st.integers(0, 5_000), max_size=60).map(lambda ms: np.sort(np.array(ms)) / 1000.0)
