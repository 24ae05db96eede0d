"""The map of settings: what is swept, against which background, and how long it is watched."""

from __future__ import annotations

from experiments.studies.tree.settings import readings, study_settings


def test_the_map_has_no_setting_twice() -> None:
    assert len(set(readings())) == len(readings())
    assert len(set(study_settings())) == len(study_settings())
