"""Plugs that are switched over HTTP on the local network.

Shelly, generation 2 and later: ``/rpc/Switch.Set?id=0&on=false``, and ``output`` of ``/rpc/Switch.GetStatus?id=0``
(shelly-api-docs.shelly.cloud, Gen2, component Switch). Tasmota: ``/cm?cmnd=Power1%20OFF``, and ``/cm?cmnd=Power1``; the
answer's key is ``POWER`` where there is one relay, else ``POWER1`` (tasmota.github.io/docs/Commands).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edge_node.actuators.actuator import ActuatorError
from edge_node.meters.sources.http import Plug, number
from edge_node.meters.sources.source import SourceError


class Switch(Protocol):
    """One relay of a plug."""

    def is_on(self) -> bool:
        """Raises ActuatorError where the plug does not say."""
        ...

    def set(self, on: bool) -> None:
        """Raises ActuatorError where the plug does not say that it has."""
        ...


class ShellySwitch:
    def __init__(self, address: str, relay: int) -> None:
        self._plug, self._id, self._known = Plug(address, "shelly"), relay - 1, False

    def is_on(self) -> bool:
        self._require_second_generation()
        found = _ask(self._plug, f"/rpc/Switch.GetStatus?id={self._id}").get("output")
        if not isinstance(found, bool):
            raise ActuatorError(
                f"plug {self._plug.address} does not say whether it is on: output is {found!r}"
            )
        return found

    def set(self, on: bool) -> None:
        self._require_second_generation()
        _ask(self._plug, f"/rpc/Switch.Set?id={self._id}&on={str(on).lower()}")
        if self.is_on() is not on:
            raise ActuatorError(
                f"plug {self._plug.address} was to be {_state(on)}, and stayed {_state(not on)}"
            )

    def _require_second_generation(self) -> None:
        if self._known:
            return
        found = _ask(self._plug, "/shelly")
        try:
            generation = int(number(found, "gen")) if "gen" in found else 1
        except SourceError as error:
            raise ActuatorError(f"plug {self._plug.address}: {error}") from error
        if generation < 2:
            raise ActuatorError(
                f"plug {self._plug.address} is a Shelly of generation 1; generation 2 or later is needed to switch it"
            )
        self._known = True


class TasmotaSwitch:
    def __init__(self, address: str, relay: int) -> None:
        self._plug, self._relay = Plug(address, "tasmota"), relay

    def is_on(self) -> bool:
        return self._said(_ask(self._plug, f"/cm?cmnd=Power{self._relay}"))

    def set(self, on: bool) -> None:
        said = self._said(_ask(self._plug, f"/cm?cmnd=Power{self._relay}%20{_state(on).upper()}"))
        if said is not on:
            raise ActuatorError(
                f"plug {self._plug.address} was to be {_state(on)}, and stayed {_state(not on)}"
            )

    def _said(self, found: Mapping[str, Any]) -> bool:
        names = [f"POWER{self._relay}", *(["POWER"] if self._relay == 1 else [])]
        state = next((found[name] for name in names if name in found), None)
        if state not in ("ON", "OFF"):
            raise ActuatorError(
                f"plug {self._plug.address} does not say whether relay {self._relay} is on: {str(dict(found))[:120]}"
            )
        return bool(state == "ON")


SWITCHES: dict[str, Callable[[str, int], Switch]] = {"shelly": ShellySwitch, "tasmota": TasmotaSwitch}


def open_switch(plug: str, relay: int) -> Switch:
    """The relay of ``shelly:http://HOST`` or ``tasmota:http://HOST``. Asks nothing yet. Raises ActuatorError."""
    name, _, address = plug.partition(":")
    if name not in SWITCHES:
        raise ActuatorError(
            f"no plug is called {name!r}; write one of {', '.join(f'{n}:http://HOST' for n in SWITCHES)}"
        )
    try:
        return SWITCHES[name](address, relay)
    except SourceError as error:
        raise ActuatorError(str(error)) from error


def _ask(plug: Plug, path: str) -> Mapping[str, Any]:
    try:
        return plug.get(path)
    except SourceError as error:
        raise ActuatorError(str(error)) from error


def _state(on: bool) -> str:
    return "on" if on else "off"
