"""The page over real HTTP, while a real ledger grows."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
from pathlib import Path

import pytest

from coordinator.ledger import Ledger, read_entries
from experiments.errors import UsageError
from experiments.live.server import serving
from experiments.live.watched import Watched
from experiments.run_folder.files import LEDGER, SCENARIO


@pytest.fixture
def growing(finished: Path, tmp_path: Path) -> Path:
    """A folder in which a run has only begun."""
    shutil.copy(finished / SCENARIO, tmp_path / SCENARIO)
    return tmp_path


def ask(address: str, path: str, host: str | None = None, method: str = "GET") -> tuple[int, bytes]:
    place = address.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(place, timeout=120)
    connection.request(method, path, headers={"Host": host or place})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_page_state_and_metrics_are_there_and_nothing_else(finished: Path) -> None:
    with serving(Watched(finished), 0) as (address, _):
        status, page = ask(address, "/")
        assert status == 200
        assert b"EventSource" in page
        status, text = ask(address, "/state.json")
        assert (json.loads(text)["ended"], json.loads(text)["standing"]) == (8, "finished")
        assert b"detabed_energy_joules_total" in ask(address, "/metrics")[1]
        assert ask(address, "/../scenario.toml")[0] == 404
        assert ask(address, "/", method="POST")[0] == 501
        assert ask(address, "/state.json", host="elsewhere.example:80")[0] == 403


def test_a_slot_that_is_booked_reaches_a_page_that_is_open(finished: Path, growing: Path) -> None:
    entries = [stored.entry for stored in read_entries(finished / LEDGER)]
    last = max(place for place, entry in enumerate(entries) if entry.kind == "slot_end")
    with Ledger(growing / LEDGER, "run") as ledger, serving(Watched(growing), 0) as (address, _):
        place = address.removeprefix("http://").rstrip("/")
        connection = http.client.HTTPConnection(place, timeout=120)
        connection.request("GET", "/events")
        stream = connection.getresponse()

        def next_state() -> dict[str, object]:
            while not (line := stream.readline()).startswith(b"data: "):
                pass
            return dict(json.loads(line[6:]))

        assert next_state()["slot"] is None
        ledger.write(entries[:last])
        while (state := next_state())["ended"] != 7:
            pass
        ledger.write(entries[last:])
        while (state := next_state())["ended"] != 8:
            pass
        assert state["energy_j"] == json.loads(ask(address, "/state.json")[1])["energy_j"]
        connection.close()


def test_a_port_that_is_taken_is_a_sentence(finished: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(UsageError, match="give another --port"),
            serving(Watched(finished), taken.getsockname()[1]),
        ):
            pass
