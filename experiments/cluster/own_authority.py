"""The authority of this user: signs the books of runs that have no cluster, whose authority would."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from platformdirs import user_config_path

from experiments.cluster.authority import Authority
from experiments.errors import UsageError


def own_authority() -> Authority:
    """Made on first use, in the user's configuration folder. Raises UsageError where it cannot be made or used."""
    place = user_config_path("detabed", appauthor=False) / "authority"
    try:
        if not place.exists():
            _make(place)
        return Authority.load(place)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"your authority in {place} cannot be used: {error}; mend that, or give --inventory of a cluster"
        ) from error


def _make(place: Path) -> None:
    """Whole or not at all; of two processes that do it at once, the first one counts."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".authority-", dir=place.parent))
    try:
        Authority.make("user").save(draft / "made")
        (draft / "made").rename(place)
    except OSError:
        if not place.exists():
            raise
    finally:
        shutil.rmtree(draft)
