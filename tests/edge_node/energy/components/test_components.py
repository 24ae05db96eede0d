"""Readings of devices for the component power model (T2), one TOML file each; every reading has a source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_node.energy.components import load_profile, profile_names
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
