"""Solar harvest: physics that must hold at every site, and clouds that repeat with their seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_data.sources.conformance import harvest_violations
from carbon_data.sources.pv import PvHarvest, pv_harvest, sky
from carbon_data.types import DataError, UnknownZoneError

HOUR = timedelta(hours=1)
JUNE = datetime(2022, 6, 21, tzinfo=UTC)
CLEAR = {"clearness_mean_fraction": 1.0, "clearness_std_fraction": 0.0}


@pytest.mark.parametrize("zone", ["US-NW-SCL", "SE-SE3", "AU-NSW", "IN-WE"])
def test_pv_conforms(zone: str) -> None:
    assert harvest_violations(pv_harvest(20.0, zone=zone), JUNE, hours=30) == []


@given(
    latitude=st.floats(-89.0, 89.0),
    longitude=st.floats(-180.0, 180.0),
    tilt=st.floats(0.0, 90.0),
    azimuth=st.floats(0.0, 360.0),
    day=st.integers(0, 364),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=25, deadline=None)
def test_never_negative_never_absurd_and_dark_at_night(
    latitude: float, longitude: float, tilt: float, azimuth: float, day: int, seed: int
) -> None:
    import pandas as pd
    from pvlib.solarposition import get_solarposition

    panel = pv_harvest(
        10.0, latitude_deg=latitude, longitude_deg=longitude, tilt_deg=tilt, azimuth_deg=azimuth
    )
    start = datetime(2022, 1, 1, tzinfo=UTC) + timedelta(days=day)
    power = panel.series(start, timedelta(minutes=15), 96, seed).power_w
    assert (power >= 0).all()
    assert (power <= 15.0).all()
    middles = pd.date_range(start + timedelta(minutes=7.5), periods=96, freq="15min")
    night = get_solarposition(middles, latitude, longitude)["apparent_elevation"].to_numpy() < -1.0
    assert (power[night] == 0).all()


def test_summer_beats_winter_and_the_hemispheres_are_opposite() -> None:
    def day_wh(zone: str, month: int) -> float:
        start = datetime(2022, month, 21, tzinfo=UTC)
        return float(pv_harvest(100.0, zone=zone, **CLEAR).series(start, HOUR, 24, 0).power_w.sum())

    assert day_wh("SE-SE3", 6) > 3 * day_wh("SE-SE3", 12)
    assert day_wh("AU-NSW", 12) > day_wh("AU-NSW", 6)


def test_clear_noon_is_near_the_rating_less_losses() -> None:
    power = pv_harvest(100.0, zone="US-SW-AZPS", **CLEAR).series(JUNE, HOUR, 24, 0).power_w
    assert 70.0 < power.max() < 95.0
    # Phoenix: the sun is highest about 19:30 UTC.
    assert int(np.argmax(power)) in (19, 20)


def test_a_year_in_seattle_has_a_plausible_capacity_factor() -> None:
    power = pv_harvest(1.0, zone="US-NW-SCL").series(datetime(2022, 1, 1, tzinfo=UTC), HOUR, 8760, 3).power_w
    assert 0.09 < power.mean() < 0.16


def test_power_scales_with_peak_and_losses_and_falls_with_heat() -> None:
    def mean_w(**options: float) -> float:
        return float(
            pv_harvest(**{"peak_w": 10.0, **options}, zone="ES").series(JUNE, HOUR, 24, 5).power_w.mean()
        )

    assert mean_w(peak_w=20.0) == pytest.approx(2 * mean_w())
    assert mean_w(system_loss_fraction=0.0) == pytest.approx(mean_w() / 0.86)
    assert mean_w(air_temperature_c=35.0) < mean_w(air_temperature_c=10.0)
    assert mean_w(peak_w=0.0) == 0.0


def test_seeds_make_clouds() -> None:
    panel = pv_harvest(10.0, zone="DE")
    first, again, other = (panel.series(JUNE, HOUR, 48, seed).power_w for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give a zone"),
        ({"latitude_deg": 50.0}, "both"),
        ({"latitude_deg": 95.0, "longitude_deg": 0.0}, "-90..90"),
        ({"latitude_deg": float("nan"), "longitude_deg": 0.0}, "-90..90"),
        ({"zone": "DE", "tilt_deg": 100.0}, "tilt_deg"),
        ({"zone": "DE", "system_loss_fraction": float("nan")}, "system_loss_fraction"),
        ({"zone": "DE", "clearness_std_fraction": 0.6}, "std_fraction"),
        ({"zone": "DE", "air_temperature_c": 300.0}, "air_temperature_c"),
    ],
)
def test_impossible_panels_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        pv_harvest(10.0, **options)  # type: ignore[arg-type]


def test_a_zone_without_a_site_is_an_error() -> None:
    with pytest.raises(UnknownZoneError, match="DE"):
        pv_harvest(10.0, zone="DEE")


def test_negative_peak_and_seed_are_refused() -> None:
    with pytest.raises(DataError, match="peak_w"):
        pv_harvest(-1.0, zone="DE")
    panel = pv_harvest(1.0, zone="DE")
    assert isinstance(panel, PvHarvest)
    with pytest.raises(DataError, match="seed"):
        panel.series(JUNE, HOUR, 1, -1)


def test_panels_of_a_place_share_its_sky_and_nothing_else() -> None:
    first, other = pv_harvest(20.0, zone="DE"), pv_harvest(30.0, zone="DE", tilt_deg=10.0)
    sky.cache_clear()
    alone = first.series(JUNE, HOUR, 24, seed=3).power_w
    other.series(JUNE, HOUR, 24, seed=4)
    again = first.series(JUNE, HOUR, 24, seed=3).power_w
    assert sky.cache_info().misses == 1
    assert again.tobytes() == alone.tobytes()
    assert pv_harvest(20.0, zone="FR").series(JUNE, HOUR, 24, seed=3).power_w.tobytes() != alone.tobytes()
    assert sky.cache_info().misses == 2
