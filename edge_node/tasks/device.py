"""The device on which a node computes: the processor, an NVIDIA GPU, an Apple GPU."""

from __future__ import annotations

import os
from typing import get_args

import torch

from edge_node.config import Device

DEVICES: tuple[str, ...] = get_args(Device)


class DeviceError(ValueError):
    """A device that is not here."""


def available() -> tuple[str, ...]:
    """Devices of this machine, the quickest first."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return (*found, "cpu")


def find_device(name: str) -> torch.device:
    """The device of that name; ``auto``: the quickest that is here. Raises DeviceError."""
    here = available()
    if name == "auto":
        return torch.device(here[0])
    if name not in DEVICES:
        raise DeviceError(f"device {name!r}; allowed are {', '.join(DEVICES)}")
    if name not in here:
        raise DeviceError(
            f'device "{name}" is not here: {_why_not(name)}; here is {" and ".join(here)}: give device = '
            f'"{here[0]}", or "auto" for the quickest that is here'
        )
    return torch.device(name)


def _why_not(name: str) -> str:
    if name == "mps":
        return "torch sees no Apple GPU (macOS on Apple silicon has one)"
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return "CUDA_VISIBLE_DEVICES is empty (raylets empty it; start them with RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=0)"
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    return f"torch {torch.__version__} (CUDA {torch.version.cuda}) sees no NVIDIA GPU and driver"
