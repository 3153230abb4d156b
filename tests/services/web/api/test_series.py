"""Series of a station: few points for any period, only trusted values in intervals, and quick answers."""

import csv
import io
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from models.reading import Flag
from services.queries.stations.series import MAX_POINTS
from tests.services.web.api.conftest import NOON, RIVER, City

MONTH_AGO = NOON - timedelta(days=30)


def fill(city: City, start: datetime, minutes: int, *, station: str = RIVER) -> None:
    """One reading a minute: the level is the hour of the day in metres plus 0.01 m a minute."""
    city.execute(
        "INSERT INTO river_readings (device_id, observed_at, seq, received_at, level_m, battery_v, flags)"
        " SELECT d.id, t, -1, t, extract(hour FROM t) + extract(minute FROM t) / 100, NULL, 0 FROM devices d,"
        " generate_series(cast(:start AS timestamptz), cast(:start AS timestamptz) + :n * interval '1 min'"
        " - interval '1 second', '1 min') t WHERE d.station_id = :station",
        start=start,
        n=minutes,
        station=station,
    )
    city.execute("ANALYZE river_readings")


def series(city: City, **asked: Any) -> Any:
    """A station's series."""
    return city.get(f"/stations/{RIVER}/series", **asked)


def test_a_month_of_minutes_comes_in_few_points_with_its_extremes(city: City) -> None:
    fill(city, MONTH_AGO, 30 * 1440)
    city.execute(
        "UPDATE river_readings SET level_m = 29.5 WHERE observed_at = :at", at=MONTH_AGO + timedelta(minutes=7)
    )
    told = series(city, **{"from": MONTH_AGO.isoformat(), "to": NOON.isoformat()})
    assert told["resolution"] == "1h"
    assert told["next"] is None
    assert len(told["intervals"]) == 720 <= MAX_POINTS
    first = told["intervals"][0]
    assert (first["count"], first["min"], first["max"]) == (60, 12.0, 29.5)
    assert first["mean"] == pytest.approx((12.295 * 60 - 12.07 + 29.5) / 60)


def test_a_month_of_minutes_reads_no_row_of_other_months_and_stations(city: City) -> None:
    fill(city, MONTH_AGO, 30 * 1440)
    fill_more(city)
    statements: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if "river_" in statement:
            statements.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    series(city, **{"from": MONTH_AGO.isoformat(), "to": NOON.isoformat()})
    event.remove(Engine, "before_cursor_execute", note)
    with city.database.begin() as transaction:
        plans = [
            transaction.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
            for statement, parameters in statements
        ]
    read = sum(rows_read(plan[0]["Plan"]) for plan in plans)
    assert 30 * 1440 <= read < 1.1 * 30 * 1440


def rows_read(plan: dict[str, Any]) -> int:
    """The readings that a plan and its parts fetched, those that a filter dropped included."""
    here = 0
    if plan.get("Relation Name") == "river_readings":
        here = int((plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])
    return here + sum(rows_read(part) for part in plan.get("Plans", []))


@pytest.mark.proof
def test_a_month_of_minutes_is_answered_quickly(city: City) -> None:
    fill(city, MONTH_AGO, 30 * 1440)
    fill_more(city)
    assert quickest_month_s(city) < 0.25, "a quiet machine takes under 0.04 s"


def fill_more(city: City) -> None:
    """Twelve times as many readings of other months and another station: few enough are asked for to use an index."""
    fill(city, NOON - timedelta(days=360), 330 * 1440)
    fill(city, MONTH_AGO, 30 * 1440, station="perez-31-520")


def quickest_month_s(city: City) -> float:
    """The fastest of some answers: other load of the machine only makes an answer slower."""
    took_s = []
    for _ in range(9):
        begun = time.perf_counter()
        series(city, **{"from": MONTH_AGO.isoformat(), "to": NOON.isoformat()})
        took_s.append(time.perf_counter() - begun)
    return min(took_s)


@pytest.mark.parametrize(
    ("days", "resolution"), [(1, "raw"), (3, "5m"), (7, "5m"), (14, "15m"), (30, "1h"), (90, "1d"), (400, "1d")]
)
def test_auto_is_the_finest_that_fits(city: City, days: int, resolution: str) -> None:
    fill(city, NOON - timedelta(days=10), 10 * 1440)
    told = series(city, **{"from": (NOON - timedelta(days=days)).isoformat(), "to": NOON.isoformat()})
    assert told["resolution"] == resolution
    assert len(told["intervals"]) + len(told["readings"]) <= MAX_POINTS
    assert told["next"] is None


def test_pages_of_raw_readings_are_all_of_them_once(city: City) -> None:
    fill(city, NOON - timedelta(days=4), 4 * 1440)
    city.execute(
        "INSERT INTO river_readings SELECT device_id, observed_at, 5, received_at, level_m, battery_v, flags"
        " FROM river_readings WHERE extract(minute FROM observed_at) = 30"
    )
    got, address, pages = [], f"/api/v1/stations/{RIVER}/series?resolution=raw&from=2026-03-29T00:00:00Z", 0
    while address:
        answer = city.client.get(address).json()
        assert len(answer["readings"]) <= MAX_POINTS
        got += [(one["at"], one["seq"]) for one in answer["readings"]]
        address, pages = answer["next"], pages + 1
    assert len(got) == 4 * 1440 + 4 * 24 == len(set(got))
    assert got == sorted(got)
    assert pages == 3


def test_pages_of_intervals_join_without_overlap(city: City) -> None:
    fill(city, NOON - timedelta(days=20), 20 * 1440)
    got, address = (
        [],
        f"/api/v1/stations/{RIVER}/series?resolution=5m&from=2026-03-13T12:07:00Z&to=2026-04-02T12:00:00Z",
    )
    while address:
        answer = city.client.get(address).json()
        got += answer["intervals"]
        address = answer["next"]
    assert [one["at"] for one in got] == sorted({one["at"] for one in got})
    assert sum(one["count"] for one in got) == 20 * 1440 - 5, "from 12:05, where the first interval starts"


def test_untrusted_values_are_seen_raw_and_left_out_of_intervals(city: City) -> None:
    for minute in range(10):
        city.send(minute, 0.5)
    city.send(10, -9999)
    whole = {"from": NOON.isoformat(), "to": (NOON + timedelta(hours=1)).isoformat()}
    raw = series(city, **whole, resolution="raw")["readings"]
    assert (raw[-1]["value"], raw[-1]["flags"], raw[-1]["quality"]) == (-9999, ["sentinel"], 9)
    bins = series(city, **whole, resolution="1h")["intervals"]
    assert [(one["count"], one["min"], one["max"]) for one in bins] == [(10, 0.5, 0.5)]


def test_hourly_values_are_kept_after_their_readings(city: City) -> None:
    fill(city, NOON, 120)
    city.execute(
        "INSERT INTO river_hourly_kept SELECT device_id, bucket, n, least, total, greatest FROM river_hourly"
        " WHERE bucket < :at",
        at=NOON + timedelta(hours=1),
    )
    city.execute("DELETE FROM river_readings WHERE observed_at < :at", at=NOON + timedelta(hours=1))
    whole = {"from": NOON.isoformat(), "to": (NOON + timedelta(hours=2)).isoformat()}
    hours = series(city, **whole, resolution="1h")["intervals"]
    assert [(one["count"], one["min"]) for one in hours] == [(60, 12.0), (60, 13.0)]
    first = {"from": NOON.isoformat(), "to": (NOON + timedelta(hours=1)).isoformat()}
    assert series(city, **first)["intervals"] == hours[:1], "auto finds them too"
    days = series(city, **whole, resolution="1d")["intervals"]
    assert [(one["count"], one["min"], one["max"]) for one in days] == [(120, 12.0, 13.59)]


def test_rain_is_summed(city: City) -> None:
    for minute in range(0, 60, 10):
        city.send(minute, None, station="lluvia-romero", kind="rain", rain_mm=2.5, interval_s=600)
    told = city.get(
        "/stations/lluvia-romero/series", **{"from": NOON.isoformat(), "to": "2026-04-02T13:00:00Z"}, resolution="1h"
    )
    assert [one["total"] for one in told["intervals"]] == [15.0]
    assert told["unit"] == "mm"


def test_a_period_reversed_too_long_or_without_zone_is_refused(quiet_city: City) -> None:
    for asked, status in (
        ({"from": "2026-04-02T12:00:00Z", "to": "2026-04-02T11:00:00Z"}, 400),
        ({"from": "1990-04-02T12:00:00Z"}, 400),
        ({"from": "2026-04-02T12:00:00"}, 422),
        ({"from": "0001-01-01T00:00:00+14:00"}, 422),
        ({"cursor": "bm8", "resolution": "raw"}, 400),
        ({"resolution": "1s"}, 422),
    ):
        answer = quiet_city.client.get(f"/api/v1/stations/{RIVER}/series", params=asked)
        assert answer.status_code == status, (asked, answer.text)


def test_every_flag_has_a_word() -> None:
    assert all(flag.name and flag.name.isupper() for flag in Flag if flag)
    assert datetime(2000, 1, 1, tzinfo=UTC).isoweekday() == 6, "intervals are counted from a Saturday midnight UTC"


def test_days_are_the_citys_and_shorter_intervals_begin_with_the_clock(city: City) -> None:
    fill(city, datetime(2026, 3, 30, 3, tzinfo=UTC), 2 * 1440)  # two days of La Plata
    days = series(city, **{"from": "2026-03-30T15:20:00Z", "to": NOON.isoformat(), "resolution": "1d"})["intervals"]
    assert [(one["at"], one["count"]) for one in days] == [
        ("2026-03-30T03:00:00Z", 1440),
        ("2026-03-31T03:00:00Z", 1440),
    ]
    period = {"from": "2026-03-30T15:22:41Z", "to": "2026-03-30T16:00:00Z", "resolution": "15m"}
    assert series(city, **period)["intervals"][0]["at"] == "2026-03-30T15:15:00Z"


def test_a_day_on_which_the_clocks_change_is_one_interval(city: City) -> None:
    city.execute('UPDATE configuration SET city = city || CAST(\'{"zone": "America/Santiago"}\' AS jsonb)')
    fill(city, datetime(2026, 4, 4, 3, tzinfo=UTC), 2 * 1440 + 60)
    both = {"from": "2026-04-04T03:00:00Z", "to": "2026-04-06T04:00:00Z"}
    days = series(city, **both, resolution="1d")["intervals"]
    assert [one["count"] for one in days] == [25 * 60, 24 * 60]


def test_a_spreadsheet_gets_each_reading_with_its_flags_in_a_file_named_after_them(city: City) -> None:
    for minute in range(3):
        city.send(minute, 0.5)
    city.send(3, -9999)
    whole = {"from": NOON.isoformat(), "to": (NOON + timedelta(hours=1)).isoformat()}
    answer = city.client.get(f"/api/v1/stations/{RIVER}/series.csv", params=whole)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    named = f'attachment; filename="{RIVER}_level_m_20260402T1200Z_20260402T1300Z_raw.csv"'
    assert answer.headers["content-disposition"] == named
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(rows[0]) == ["at", "received_at", "device", "seq", "level_m", "quality", "flags"]
    assert [(row["at"], row["level_m"], row["quality"], row["flags"]) for row in rows[-2:]] == [
        ("2026-04-02T12:02:00Z", "0.5", "1", ""),
        ("2026-04-02T12:03:00Z", "-9999.0", "9", "sentinel"),
    ]
    by_hour = city.client.get(f"/api/v1/stations/{RIVER}/series.csv", params=whole | {"resolution": "1h"})
    assert by_hour.text.splitlines() == ["at,count,min,mean,max,total", "2026-04-02T12:00:00Z,3,0.5,0.5,0.5,1.5"]


def test_the_pages_of_a_csv_are_linked(city: City) -> None:
    fill(city, NOON - timedelta(days=2), 2 * 1440)
    address: str | None = f"/api/v1/stations/{RIVER}/series.csv?from=2026-03-31T00:00:00Z&to=2026-04-02T12:00:00Z"
    rows: list[dict[str, str]] = []
    while address:
        answer = city.client.get(address)
        rows += csv.DictReader(io.StringIO(answer.text))
        address = answer.links["next"]["url"] if "next" in answer.links else None
    assert len({row["at"] for row in rows}) == len(rows) == 2 * 1440
