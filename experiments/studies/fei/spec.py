"""What is reproduced: the paper's Table I, the readings of its columns, and the trainings that a study asks for.

Source of every figure called "paper": P. Zhang et al., "Towards Net-Zero Carbon Emissions in Network AI for 6G
and Beyond", IEEE Communications Magazine, doi 10.1109/MCOM.003.2300175, Table I. Numbered notes are those of
methods.md section 8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

SERVERS = (1, 3, 5, 7, 9, 11)
PAPER_EPOCHS = 50
"""Column E of Table I, the same in every row."""


class ServerReading(StrEnum):
    """What the column "# of Servers" counts."""

    EDGES = "edge servers"
    WITH_COORDINATOR = "edge servers and coordinator"

    def edges(self, servers: int) -> int:
        """Edge servers that train, when the table says ``servers``. One server is one board in both readings."""
        return servers if self is ServerReading.EDGES or servers == 1 else servers - 1

    def has_coordinator(self, servers: int) -> bool:
        """Whether the coordinator's board is part of the energy that the table states."""
        return self is ServerReading.WITH_COORDINATOR and servers > 1


class BatchReading(StrEnum):
    """What the columns E and B mean (note 2)."""

    AS_PRINTED = "E local epochs, mini-batches of B"
    BATCH_50 = "mini-batches of 50, B of them a round"


REFERENCE_SERVERS = ServerReading.WITH_COORDINATOR
REFERENCE_BATCHES = BatchReading.BATCH_50
"""The readings that column B fits (note 2): B (n - 1) = 1200, and 50 B (n - 1) is the data set. The board's speed
speaks for E epochs of B instead: a plausible one with them, a very low one without."""


@dataclass(frozen=True, slots=True)
class Model:
    """One block of Table I; tuples run over ``SERVERS``."""

    name: str
    task: str
    """Registry name (edge_node.tasks.registry)."""
    data: str
    parameters: int
    batches: tuple[int, ...]
    """Column B."""
    energy_kwh: tuple[float, ...]
    carbon_g: tuple[float, ...]
    learning_rate: float
    """[C]: the paper reports none."""
    target_fraction: float
    """Test accuracy at which training stops: 97.5 % for images (paper); [C] for text, which reports none."""
    levels_fraction: tuple[float, ...]
    """Target accuracies of Fig. 4 ([C]: the paper's axis is not printed)."""
    partition: str

    @property
    def is_text(self) -> bool:
        """Whether it predicts characters; the others see images."""
        return self.data == "shakespeare"

    def paper_kwh(self, servers: int) -> float:
        return self.energy_kwh[SERVERS.index(servers)]

    def paper_g(self, servers: int) -> float:
        return self.carbon_g[SERVERS.index(servers)]

    def paper_batch(self, servers: int) -> int:
        return self.batches[SERVERS.index(servers)]


_images = partial(
    Model,
    data="mnist",
    batches=(1200, 600, 300, 200, 150, 120),
    target_fraction=0.975,
    levels_fraction=(0.95, 0.965, 0.975),
    partition="iid",
)
MODELS = (
    _images(
        name="MLP",
        task="mnist-mlp",
        parameters=159_010,
        energy_kwh=(0.0034, 0.0041, 0.0059, 0.0074, 0.0083, 0.0086),
        carbon_g=(0.08, 0.10, 0.21, 1.11, 1.99, 2.83),
        learning_rate=0.2,
    ),
    _images(
        name="CNN",
        task="mnist-cnn-62",
        parameters=90_242,
        energy_kwh=(0.0110, 0.0120, 0.0141, 0.0163, 0.0196, 0.0240),
        carbon_g=(0.26, 0.29, 0.49, 2.07, 3.93, 6.07),
        learning_rate=0.1,
    ),
    Model(
        name="LSTM",
        task="shakespeare-lstm",
        data="shakespeare",
        parameters=866_578,
        batches=(300,) * 6,
        energy_kwh=(1.8460, 5.0605, 7.6385, 9.5800, 12.0307, 14.0039),
        carbon_g=(40.0, 120.0, 260.0, 1200.0, 2600.0, 4300.0),
        learning_rate=2.0,
        target_fraction=0.45,
        levels_fraction=(0.35, 0.40, 0.45),
        partition="contiguous",
    ),
)
BY_NAME = {model.name: model for model in MODELS}
ZONES = (
    "US-NW-SCL",
    "US-NW-CHPD",
    "US-NW-GCPD",
    "US-NW-TPWR",
    "US-NE-ISNE",
    "US-MIDA-PJM",
    "US-SW-AZPS",
    "US-SE-SOCO",
    "US-NW-NEVP",
    "US-NW-GRID",
)
"""Ten US zones that fit the paper's implied sequence (note 9); only the low five are identified by it."""
SMALL_BATCH = 50


@dataclass(frozen=True, slots=True)
class Reduction:
    """How much smaller than the paper's a training is, so that a quick study trains for real in its time."""

    examples_fraction: float = 1.0
    """Share of the training data that is used; mini-batches (or their number) shrink with it."""
    epochs: int = PAPER_EPOCHS
    """Local epochs where the reading has E of them."""
    target_fraction: float | None = None
    """Target accuracy instead of the model's own; None: the model's own."""
    servers: tuple[int, ...] = SERVERS
    """Rows that are trained, if they do not ship; the others are missing, and shown so."""
    live: tuple[int, ...] | None = None
    """Rows that the study trains itself; those beyond come from trainings that ship, or are missing (None: all)."""
    readings: tuple[ServerReading, ...] = tuple(ServerReading)
    max_rounds: int = 200
    test_examples: int | None = None
    """Test examples after each round; None: all."""
    small_batch: int = SMALL_BATCH

    def is_live(self, servers: int) -> bool:
        """Whether the study trains this row itself."""
        return self.live is None or servers in self.live

    @property
    def is_scaled(self) -> bool:
        return self.examples_fraction < 1.0 or self.epochs < PAPER_EPOCHS or self.target_fraction is not None


Rates = dict[str, dict[float, tuple[int, ...]]]
"""By model: other learning rates, as factors of its own, and the reference rows that are trained at each."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What a study does in all. What is neither trained, shipped nor scaled is missing, and said to be."""

    name: str
    trainings: dict[tuple[str, BatchReading], Reduction]
    """Trained by the study, by model and reading of E and B."""
    scaled: dict[tuple[str, BatchReading], Reduction]
    """Trained smaller, for rows that have no training of the paper's size, and to check scaling where they have."""
    train_seeds: int
    """Trainings of each row of ``SEEDED`` in the reference readings: other first models, shares, orders; at least 1."""
    uses_shipped: bool
    """Whether rows that are not trained may come from trainings that ship with the package."""
    panels_w: tuple[float, ...]
    losses_fraction: tuple[float, ...]
    caps_fraction: tuple[float, ...]
    deadlines_slots: tuple[int, ...]
    days: int
    """Paired seeds of Fig. 5."""
    seeds: int
    """Paired seeds of the surface."""
    zones: tuple[str, ...] = ZONES
    """Where servers may stand; at least as many as Fig. 5 has servers."""
    rates: Rates = field(default_factory=dict)

    @property
    def models(self) -> tuple[Model, ...]:
        """Models of which anything is trained."""
        names = {name for name, _ in (*self.trainings, *self.scaled)}
        return tuple(model for model in MODELS if model.name in names)


_AS, _50 = BatchReading.AS_PRINTED, BatchReading.BATCH_50
SEEDED = ("MLP", "CNN")
"""Models that are trained from several seeds; the LSTM would take days."""
_REFERENCE_ONLY = (REFERENCE_SERVERS,)
RATES: Rates = {
    "MLP": dict.fromkeys((0.25, 0.5, 2.0), SERVERS),
    "CNN": dict.fromkeys((0.5, 1.0, 2.0), SERVERS),
    "LSTM": dict.fromkeys((0.5, 2.0), SERVERS),
}
QUICK_RATES: Rates = {
    "MLP": RATES["MLP"],
    "CNN": {0.5: (1, 3, 5), 1.0: SERVERS, 2.0: (1, 3, 5, 7)},
    "LSTM": {0.5: (1, 3), 2.0: (1, 3)},
}
"""Those that ship."""
QUICK = Effort(
    name="quick",
    trainings={("MLP", _50): Reduction(), ("CNN", _50): Reduction(readings=_REFERENCE_ONLY)},
    scaled={
        # The MLP's rows are known at full size: these check what scaling is worth, in both readings.
        ("MLP", _50): Reduction(0.1, target_fraction=0.93, max_rounds=60, readings=_REFERENCE_ONLY),
        ("MLP", _AS): Reduction(0.1, 5, 0.93, max_rounds=60),
        ("CNN", _AS): Reduction(0.05, 4, 0.90, max_rounds=60, test_examples=2000),
        # An hour on two cores even so: what is not live was trained before.
        ("LSTM", _50): Reduction(0.106, 5, 0.25, live=(1,), max_rounds=60, test_examples=100, small_batch=16),
        ("LSTM", _AS): Reduction(0.053, 5, 0.25, live=(1,), max_rounds=60, test_examples=100),
    },
    train_seeds=5,
    uses_shipped=True,
    panels_w=(5.0, 10.0, 15.0, 20.0, 40.0),
    losses_fraction=(0.0, 0.1, 0.3),
    caps_fraction=(0.25, 0.5, 1.0),
    deadlines_slots=(0, 6),
    days=10,
    seeds=10,
    rates=QUICK_RATES,
)
FULL = Effort(
    name="full",
    trainings={
        (model.name, reading): Reduction(max_rounds=400 if model.name == "LSTM" else 200)
        for model in MODELS
        for reading in BatchReading
    },
    scaled={},
    train_seeds=5,
    uses_shipped=False,
    panels_w=(2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0),
    losses_fraction=(0.0, 0.1, 0.2, 0.3, 0.5),
    caps_fraction=(0.0, 0.25, 0.5, 0.75, 1.0),
    deadlines_slots=(0, 3, 6, 12),
    days=20,
    seeds=10,
    rates=RATES,
)
RATE_REDUCTIONS = {
    "MLP": Reduction(),
    "CNN": Reduction(0.1, target_fraction=0.93, max_rounds=60, readings=_REFERENCE_ONLY),
    "LSTM": QUICK.scaled["LSTM", _50],
}
"""Size of the trainings at other learning rates, for both efforts: CNN and LSTM are scaled at every rate, since a
low rate takes many rounds of their work."""

PAPER_REDUCTION_FRACTION = 0.749
"""DETA at ten servers, "up to"."""
