"""Keys of live services: from the environment, or from a file that its owner alone can read; never from a scenario.

The file is TOML, ``NAME = "key"`` a line, at the path in DETABED_KEYS, else ``keys.toml`` in the user's configuration
folder. No key is printed: ``hidden`` takes every known one out of a text.
"""

from __future__ import annotations

import os
import stat
import sys
import tomllib
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_config_path

from carbon_data.types import DataError

FILE_VARIABLE = "DETABED_KEYS"


def keys_file() -> Path:
    """Where keys are looked for that the environment does not hold; may not exist."""
    named = os.environ.get(FILE_VARIABLE, "").strip()
    if named:
        return Path(named).expanduser()
    return user_config_path("detabed", appauthor=False) / "keys.toml"


class MissingKeyError(DataError):
    """A service needs a key that was not found."""


class Keys:
    """Keys by name. ``given``: instead of the environment and the file."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self._given = given
        self._known: set[str] = set()

    def get(self, name: str) -> str:
        """The key called ``name``. Raises MissingKeyError, or DataError for a file that cannot be used."""
        key = self._find(name)
        if not key:
            raise MissingKeyError(
                f'{name} is not set: put the key into the environment variable {name}, or a line {name} = "..." into '
                f"{keys_file()} (readable by you alone); it does not belong into a scenario"
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise DataError(f"{name} holds characters that no key has; copy it again")
        self._known |= {key, urllib.parse.quote(key, safe=""), urllib.parse.quote_plus(key)}
        return key

    def keep_secret(self, text: str) -> str:
        """Remember ``text``, e.g. a token that a key was exchanged for, as secret; returns it."""
        self._known.add(text)
        return text

    def hidden(self, text: str) -> str:
        """``text`` without any key that was handed out."""
        for key in sorted(self._known, key=len, reverse=True):
            text = text.replace(key, "***")
        return text

    def _find(self, name: str) -> str:
        if self._given is not None:
            return self._given.get(name, "")
        return os.environ.get(name, "").strip() or _from_file(keys_file(), name)


def _from_file(path: Path, name: str) -> str:
    if not path.is_file():
        return ""
    try:
        mode = path.stat().st_mode
        if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise DataError(
                f"{path} holds keys and others can read it (mode {stat.S_IMODE(mode):o}); do: chmod 600 {path}"
            )
        found = tomllib.loads(path.read_text(encoding="utf-8")).get(name, "")
    except tomllib.TOMLDecodeError:  # its text may hold a key
        raise DataError(f'{path} is not valid TOML; write lines like {name} = "..."') from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {type(error).__name__}") from None
    if not isinstance(found, str):
        raise DataError(f'{path}: {name} is no text; write {name} = "..."')
    return found.strip()
