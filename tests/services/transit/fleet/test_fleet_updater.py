"""Buses followed in the pipeline's transaction: a prediction is committed together with its position."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from google.transit.gtfs_realtime_pb2 import FeedMessage, VehiclePosition
from sqlalchemy import Engine, text

from ingest.mqtt.receiver import Receiver, Tls
from models.geo import point_at_distance
from models.network import Journey, Network
from models.reading import Message
from services.pipeline.road import Pipeline
from services.transit.fleet import fleet_updater
from services.transit.fleet.fleet import Fleet, ReportResult
from services.transit.fleet.fleet_updater import FleetUpdater
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import Basis, Phase, TripPrediction, VehiclePrediction
from services.transit.sources.relay import relay
from services.transit.timetable import versions
from services.upkeep.retention import delete_expired
from tests import transit_city
from tests.transit_city import MONDAY

PERIOD_S = 30
TOPIC = "vigia/v1/laplata/bus/{}"


@dataclass
class Street:
    """A pipeline on a database with the small city's timetable in force. The test sets the time."""

    database: Engine
    network: Network
    now: datetime
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, foreign: str | None = None) -> None:
        """Continue with a new pipeline, as after a restart of the process."""
        self.pipeline = Pipeline(self.database, lambda: self.now, None, foreign=foreign, fleet=FleetUpdater())

    def journey(self, trip_id: str) -> Journey:
        found = self.network.journey(trip_id, MONDAY)
        assert found is not None
        return found

    def say(self, at: float, *messages: tuple[str, dict[str, object]]) -> None:
        """Receive positions of vehicles, one second after they were measured."""
        self.now = datetime.fromtimestamp(at + 1, UTC)
        self.pipeline.process_messages(
            [
                Message(TOPIC.format(name), json.dumps({"observed_at": at} | fields).encode(), self.now)
                for name, fields in messages
            ]
        )

    def drive(self, journey: Journey, name: str, start_s: int, end_s: int, late_s: int = 0, **reported: object) -> None:
        """Receive positions of a bus `late_s` late, one every PERIOD_S, from `start_s` to `end_s` after its start."""
        for since_s in range(start_s, end_s, PERIOD_S):
            self.say(journey.start_at + since_s, (name, self.place(journey, since_s - late_s) | reported))

    def place(self, journey: Journey, since_s: float) -> dict[str, object]:
        """Position of a bus on time, `since_s` after its start."""
        pattern = self.network.patterns[journey.trip.pattern]
        lat, lon = point_at_distance(
            pattern.shape.points, pattern.shape.along_m, _metres(journey, pattern.stop_m, since_s)
        )
        return {"lat": lat, "lon": lon}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.database.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def prediction(self, name: str) -> VehiclePrediction:
        ((prediction_json,),) = self.rows(f"SELECT outlook FROM vehicle_outlooks WHERE vehicle = 'laplata.{name}'")
        return msgspec.json.decode(str(prediction_json), type=VehiclePrediction)


def _metres(journey: Journey, stop_m: Sequence[float], since_s: float) -> float:
    timing = journey.trip.timing
    for position in range(1, len(stop_m)):
        left, arrived = timing.departures_s[position - 1], timing.arrivals_s[position]
        if since_s <= arrived:
            share = max(0.0, since_s - left) / (arrived - left)
            return stop_m[position - 1] + share * (stop_m[position] - stop_m[position - 1])
    return stop_m[-1]


@pytest.fixture
def street(database: Engine) -> Iterator[Street]:
    with database.begin() as transaction:
        transaction.execute(text("INSERT INTO configuration (version, city) VALUES (1, '{}')"))
        stored = versions.store(transaction, transit_city.network(), "test", datetime(2026, 3, 1, tzinfo=UTC))
    street = Street(database, stored.network, datetime(2026, 3, 2, 10, tzinfo=UTC))
    yield street
    street.pipeline.close()


def test_a_bus_on_its_way_has_a_prediction_for_each_coming_stop(street: Street) -> None:
    journey = street.journey("10-0720")
    street.drive(journey, "one", 0, 240, trip_id="10-0720", start_date="20260302", occupancy=40)
    prediction = street.prediction("one")
    assert prediction.version == street.network.version
    assert (prediction.matched_position.phase, prediction.matched_position.trip_id, prediction.occupancy) == (
        Phase.IN_PROGRESS,
        "10-0720",
        40,
    )
    trip = prediction.trips[0]
    assert trip.first_position == 3
    assert [round(at - journey.start_at) for at in trip.p50] == pytest.approx([225, 315, 390], abs=60)
    ((observed_at,),) = street.rows("SELECT observed_at FROM vehicle_outlooks")
    assert observed_at.timestamp() == prediction.matched_position.at


def test_stops_passed_are_written_as_visits_and_predictions_are_scored(street: Street) -> None:
    street.drive(street.journey("10-0720"), "one", 0, 480, trip_id="10-0720")
    visits = street.rows(
        "SELECT stop_id, route_id, extract(epoch FROM arrived_at - planned_at)::float8 FROM stop_visits"
        " ORDER BY position"
    )
    assert [row[:2] for row in visits] == [(stop, "10") for stop in ("T1", "T2", "T3", "T4", "N5", "N6")]
    assert all(abs(late_s) <= 45 for _, _, late_s in visits)
    ((n, off_s, day),) = street.rows(
        "SELECT sum(n)::int, sum(sum_absolute_s) / sum(n), min(day)::text FROM estimate_scores"
    )
    assert n > 3
    assert off_s < 120
    assert day == "2026-03-02"


def test_travel_times_are_written_at_the_tick_and_restored_after_a_restart(street: Street) -> None:
    journey = street.journey("10-0720")
    street.drive(journey, "one", 0, 240, trip_id="10-0720")
    street.pipeline.tick_buses()
    learned = street.rows("SELECT link_id FROM link_history ORDER BY 1")
    assert len(learned) >= 2
    street.restart()
    street.drive(journey, "one", 240, 300)
    prediction = street.prediction("one")
    assert prediction.matched_position.trip_id == "10-0720"  # which the bus no longer reports
    assert street.rows("SELECT count(*) FROM stop_visits") == [(4,)]
    assert street.pipeline.state.fleet is not None
    assert street.pipeline.state.fleet._fleet is not None
    assert len(street.pipeline.state.fleet._fleet.travel_times.links) >= len(learned)


def test_a_late_batch_corrects_the_visits(street: Street) -> None:
    """The bus waits at its second stop for five minutes, without coverage. Then its positions arrive all at once."""
    journey = street.journey("10-0720")

    def held(since_s: int) -> dict[str, object]:
        return street.place(journey, min(since_s, 75) if since_s < 375 else since_s - 300)

    street.drive(journey, "one", 0, 90, trip_id="10-0720")
    street.say(journey.start_at + 690, ("one", held(690)))
    assert street.rows("SELECT stop_id FROM stop_visits") == [("T1",)]
    late = [{"observed_at": journey.start_at + since_s} | held(since_s) for since_s in range(90, 690, 30)]
    street.pipeline.process_messages([Message(TOPIC.format("one"), json.dumps(late).encode(), street.now)])
    off = "extract(epoch FROM arrived_at - planned_at)::float8"
    passed = street.rows(f"SELECT stop_id FROM stop_visits WHERE {off} BETWEEN 270 AND 330 ORDER BY position")
    assert passed == [("T3",), ("T4",), ("N5",), ("N6",)]
    assert street.rows("SELECT count(*) FROM bus_readings") == [(24,)]


def test_the_same_positions_twice_change_nothing(street: Street) -> None:
    journey = street.journey("10-0720")
    for _ in range(2):
        street.drive(journey, "one", 0, 240, trip_id="10-0720")
    assert street.rows("SELECT count(*), count(DISTINCT position) FROM stop_visits") == [(3, 3)]
    assert street.pipeline.state.counts.duplicates == 8


def test_a_trip_without_a_vehicle_is_published_and_ended_once_it_has_one(street: Street) -> None:
    journey = street.journey("10-0720")
    street.now = datetime.fromtimestamp(journey.start_at - 120, UTC)
    street.pipeline.tick_buses()
    unassigned = "SELECT coming FROM expected_journeys WHERE trip_id = '10-0720' AND until > '{}'"
    ((trip_json,),) = street.rows(unassigned.format(street.now))
    trip = msgspec.json.decode(str(trip_json), type=TripPrediction)
    assert trip.basis is Basis.SCHEDULE
    street.drive(journey, "one", 0, 120, trip_id="10-0720")
    street.pipeline.tick_buses()
    assert street.rows(unassigned.format(street.now)) == []


def withdrawn(street: Street) -> dict[str, str]:
    """Reasons of the withdrawn trips in the table, by trip."""
    rows = street.rows(f"SELECT trip_id, coming FROM expected_journeys WHERE until > '{street.now}'")
    trips = {trip_id: msgspec.json.decode(str(coming), type=TripPrediction) for trip_id, coming in rows}
    return {trip_id: one.reason for trip_id, one in trips.items() if one.basis is Basis.NOT_COMING}


@pytest.mark.parametrize("change", ["another process", "another timetable"])
def test_a_withdrawn_trip_stays_withdrawn_after_a_restart_or_another_timetable(street: Street, change: str) -> None:
    """The only bus of the evening ends its trip early and is switched off. The next trips have no vehicle."""
    journey = street.journey("10-0720")

    def change_and_tick() -> None:
        if change == "another process":
            street.restart()
        else:
            with street.database.begin() as transaction:
                versions.store(transaction, transit_city.network(f"{street.now}"), "test", street.now)
        street.now += timedelta(seconds=fleet_updater.TICK_S)
        street.pipeline.tick_buses()

    street.drive(journey, "one", -90, 330, late_s=-90, trip_id="10-0720")
    street.pipeline.tick_buses()
    assert withdrawn(street) == {"10-0720": "silent"}
    change_and_tick()
    assert withdrawn(street) == {"10-0720": "silent"}
    route_heard_s = 1_800
    street.now = datetime.fromtimestamp(journey.start_at + 330 + route_heard_s - 45, UTC)
    street.pipeline.tick_buses()
    none_came = {"10-0740": "no_vehicle", "10b-0740": "no_vehicle"}
    assert withdrawn(street) == none_came
    street.now += timedelta(seconds=45)
    change_and_tick()
    assert withdrawn(street) == none_came, "although nothing of the route was heard for half an hour"


def test_an_unchanged_prediction_is_not_written_again(street: Street) -> None:
    street.pipeline.tick_buses()
    count = "SELECT count(*), count(DISTINCT changed_in::text) FROM expected_journeys"
    ((journeys, _),) = street.rows(count)
    assert journeys > 10
    street.now += timedelta(seconds=16)
    street.pipeline.tick_buses()
    again = "SELECT count(*) FROM expected_journeys WHERE changed_in = (SELECT max(changed_in) FROM expected_journeys)"
    ((rewritten,),) = street.rows(again)
    assert rewritten < journeys / 2


def test_the_prediction_of_a_silent_vehicle_is_cleared(street: Street) -> None:
    street.drive(street.journey("10-0720"), "one", 0, 120, trip_id="10-0720")
    assert street.prediction("one").trips
    street.now += timedelta(minutes=11)
    street.pipeline.tick_buses()
    assert street.prediction("one").trips == ()


def test_a_change_of_timetable_loses_no_vehicle(street: Street) -> None:
    journey = street.journey("10-0720")
    street.drive(journey, "one", 0, 150, trip_id="10-0720")
    street.say(street.now.timestamp(), ("two", street.place(journey, 30)))
    with street.database.begin() as transaction:
        network = transit_city.network("another")
        stored = versions.store(transaction, network, "test", street.now)
    street.network = stored.network
    street.now += timedelta(seconds=20)
    street.pipeline.tick_buses()
    street.drive(street.journey("10-0720"), "one", 180, 240)
    assert street.prediction("one").version == stored.network.version
    assert street.prediction("two").version == stored.network.version
    assert ("T3",) in street.rows("SELECT stop_id FROM stop_visits WHERE vehicle = 'laplata.one'")


def test_an_error_in_following_affects_one_vehicle_and_no_reading(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    take: Callable[[Fleet, PositionReport, float], ReportResult] = Fleet.follow_report

    def failing_report(fleet: Fleet, report: PositionReport, now: float) -> ReportResult:
        if report.vehicle == "laplata.odd":
            raise ZeroDivisionError
        return take(fleet, report, now)

    monkeypatch.setattr(Fleet, "follow_report", failing_report)
    journey = street.journey("10-0720")
    for since_s in (0, 30, 60):
        place = street.place(journey, since_s)
        street.say(journey.start_at + since_s, ("one", place), ("odd", place), ("two", place))
    assert street.rows("SELECT vehicle FROM vehicle_outlooks ORDER BY 1") == [("laplata.one",), ("laplata.two",)]
    assert street.rows("SELECT count(*) FROM bus_readings") == [(9,)]
    assert street.pipeline.state.fleet is not None
    assert street.pipeline.state.fleet.status.bus_faults == 3


def test_a_vehicle_that_was_reset_and_falls_silent_affects_no_other(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey = street.journey("10-0720")
    street.drive(journey, "one", 0, 120, trip_id="10-0720")

    def failing_report(*_: object) -> ReportResult:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(Fleet, "follow_report", failing_report)
        street.drive(journey, "one", 120, 150)
    street.now += timedelta(minutes=11)
    street.pipeline.tick_buses()
    assert street.pipeline.state.fleet is not None
    assert street.pipeline.state.fleet.status.bus_faults == 1
    assert street.rows(f"SELECT count(*) > 0 FROM expected_journeys WHERE until > '{street.now}'") == [(True,)]


def test_an_error_in_writing_loses_no_reading_and_the_rows_are_written_later(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey = street.journey("10-0720")

    def failing(*_: object) -> None:
        raise psycopg.errors.CheckViolation("no such row")

    with monkeypatch.context() as broken:
        broken.setattr(fleet_updater, "write_visits", failing)
        street.drive(journey, "one", 0, 180, trip_id="10-0720")
    assert street.rows("SELECT count(*) FROM bus_readings") == [(6,)]
    assert street.rows("SELECT count(*) FROM vehicle_outlooks") == [(0,)]
    street.drive(journey, "one", 180, 240, trip_id="10-0720")
    assert street.rows("SELECT count(*) FROM stop_visits") == [(3,)]


def test_positions_without_a_fix_or_from_the_future_are_stored_but_not_followed(street: Street) -> None:
    journey = street.journey("10-0720")
    at = street.now.timestamp()
    street.say(at, ("nowhere", {"trip_id": "10-0720"}), ("null", {"lat": 0.0, "lon": 0.0}))
    ahead = {"observed_at": at + 3_600} | street.place(journey, 0)
    street.pipeline.process_messages([Message(TOPIC.format("ahead"), json.dumps(ahead).encode(), street.now)])
    assert street.rows("SELECT count(*) FROM vehicle_outlooks") == [(0,)]
    assert street.rows("SELECT count(*) FROM bus_readings") == [(3,)]


def test_buses_of_every_format_published_to_the_broker_are_followed(street: Street, mqtt_url: str) -> None:
    ours, hfp, gtfsrt = (street.journey(name) for name in ("10-0720", "10b-0720", "10s-0710"))
    street.restart(foreign="laplata")
    broker = Receiver(mqtt_url, client_id="test-any", filters=street.pipeline.topics, now=lambda: street.now)
    broker.receive(1, 1.0)
    with relay(mqtt_url, "test-trackers", Tls()) as wire:
        for at in range(int(ours.start_at), int(ours.start_at) + 210, PERIOD_S):
            street.now = datetime.fromtimestamp(at + 1, UTC)
            own = json.dumps({"observed_at": at, "line": "10"} | street.place(ours, at - ours.start_at)).encode()
            wire.publish(
                [
                    (TOPIC.format("one"), own),
                    (f"{HFP_TOPIC}/10/2/Centro/07:20", hfp_event(at, street.place(hfp, at - hfp.start_at))),
                    ("/gtfsrt/vp/muni/", gtfsrt_feed(at, street.place(gtfsrt, at - gtfsrt.start_at - 600))),
                ]
            )
            wanted = street.pipeline.state.counts.readings + 3
            while street.pipeline.state.counts.readings < wanted:
                street.pipeline.process_messages(taken := broker.receive(3, 5.0))
                assert taken, "the broker delivered nothing"
                broker.acknowledge(taken)
    broker.close()
    assert street.pipeline.state.counts.readings == 21
    places = {name: street.prediction(name).matched_position for name in ("one", "0022-00817", "muni-t7")}
    made = {"one": "10-0720", "0022-00817": "10b-0720", "muni-t7": "10s-0710"}
    assert {name: place.trip_id for name, place in places.items()} == made
    assert {place.phase for place in places.values()} == {Phase.IN_PROGRESS}


HFP_TOPIC = "/hfp/v2/journey/ongoing/vp/bus/0022/00817"


def hfp_event(at: int, place: dict[str, object]) -> bytes:
    event = {"tsi": at, "lat": place["lat"], "long": place["lon"], "route": "10", "dir": "2", "oday": "2026-03-02"}
    return json.dumps({"VP": event | {"start": "07:20", "dl": 0, "desi": "10"}}).encode()


def gtfsrt_feed(at: int, place: dict[str, object]) -> bytes:
    feed = FeedMessage()
    feed.header.gtfs_realtime_version = "2.0"
    position = {"latitude": place["lat"], "longitude": place["lon"]}
    vehicle = VehiclePosition(vehicle={"id": "t7"}, trip={"trip_id": "10s-0710"}, position=position, timestamp=at)
    feed.entity.add(id="1", vehicle=vehicle)
    return bytes(feed.SerializeToString())


def test_predictions_are_deleted_first_then_visits_and_last_travel_times(street: Street) -> None:
    street.drive(street.journey("10-0720"), "one", 0, 240, trip_id="10-0720")
    street.pipeline.tick_buses()
    left = {}
    for days in (1, 3, 31, 731):
        delete_expired(street.database, street.now + timedelta(days=days))
        left[days] = {table for table in TRANSIT if street.rows(f"SELECT 1 FROM {table} LIMIT 1")}
    assert left == {1: TRANSIT, 3: TRANSIT - PREDICTIONS, 31: TRANSIT - PREDICTIONS - {"stop_visits"}, 731: set()}


PREDICTIONS = {"vehicle_outlooks", "expected_journeys"}
TRANSIT = PREDICTIONS | {"stop_visits", "link_history", "estimate_scores"}


def test_without_a_timetable_positions_are_stored_and_no_bus_is_followed(database: Engine) -> None:
    street = Street(database, transit_city.network(), datetime(2026, 3, 2, 10, tzinfo=UTC))
    street.say(street.now.timestamp(), ("one", {"lat": -34.92, "lon": -57.95}))
    street.pipeline.tick_buses()
    assert street.rows("SELECT count(*) FROM bus_readings") == [(1,)]
    assert street.rows("SELECT count(*) FROM vehicle_outlooks") == [(0,)]
    street.pipeline.close()
