"""How the nodes' updates are protected."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from experiments.scenario.keys import Strict


class PrivacySpec(Strict):
    """Protection of the nodes' updates in development slots (docs/fl-kinds.md). The unit that is protected is a node
    with all its examples."""

    kind: Literal["none", "central", "local"] = "none"
    """Differential privacy. ``central``: nodes clip their updates, the server adds noise to the sum and is trusted;
    ``local``: nodes clip and add noise before anything leaves them."""
    clipping_norm: float = Field(default=1.0, ge=1e-6, le=1e6)
    """L2 norm to which a longer update is scaled."""
    noise_multiplier: float = Field(default=1.0, ge=1e-6, le=1e6)
    """Standard deviation of the noise in each value, as a multiple of clipping_norm: of the sum of updates (central),
    of each update (local). With clipping_norm at most 10."""
    delta: float = Field(default=1e-5, gt=0, lt=1)
    """Probability at which epsilon is stated; well below one over the number of nodes."""
    seeded: bool = True
    """Whether the noise follows from the run's seed, so that runs repeat: it then gives no protection against anyone
    who knows the seed. ``false``: from the operating system."""
    secure_aggregation: bool = False
    """Whether the server sees the sum of updates alone: nodes send them under pairwise masks that cancel in it."""
    threshold_fraction: float = Field(default=0.6, gt=0.5, le=1)
    """Share of a round's nodes whose answers are needed to unmask their sum, three at least (secure_aggregation); as
    many must conspire with the server to see one update."""

    @property
    def is_on(self) -> bool:
        """Whether anything is protected."""
        return self.kind != "none" or self.secure_aggregation
