"""Readings of devices for the component power model (T2), one TOML file each; every reading has a source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_node.energy.component_power import Component, OperatingPoint, Reading
from edge_node.energy.components import ComponentProfile, load_profile, profile_names
from edge_node.energy.sourced import SourceError


def test_every_packaged_reading_has_a_source_and_every_model_reports_its_residuals() -> None:
    assert set(profile_names()) == {"raspberry-pi-4b", "rtx-4090-server"}
    for name in profile_names():
        profile = load_profile(name)
        assert all(reading.source for reading in profile.readings)
        model = profile.model()
        assert set(model.residuals_w) == {reading.name for reading in profile.readings}


def test_the_server_profile_is_table_one() -> None:
    profile = load_profile("rtx-4090-server")
    model = profile.model()
    for name, watts in {"sleep": 60.0, "prefill": 117.37, "decode": 117.37}.items():
        split = model.power(profile.reading(name).point)
        assert split.identified
        assert split.total_w == pytest.approx(watts, abs=1e-6)
    prefill, decode = (model.power(profile.reading(name).point) for name in ("prefill", "decode"))
    assert prefill.computation_dynamic_w > prefill.memory_dynamic_w
    assert decode.memory_dynamic_w > decode.computation_dynamic_w
    assert decode.memory_dynamic_w == pytest.approx(0.7 * 1008e9 * 8 * 7.25e-12, rel=1e-3)
    awake = replace(profile.reading("decode").point, core_utilisation=0.0, memory_utilisation=0.0)
    waiting = model.power(awake)
    assert waiting.identified
    assert 60.0 < waiting.total_w < 117.37


def test_the_pi_profile_has_a_residual_and_no_memory_coefficients() -> None:
    model = load_profile("raspberry-pi-4b").model()
    assert 0.1 < model.rms_residual_w < 0.5
    assert model.identified["lam1c"]
    assert not model.identified["lam1m"]


def test_unknown_profiles_and_readings_name_the_known_ones() -> None:
    with pytest.raises(SourceError, match="rtx-4090-server"):
        load_profile("abacus")
    with pytest.raises(SourceError, match="prefill"):
        load_profile("rtx-4090-server").reading("nap")


def test_an_own_profile_without_texts_is_named_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    readings = "".join(
        f'[[reading]]\nname = "{name}"\npower_w = 1.0\nsource = "x"\ncore_v = 1.0\n{note}'
        for name, note in (("a", 'note = "n"\n'), ("b", ""))
    )
    path.write_text(readings, encoding="utf-8")
    found = load_profile(str(path))
    assert (found.name, found.description, found.notes) == (str(path), "", {"a": "n", "b": ""})
    path.write_text('name = "mine"\ndescription = "of mine"\n' + readings, encoding="utf-8")
    found = load_profile(str(path))
    assert (found.name, found.description) == ("mine", "of mine")


WHOLE = """
name = "board"
[[reading]]
name = "busy"
power_w = 12
core_v = 1.5
core_hz = 2e9
core_utilisation = 3.0
memory_v = 1.25
memory_hz = 1e9
memory_utilisation = 0.5
transmit_w = 0.125
circuit_on = true
source = "a paper, table 1"
note = "of one sample"
[[reading]]
name = "radio"
power_w = 0.75
transmit_w = 0.5
circuit_on = true
covers = ["communication"]
source = "a paper, table 2"
[[reading]]
name = "step"
power_w = 2.5
core_v = 1.5
memory_v = 1.25
memory_utilisation = 0.75
source = "choice: a guess"
above = { memory_utilisation = 0.25, core_v = 1.0 }
"""


def own(folder: Path, text: str) -> str:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_readings_of_a_profile_whole(tmp_path: Path) -> None:
    """What a reading stands above is the same point but for what it names."""
    found = load_profile(own(tmp_path, WHOLE))
    busy = OperatingPoint(1.5, 2e9, 3.0, 1.25, 1e9, 0.5, 0.125, True)
    step = OperatingPoint(core_v=1.5, memory_v=1.25, memory_utilisation=0.75)
    rest = OperatingPoint(core_v=1.0, memory_v=1.25, memory_utilisation=0.25)
    radio = OperatingPoint(transmit_w=0.5, circuit_on=True)
    readings = (
        Reading("busy", busy, 12.0, source="a paper, table 1"),
        Reading("radio", radio, 0.75, frozenset({Component.COMMUNICATION}), source="a paper, table 2"),
        Reading("step", step, 2.5, above=rest, source="choice: a guess"),
    )
    assert found == ComponentProfile(
        "board", "", readings, {"busy": "of one sample", "radio": "", "step": ""}
    )
    assert isinstance(found.readings[0].power_w, float)
    assert found.reading("radio") == readings[1]
    with pytest.raises(SourceError) as caught:
        found.reading("nap")
    assert str(caught.value) == "profile board has no reading 'nap'; allowed are busy, radio, step"
    assert found.model().residuals_w.keys() == {"busy", "radio", "step"}


GOOD = '[[reading]]\nname = "a"\npower_w = 1.0\nsource = "x"\ncore_v = 1.0\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "profile {path} has no [[reading]]; write at least two"),
        ("reading = []", "profile {path} has no [[reading]]; write at least two"),
        ("[reading]\na = 1", "profile {path} has no [[reading]]; write at least two"),
        (
            GOOD + '[[reading]]\npower_w = 1.0\nsource = "x"',
            "profile {path}: reading 2 has no name; say where the reading comes from, or 'choice: ' and why",
        ),
        (
            '[[reading]]\nname = "b"\npower_w = 1.0\nsource = "  "',
            "profile {path}: reading 'b' has no source; say where the reading comes from, or 'choice: ' and why",
        ),
        (
            '[[reading]]\nname = 5\npower_w = 1.0\nsource = "x"',
            "profile {path}: reading 5 has no name; say where the reading comes from, or 'choice: ' and why",
        ),
        (
            GOOD + "volts = 1\namps = 2",
            "profile {path}: reading 'a' has amps, volts; allowed are above, circuit_on, core_hz, core_utilisation, "
            "core_v, covers, memory_hz, memory_utilisation, memory_v, name, note, power_w, source, transmit_w",
        ),
        (
            GOOD + "above = { volts = 1, core_v = 1.0, amps = 2 }",
            "profile {path}: reading 'a': above has ['amps', 'volts']; allowed are ['circuit_on', 'core_hz', "
            "'core_utilisation', 'core_v', 'memory_hz', 'memory_utilisation', 'memory_v', 'transmit_w']",
        ),
        (
            '[[reading]]\nname = "a"\nsource = "x"',
            "profile {path}: reading 'a' has no 'power_w'; every reading needs one",
        ),
        (
            GOOD + 'covers = ["fan"]',
            "profile {path}: reading 'a': 'fan' is not a valid Component",
        ),
        (
            GOOD + "core_hz = -1.0",
            "profile {path}: reading 'a': core_hz is -1.0; allowed is a finite number >= 0",
        ),
    ],
)
def test_a_profile_that_is_refused_says_where_and_why(tmp_path: Path, text: str, says: str) -> None:
    path = own(tmp_path, text)
    with pytest.raises(SourceError) as caught:
        load_profile(path)
    assert str(caught.value) == says.format(path=path)


def test_what_is_no_profile_is_refused_with_what_is_allowed(tmp_path: Path) -> None:
    broken = own(tmp_path, "[[reading")
    with pytest.raises(SourceError, match=f"^profile {broken} is no TOML: "):
        load_profile(broken)
    (tmp_path / "own.txt").write_text(GOOD, encoding="utf-8")
    for unknown in ("abacus", str(tmp_path / "own.txt"), str(tmp_path / "none.toml"), "rtx_4090_server"):
        with pytest.raises(SourceError) as caught:
            load_profile(unknown)
        assert str(caught.value) == (
            f"unknown profile {unknown!r}; allowed are raspberry-pi-4b, rtx-4090-server or the path of a TOML file"
        )
    assert profile_names() == ("raspberry-pi-4b", "rtx-4090-server")
