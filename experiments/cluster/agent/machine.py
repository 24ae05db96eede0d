"""The board as a machine: what sets its speed, and what is left of its disk."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

VCGENCMD_S = 10.0


def governors(root: Path = Path("/")) -> list[str]:
    """Governors of its cores, each once; empty: the kernel has none to choose."""
    places = root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    return sorted({place.read_text().strip() for place in places})


def throttled(root: Path = Path("/")) -> int | None:
    """A Raspberry Pi's bits of ``vcgencmd get_throttled``: 0 to 3 now, 16 to 19 since it was switched on, of too low
    voltage, a capped frequency, throttling and the soft limit of temperature. None: the board does not say."""
    file = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
    if file.is_file():
        return int(file.read_text().strip(), 16)
    if shutil.which("vcgencmd") is None:
        return None
    done = subprocess.run(
        ["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=VCGENCMD_S, check=False
    )
    name, _, value = done.stdout.strip().partition("=")
    return int(value, 16) if done.returncode == 0 and name == "throttled" else None


def free_bytes(folder: Path) -> int:
    """On the disk of a folder, which may not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
