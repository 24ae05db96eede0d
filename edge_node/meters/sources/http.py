"""Plugs that answer JSON over HTTP on the local network."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from edge_node.meters.sources.source import SourceError

TIMEOUT_S = 2.0
POWER_ONLY = ",power"
MAX_BYTES = 1 << 20


class Plug:
    """A plug's address."""

    def __init__(self, argument: str, name: str) -> None:
        """``argument``: ``http://HOST[:PORT]``, with ``,power`` behind it for the power in place of the counter."""
        address, self.power_only = argument.removesuffix(POWER_ONLY), argument.endswith(POWER_ONLY)
        parts = urlsplit(address)
        if parts.scheme != "http" or not parts.hostname:
            raise SourceError(f"{name}:{argument} has no address of a plug; write {name}:http://192.168.1.20")
        self.address, self._host, self._port = address, parts.hostname, parts.port or 80

    def get(self, path: str) -> Mapping[str, Any]:
        """The JSON object at ``path``; numbers are Decimal, with the digits that were sent."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            raw = answer.read(MAX_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise SourceError(
                f"plug {self.address} does not answer: {error or type(error).__name__}"
            ) from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise SourceError(f"plug {self.address} answers {answer.status} to {path}")
        try:
            found = json.loads(raw, parse_float=Decimal, parse_int=Decimal)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"plug {self.address} answers {path} with no JSON: {raw[:40]!r}") from error
        if not isinstance(found, dict):
            raise SourceError(
                f"plug {self.address} answers {path} with {str(found)[:40]}, not with an object"
            )
        return found


def number(found: Any, *keys: str | int) -> Decimal:
    """The number at ``keys``. Raises SourceError where there is none: missing is not zero."""
    for key in keys:
        try:
            found = found[key]
        except (KeyError, IndexError, TypeError):
            raise SourceError(f"the plug's answer has no {'.'.join(map(str, keys))}") from None
    if not isinstance(found, Decimal) or not found.is_finite():
        raise SourceError(f"the plug's {'.'.join(map(str, keys))} is {found!r}, no number")
    return found


def step(value: Decimal) -> Decimal:
    """Smallest difference that ``value`` can show: one in its last digit."""
    exponent = value.as_tuple().exponent
    return Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
