"""Tests of queries for API and pages: speeds against limits, forecasts, and series on both kinds of database."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import Connection, Engine, text

from alerts.forecast.level_forecast import ActivityThresholds, ForecastModel, LeadModel
from models.kinds.river import RIVER
from models.migrations import upgrade
from models.reading import Flag
from services.city.load import load
from services.queries.stations import series
from services.queries.stations.forecasts import published_forecasts
from services.queries.stations.speeds import RadarFilter, street_speeds
from tests.seeds import la_plata

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
"""A Thursday; nine in the morning in La Plata."""
ZONE = "America/Argentina/Buenos_Aires"
IN_LA_PLATA = ZoneInfo(ZONE)
HOUR = timedelta(hours=1)


@pytest.fixture
def city(transaction: Connection) -> Connection:
    """La Plata, in a transaction of the test's own."""
    load(transaction, la_plata(), NOON)
    return transaction


def radar(connection: Connection) -> str:
    """A radar on a street with one limit at all hours, 60 km/h."""
    station: str = connection.execute(
        text("SELECT id FROM stations WHERE kind = 'radar' ORDER BY id LIMIT 1")
    ).scalar_one()
    limit(connection, station, '{"limit_kmh": 60, "windows": []}')
    return station


def limit(connection: Connection, station: str, limits: str) -> None:
    """Other limits for a street."""
    connection.execute(
        text("UPDATE stations SET speed_limits = cast(:limits AS jsonb) WHERE id = :id"),
        {"limits": limits, "id": station},
    )


def pass_by(connection: Connection, station: str, at: datetime, *speeds_kmh: float, flags: Flag = Flag.NONE) -> None:
    """Readings of vehicles, one second apart."""
    connection.execute(
        text(
            "INSERT INTO radar_readings (device_id, observed_at, seq, received_at, speed_kmh, flags)"
            " SELECT d.id, :at + n * interval '1 second', -1, :at, v, :flags FROM devices d,"
            " unnest(cast(:speeds AS float8[])) WITH ORDINALITY AS s (v, n) WHERE d.station_id = :station"
        ),
        {"at": at, "speeds": list(speeds_kmh), "station": station, "flags": int(flags)},
    )


def test_speeds_are_grouped_by_local_hour_against_the_limit(city: Connection) -> None:
    station = radar(city)
    pass_by(city, station, NOON, *[52.5] * 80, *[67.5] * 20)
    pass_by(city, station, NOON + 2 * HOUR, 42.0)
    pass_by(city, station, NOON + HOUR, 199.0, flags=Flag.SENSOR_RANGE)
    (street,) = street_speeds(city, ZONE, NOON - HOUR, NOON + 24 * HOUR, RadarFilter(station=station), limit=5)
    assert [(one.hour, one.speeds.vehicles) for one in street.hours] == [(9, 100), (11, 1)]
    nine = street.hours[0].speeds
    assert nine.mean_kmh == pytest.approx(55.5, abs=2.5)
    assert nine.p85_kmh == pytest.approx(66.25, abs=2.5)
    assert nine.share_over == pytest.approx(0.2)
    assert street.whole.vehicles == 101
    assert nine.limits_kmh == (60.0,)


def test_counted_intervals_and_single_vehicles_add_up(city: Connection) -> None:
    station = radar(city)
    pass_by(city, station, NOON, 52.5, 67.5)
    counts = [0] * 10 + [5] + [0] * 2 + [3]
    city.execute(
        text(
            "INSERT INTO radar_readings (device_id, observed_at, seq, received_at, interval_s, counts, flags)"
            " SELECT id, :at, -1, :at, 300, :counts, 0 FROM devices WHERE station_id = :station"
        ),
        {"at": NOON + timedelta(minutes=5), "counts": counts, "station": station},
    )
    (street,) = street_speeds(city, ZONE, NOON, NOON + HOUR, RadarFilter(station=station), limit=5)
    assert street.whole.vehicles == 10
    assert street.whole.share_over == pytest.approx(0.4)


def test_the_limit_is_the_one_in_force_at_that_weekday_and_quarter_hour(city: Connection) -> None:
    station = radar(city)
    school = '{"limit_kmh": 60, "windows": [{"days": [4], "start": "09:15", "end": "09:45", "limit_kmh": 20}]}'
    limit(city, station, school)
    for minute in (0, 20, 50):
        pass_by(city, station, NOON + timedelta(minutes=minute), *[42.5] * 10)
    pass_by(city, station, NOON + timedelta(days=1, minutes=20), *[42.5] * 10)
    (street,) = street_speeds(city, ZONE, NOON, NOON + timedelta(days=2), RadarFilter(station=station), limit=5)
    assert street.whole.share_over == pytest.approx(0.25), "ten of forty passed the school on a Thursday at nine"
    assert street.whole.limits_kmh == (20.0, 60.0)


def test_a_street_without_vehicles_has_no_speeds(city: Connection) -> None:
    station = radar(city)
    (street,) = street_speeds(city, ZONE, NOON, NOON + HOUR, RadarFilter(station=station), limit=5)
    assert (street.whole.vehicles, street.whole.mean_kmh, street.whole.share_over, street.hours) == (0, None, None, ())


def test_only_published_forecasts_of_active_streams_are_returned(city: Connection) -> None:
    station = "gato-143-524"
    model = ForecastModel(
        step_s=300,
        high_m=1.0,
        scale_m=0.1,
        active=ActivityThresholds(0.5, 0.05, 1.0),
        leads=(LeadModel(900, published=True, index=0.4), LeadModel(3600, published=False, index=0.1)),
    )
    city.execute(
        text("INSERT INTO forecast_models (station_id, model, fitted_at) VALUES (:id, cast(:model AS jsonb), :at)"),
        {"id": station, "model": msgspec.json.encode(model).decode(), "at": NOON},
    )
    city.execute(
        text(
            "INSERT INTO river_readings (device_id, observed_at, seq, received_at, level_m, flags)"
            " SELECT id, t, -1, t, 0.4, 0 FROM devices,"
            " generate_series(cast(:noon AS timestamptz) - interval '30 hours', :noon, '5 min') t"
            " WHERE station_id = :id"
        ),
        {"noon": NOON, "id": station},
    )
    assert published_forecasts(city, NOON, station) == {}, "the water is quiet"
    city.execute(text("UPDATE river_readings SET level_m = 0.8 WHERE observed_at = :noon"), {"noon": NOON})
    (made,) = published_forecasts(city, NOON, station).values()
    assert made.made_at == NOON
    assert [one.lead_s for one in made.ahead] == [900]
    assert made.ahead[0].p10_m < 0.8 < made.ahead[0].p90_m


def test_hours_are_the_same_on_plain_postgresql_and_timescale(either: Engine) -> None:
    with either.begin() as transaction:
        upgrade(transaction)
        load(transaction, la_plata(), NOON)
        transaction.execute(
            text(
                "INSERT INTO river_readings (device_id, observed_at, seq, received_at, level_m, flags)"
                " SELECT d.id, t, -1, t, extract(minute FROM t) / 100, 0 FROM devices d,"
                " generate_series(cast(:noon AS timestamptz), :noon + interval '179 min', '1 min') t"
                " WHERE d.station_id = 'gato-143-524'"
            ),
            {"noon": NOON},
        )
    with either.begin() as transaction:
        devices = list(series.device_codes(transaction, "gato-143-524"))
        hours = series.list_intervals(
            transaction, RIVER, devices, series.BY_NAME["1h"], NOON, NOON + 3 * HOUR, IN_LA_PLATA
        )
        days = series.list_intervals(
            transaction, RIVER, devices, series.BY_NAME["1d"], NOON, NOON + 3 * HOUR, IN_LA_PLATA
        )
    assert [(one.count, one.min, one.max) for one in hours] == [(60, 0.0, 0.59)] * 3
    assert [(one.at, one.count) for one in days] == [(NOON.replace(hour=3), 180)], "midnight in La Plata"
