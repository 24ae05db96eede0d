"""Frames and sequences made from the digits: a camera's view with a fixed background, noise and moving digits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from edge_node.tasks.data import images
from experiments.studies.terminal.frames import moving_digits, scattered


def test_frames_are_reproducible_and_hold_the_digit() -> None:
    digits = images.load("digits").test["images"][:20]
    a, b = scattered(digits, 3), scattered(digits, 3)
    assert np.array_equal(a, b)
    assert a.shape == (20, 1, 48, 48)
    assert not np.array_equal(a, scattered(digits, 4))
    # The digit is brighter than any background: all of its bright pixels are in the frame.
    bright = (digits > 150).sum(axis=(1, 2, 3))
    assert np.all((a > 100).sum(axis=(1, 2, 3)) >= 0.9 * bright)


def test_an_ideal_camera_changes_only_where_the_digit_moves() -> None:
    source = images.load("digits").test
    video = moving_digits(source["images"], source["labels"], 48, 0, noise_grey=0.0, light_grey=0.0)
    changed = [(a != b).mean() for a, b in pairwise(video.frames)]
    assert 0.0 in changed
    assert 0.0 < max(changed) < 0.5
    noisy = moving_digits(source["images"], source["labels"], 48, 0, noise_grey=3.0, light_grey=2.0)
    assert np.array_equal(noisy.labels, video.labels)
    assert min((a != b).mean() for a, b in pairwise(noisy.frames)) > 0.2
