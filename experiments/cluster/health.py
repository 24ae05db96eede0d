"""What is wrong with a board before a run: what was found, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

from carbon_data.ours import NAMES
from edge_node.versions import versions
from experiments.cluster.agent.installed import code_digest
from experiments.cluster.boards import version_fault
from experiments.cluster.cluster import Cluster
from experiments.cluster.inventory import Board

CERTIFICATE_LEFT = timedelta(days=14)
CLOCK_S = 1.0
"""A board's clock may differ by so much, beyond what the way there leaves open."""
FREE_BYTES = 500_000_000
SLOW = ("powersave", "conservative")
"""Governors under which a board computes more slowly than its profile says."""
_THROTTLES = ("too low voltage", "a capped frequency", "throttling", "the soft limit of temperature")
_SINCE = 16


@dataclass(frozen=True)
class Finding:
    """Something wrong with a board."""

    what: str
    found: str
    remedy: str


@dataclass(frozen=True)
class Here:
    """What boards are compared with: this machine and its cluster."""

    cluster: Cluster
    versions: Mapping[str, str]
    code: str | None

    @classmethod
    def of(cls, cluster: Cluster) -> Here:
        return cls(cluster, versions(), code_digest(NAMES))


def examined(
    board: Board, told: Mapping[str, Any], here: Here, governor: str | None, changed: Sequence[str] = ()
) -> list[Finding]:
    """All that is wrong with one board.

    Args:
        board: As the inventory has it.
        told: The answer to ``check``.
        here: This machine.
        governor: That of most boards (see ``common_governor``).
        changed: Files that are other here than when they were pushed.
    """
    return [
        *_software(board, told, here),
        *_files(board, told, changed),
        *_certificate(board, told, here.cluster),
        *_clock(told),
        *_speed(told, governor),
        *_disk(told),
        *_meter(board, told),
    ]


def common_governor(told: Mapping[str, Mapping[str, Any]]) -> str | None:
    """That of most boards; None: none says."""
    counted = Counter(name for each in told.values() for name in each["governors"])
    return counted.most_common(1)[0][0] if counted else None


def _software(board: Board, told: Mapping[str, Any], here: Here) -> list[Finding]:
    if said := version_fault(told["versions"], here.versions):
        return [Finding("versions", said, "install the same there (make board), or detabed cluster push")]
    if told["code"] != here.code:
        found = "other code of the same version as here"
        return [Finding("code", found, f"detabed cluster push {board.name}")]
    if told["fault"]:
        return [Finding("settings", told["fault"], f"mend {told['board_file']} there")]
    return []


def _files(board: Board, told: Mapping[str, Any], changed: Sequence[str]) -> list[Finding]:
    push = f"detabed cluster push {board.name}, with the same --file and --data as before"
    found = []
    if told["other_files"]:
        found.append(Finding("files", f"missing or changed there: {', '.join(told['other_files'])}", push))
    if changed:
        found.append(Finding("files", f"changed here since they were pushed: {', '.join(changed)}", push))
    return found


def _certificate(board: Board, told: Mapping[str, Any], cluster: Cluster) -> list[Finding]:
    again = f"detabed cluster invite {board.name}"
    try:
        certificate = x509.load_pem_x509_certificate((told["certificate"] or "").encode())
    except ValueError:
        return [Finding("certificate", "none, or one that cannot be read", again)]
    if not cluster.certified(board.name, certificate):
        return [Finding("certificate", "not the one that was issued last, or revoked", again)]
    ends = certificate.not_valid_after_utc
    if ends - datetime.now(UTC) < CERTIFICATE_LEFT:
        return [Finding("certificate", f"ends at {ends:%Y-%m-%d %H:%M} UTC", again)]
    return []


def _clock(told: Mapping[str, Any]) -> list[Finding]:
    low, high = offset_s(told)
    if low <= CLOCK_S and high >= -CLOCK_S:
        return []
    nearest = low if low > 0 else high
    return [
        Finding(
            "clock",
            f"{abs(nearest):.1f} s or more {'ahead of' if nearest > 0 else 'behind'} this machine's",
            "switch time synchronisation on, on both (timedatectl set-ntp true)",
        )
    ]


def offset_s(told: Mapping[str, Any]) -> tuple[float, float]:
    """Bounds of a board's clock minus this machine's: the question was on its way before, the answer after."""
    return told["clock_s"] - (told["answered_s"] - told["took_s"]), told["clock_s"] - told["asked_s"]


def _speed(told: Mapping[str, Any], governor: str | None) -> list[Finding]:
    found = []
    if other := [name for name in told["governors"] if name != governor or name in SLOW]:
        said = f"{', '.join(other)}" + (f" (most boards: {governor})" if governor not in other else "")
        found.append(
            Finding(
                "governor",
                said,
                "set the same on all boards, e.g. sudo cpupower frequency-set -g performance",
            )
        )
    bits = told["throttled"] or 0
    if now := [word for bit, word in enumerate(_THROTTLES) if bits >> bit & 1]:
        found.append(Finding("throttling", f"now: {', '.join(now)}", "a stronger supply, or better cooling"))
    elif since := [word for bit, word in enumerate(_THROTTLES) if bits >> _SINCE + bit & 1]:
        said = f"since it was switched on: {', '.join(since)}"
        found.append(
            Finding("throttling", said, "a stronger supply, or better cooling; then switch it on anew")
        )
    return found


def _disk(told: Mapping[str, Any]) -> list[Finding]:
    free = told["free_bytes"]
    if free >= FREE_BYTES:
        return []
    return [Finding("disk", f"{free / 1e6:.0f} MB free", f"make room for {FREE_BYTES / 1e6:.0f} MB")]


def _meter(board: Board, told: Mapping[str, Any]) -> list[Finding]:
    if board.meter is not None and told["meter"] != board.meter:
        found = f"{told['meter'] or 'none'} in {told['board_file']}, {board.meter} in the inventory"
        return [Finding("meter", found, "correct one of them")]
    if told["meter_fault"]:
        return [Finding("meter", told["meter_fault"], f"detabed meter test {told['meter']} there")]
    return []
