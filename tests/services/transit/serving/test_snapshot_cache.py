"""The cached snapshot is exact however many processes write, refreshes by itself, and is marked stale when old."""

import msgspec
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from services.runtime.database import open_database
from services.transit.model.prediction import Basis, TripPrediction, VehiclePrediction
from services.transit.serving import snapshot_cache as module
from services.transit.serving.changed_predictions import read_changes
from services.transit.serving.snapshot import Health
from services.transit.serving.snapshot_cache import NotReadYet, SnapshotCache
from services.transit.timetable.versions import store
from tests.services.web.api.transit_town import SEVEN, moment, trip_prediction, vehicle_prediction
from tests.transit_city import network
from tests.waiting import LIMIT_S, wait_until

TEN = ("10-0700", "20260302", 25200)


def hear(transaction: Connection, one: VehiclePrediction) -> None:
    """Write a vehicle's prediction, as the pipeline does."""
    transaction.execute(
        text(
            "INSERT INTO vehicle_outlooks (vehicle, observed_at, outlook, belief)"
            " VALUES (:vehicle, :at, :outlook, '{}')"
            " ON CONFLICT (vehicle) DO UPDATE SET outlook = excluded.outlook, changed_in = pg_current_xact_id()"
        ),
        {"vehicle": one.vehicle, "at": moment(one.matched_position.at), "outlook": msgspec.json.encode(one).decode()},
    )


def expect(transaction: Connection, one: TripPrediction, until: float) -> None:
    """Write the prediction for a journey without a vehicle, as the pipeline does."""
    transaction.execute(
        text(
            "INSERT INTO expected_journeys (trip_id, service_date, start_s, until, coming) VALUES (:t, :d, :s, :u, :c)"
        ),
        {
            "t": one.trip_id,
            "d": one.service_date,
            "s": one.start_s,
            "u": moment(until),
            "c": msgspec.json.encode(one).decode(),
        },
    )


def imported(database: Engine, name: str = "town") -> SnapshotCache:
    """A cache that has read the town's timetable."""
    with database.begin() as transaction:
        store(transaction, network(name), name, moment(SEVEN))
    copy = SnapshotCache(database, lambda: moment(SEVEN))
    copy.refresh()
    return copy


def test_before_the_first_copy_it_says_so_and_without_a_timetable_nothing_stops_anywhere(database: Engine) -> None:
    copy = SnapshotCache(database, lambda: moment(SEVEN))
    with pytest.raises(NotReadYet):
        copy.snapshot()
    copy.refresh()
    assert not copy.snapshot().network.stops


def test_changes_are_read_and_without_changes_the_snapshot_stays(database: Engine) -> None:
    copy = imported(database)
    city = copy.snapshot().network
    with database.begin() as transaction:
        hear(transaction, vehicle_prediction(city, "7", SEVEN, trip_prediction(city, "10-0700")))
        expect(transaction, trip_prediction(city, "10-0720", basis=Basis.NOT_COMING), SEVEN + 60)
    copy.refresh()
    first = copy.snapshot()
    assert (set(first.vehicle_predictions), set(first.journey_predictions)) == (
        {"7"},
        {TEN, ("10-0720", "20260302", 26400)},
    )
    copy.refresh()
    assert copy.snapshot() is first
    with database.begin() as transaction:
        hear(transaction, vehicle_prediction(city, "7", SEVEN + 30, trip_prediction(city, "10-0700", first=1)))
    copy.refresh()
    assert copy.snapshot().vehicle_predictions["7"].matched_position.at == SEVEN + 30
    assert first.vehicle_predictions["7"].matched_position.at == SEVEN, "a view never changes"


def test_what_is_committed_late_is_not_missed_nor_is_anything_read_twice(database: Engine) -> None:
    copy = imported(database)
    city = copy.snapshot().network
    with database.connect() as slow:
        hear(slow, vehicle_prediction(city, "slow", SEVEN, trip_prediction(city, "10-0700")))
        with database.begin() as quick:
            hear(quick, vehicle_prediction(city, "quick", SEVEN, trip_prediction(city, "10-0720")))
        copy.refresh()
        assert set(copy.snapshot().vehicle_predictions) == {"quick"}
        before = copy.snapshot()
        copy.refresh()
        assert copy.snapshot() is before, "an older transaction that still runs makes nothing be read again"
        slow.commit()
    copy.refresh()
    assert set(copy.snapshot().vehicle_predictions) == {"quick", "slow"}


def test_what_another_version_wrote_is_left_out_and_costs_nothing_else(database: Engine) -> None:
    copy = imported(database)
    city = copy.snapshot().network
    with database.begin() as transaction:
        hear(transaction, vehicle_prediction(city, "known", SEVEN, trip_prediction(city, "10-0700")))
        transaction.execute(
            text(
                "INSERT INTO vehicle_outlooks (vehicle, observed_at, outlook, belief)"
                " SELECT 'newer', observed_at, replace(outlook, 'in_progress', 'teleported'), '{}'"
                " FROM vehicle_outlooks"
            )
        )
    copy.refresh()
    assert set(copy.snapshot().vehicle_predictions) == {"known"}


def test_what_was_heard_in_a_time_to_come_silences_nobody(database: Engine) -> None:
    copy = imported(database)
    city = copy.snapshot().network
    with database.begin() as transaction:
        hear(transaction, vehicle_prediction(city, "tomorrow", SEVEN + 86_400, trip_prediction(city, "10-0720")))
        hear(transaction, vehicle_prediction(city, "now", SEVEN, trip_prediction(city, "10-0700")))
    copy.refresh()
    assert set(copy.snapshot().vehicle_predictions) == {"now"}
    assert copy.snapshot().last_report_at[""] == SEVEN


def test_changes_are_found_by_the_index(database: Engine) -> None:
    city = imported(database).snapshot().network
    with database.begin() as transaction:
        for number in range(2_000):
            hear(transaction, vehicle_prediction(city, str(number), SEVEN, trip_prediction(city, "10-0700")))
    with database.begin() as transaction:
        transaction.execute(text("ANALYZE vehicle_outlooks"))
    with database.connect() as connection:
        since = read_changes(connection, None).pg_snapshot
        plan = connection.execute(
            text(
                "EXPLAIN SELECT outlook FROM vehicle_outlooks"
                " WHERE changed_in >= pg_snapshot_xmin(CAST(:since AS pg_snapshot))"
                " AND NOT pg_visible_in_snapshot(changed_in, CAST(:since AS pg_snapshot))"
            ),
            {"since": since},
        )
        assert "vehicle_outlooks_changed_in" in " ".join(plan.scalars())


def test_another_timetable_is_taken_whole_with_all_that_is_known_on_it(database: Engine) -> None:
    copy = imported(database)
    before = copy.snapshot()
    with database.begin() as transaction:
        hear(transaction, vehicle_prediction(before.network, "7", SEVEN, trip_prediction(before.network, "10-0700")))
        store(transaction, network("newer"), "town", moment(SEVEN + 60))
    copy.refresh()
    after = copy.snapshot()
    assert after.network.version != before.network.version
    assert after.revision > before.revision
    assert (set(after.vehicle_predictions), set(after.journey_predictions)) == ({"7"}, set()), (
        "its patterns were the old timetable's"
    )


def test_it_keeps_itself_fresh(database: Engine) -> None:
    copy = imported(database)
    city = copy.snapshot().network
    with copy.running():
        with database.begin() as transaction:
            hear(transaction, vehicle_prediction(city, "7", SEVEN, trip_prediction(city, "10-0700")))
        wait_until(lambda: "7" in copy.snapshot().vehicle_predictions)
        assert copy.age_s < LIMIT_S


def test_without_its_database_it_goes_on_says_that_it_is_blind_and_sees_again(
    migrated_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALE_AFTER_S", 0.2)
    monkeypatch.setattr(module, "REFRESH_S", 0.05)
    engine = open_database(migrated_url, name="mirror", pool_size=1)
    copy = imported(engine)
    name = Identifier(make_url(migrated_url).database or "")
    with psycopg.connect(database_url, autocommit=True) as server, copy.running():
        server.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name._obj[0]])
        with pytest.raises(OperationalError):
            copy.refresh()
        wait_until(lambda: copy.snapshot().stale)
        assert copy.snapshot().health(SEVEN) is Health.STALE
        assert copy.snapshot().network.stops
        server.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
        wait_until(lambda: not copy.snapshot().stale)
    engine.dispose()
