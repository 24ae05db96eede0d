"""Frames and sequences made from the digits: a camera's view with a fixed background, noise and moving digits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_node.splitting.network import FRAME_PIXELS

DIGIT_PIXELS = 28
ROOM_PIXELS = FRAME_PIXELS - DIGIT_PIXELS
BACKGROUND_GREY = 50
TRAINING_NOISE_GREY = 4.0

Frames = NDArray[np.uint8]


def background(seed: int) -> NDArray[np.float32]:
    """A smooth pattern of greys 0..BACKGROUND_GREY, the same for all frames of a scene: (48, 48)."""
    rng = np.random.default_rng((seed, 77))
    coarse = rng.random((7, 7))
    at = np.linspace(0, 6, FRAME_PIXELS)
    rows = np.array([np.interp(at, np.arange(7), line) for line in coarse])
    smooth = np.array([np.interp(at, np.arange(7), column) for column in rows.T]).T
    return (BACKGROUND_GREY * smooth).astype(np.float32)


def scattered(images: Frames, seed: int, noise_grey: float = TRAINING_NOISE_GREY) -> Frames:
    """Each digit (N, 1, 28, 28) at a random place of a frame with its own background: (N, 1, 48, 48) uint8."""
    rng = np.random.default_rng((seed, 1))
    grounds = np.stack([background(1000 * seed + k) for k in range(16)])
    frames = grounds[rng.integers(0, len(grounds), len(images))].copy()
    places = rng.integers(0, ROOM_PIXELS + 1, (len(images), 2))
    for frame, image, (top, left) in zip(frames, images[:, 0], places, strict=True):
        _paste(frame, image, int(top), int(left))
    frames += rng.normal(0.0, noise_grey, frames.shape).astype(np.float32)
    return np.clip(np.rint(frames), 0, 255).astype(np.uint8)[:, None]


def _paste(frame: NDArray[np.float32], image: Frames, top: int, left: int) -> None:
    """The brighter of background and digit, in place."""
    part = frame[top : top + DIGIT_PIXELS, left : left + DIGIT_PIXELS]
    np.maximum(part, image, out=part)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A video: frames (T, 48, 48) uint8 and the digit in each."""

    frames: Frames
    labels: NDArray[np.int64]
    noise_grey: float


def moving_digits(
    images: Frames,
    labels: NDArray[np.int64],
    num_frames: int,
    seed: int,
    noise_grey: float,
    light_grey: float,
    scene_frames: int = 12,
) -> Sequence:
    """A fixed camera: a digit comes, moves a few pixels a frame, stands still for a while, and is replaced.

    The light may drift slowly, frame by frame too little for a threshold to see.

    Args:
        images: Digits (N, 1, 28, 28) to choose from.
        labels: Their classes.
        num_frames: Length.
        seed: Of choice, ways and noise.
        noise_grey: Deviation of the sensor's noise, grey levels.
        light_grey: How much brighter and darker the background gets, grey levels.
        scene_frames: Frames until the next digit.
    """
    rng = np.random.default_rng((seed, 2))
    ground = background(seed)
    frames, classes = [], []
    top = left = 0.0
    chosen, speed = 0, np.zeros(2)
    for index in range(num_frames):
        phase = index % scene_frames
        if phase == 0:
            chosen = int(rng.integers(len(images)))
            top, left = rng.uniform(0, ROOM_PIXELS, 2)
            speed = rng.uniform(-2.0, 2.0, 2)
        elif phase < scene_frames // 2:
            top, speed[0] = _bounce(top + speed[0], speed[0])
            left, speed[1] = _bounce(left + speed[1], speed[1])
        frame = ground + np.float32(light_grey * (1.0 + np.sin(2 * np.pi * index / 150)))
        _paste(frame, images[chosen, 0], round(top), round(left))
        frame += rng.normal(0.0, 1.0, frame.shape).astype(np.float32) * noise_grey
        frames.append(np.clip(np.rint(frame), 0, 255).astype(np.uint8))
        classes.append(int(labels[chosen]))
    return Sequence(np.stack(frames), np.array(classes, dtype=np.int64), noise_grey)


def _bounce(place: float, speed: float) -> tuple[float, float]:
    if 0 <= place <= ROOM_PIXELS:
        return place, speed
    return float(np.clip(place, 0, ROOM_PIXELS)), -speed
