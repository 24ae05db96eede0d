"""What the study runs: models, options, rates, extents. Choices, stated in one place."""

from __future__ import annotations

from dataclasses import dataclass

CUTS = ("features_2", "features_5", "features_8")
"""After the first, second and third pooling layer of ``FrameCnn``."""
CODE_CHANNELS = {"features_2": 2, "features_5": 4, "features_8": 8}
"""Channels that cross a compressed cut: about as many values as fit a few hundred bytes."""
BITS = (8, 4)
WIDTH_FRACTIONS = (0.75, 0.5, 0.25)
INT8_COST_FRACTIONS = (0.25, 0.5, 1.0)
"""Of an int8 operation against a float32 one: range of ``int8_cost_fraction``, whose source says where each applies."""
THRESHOLDS_GREY = (0, 10, 20, 40, 80, 160)
REFRESHES = (5, 30, 120)
REFERENCE_THRESHOLD_GREY = 20
"""Nearly five deviations of the difference of two noisy pixels."""
REFERENCE_REFRESH = 30
SCENES_GREY = ((0.0, 0.0), (3.0, 2.0))
"""Sensor noise and drift of light of the sequences: an ideal camera, and an ordinary one."""
DISTANCES_M = (100.0, 300.0, 500.0, 700.0, 1000.0, 1500.0)
"""Where the link's rates of the table come from, by path loss and the Shannon rate."""
FRAME_PERIOD_S = 0.1
"""Ten frames a second."""
DEADLINE_S = FRAME_PERIOD_S
"""A frame is to be answered before the next one comes."""
ACCURACY_LOSS_FRACTION = 0.02
"""What dynamic partition may give away against the unsplit model."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is trained, executed and repeated."""

    data: str
    train_examples: int
    """At most."""
    test_examples: int
    """At most."""
    epochs: int
    tune_epochs: int
    shaped_frames: int
    """Inferences per option and rate for measured latency."""
    sequence_frames: int
    walk_frames: int
    """Of the run in which the link changes, in real time."""
    profile_repeats: int
    user_frames: int
    """Of each user, of the run in which two users share a server, in real time."""


QUICK = Extent("digits", 1438, 359, 14, 3, 3, 240, 160, 20, 40)
FULL = Extent("auto", 12000, 2000, 12, 4, 10, 960, 600, 100, 200)
"""With MNIST where its files are in the data folder."""
