"""GTFS-realtime feeds: their content, and no error by an independent validator for three cities, one of them real."""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import StringIO, TextIOWrapper
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec
import pytest
from google.transit import gtfs_realtime_pb2 as gtfs_rt
from gtfs_rt_validator.api import PreparedFeed

from ingest.gtfs.feed import read_feed, write_feed
from models.network import Network
from services.transit.fleet.fleet import Fleet
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import Basis, Phase
from services.transit.model.service_alert import ActivePeriod, Cause, Effect, InformedEntity, ServiceAlert, Translated
from services.transit.serving.feed_cache import FRESH_S, FeedCache
from services.transit.serving.gtfs_realtime import FeedKind, feed_message
from services.transit.serving.snapshot import ExpectedJourney, TransitSnapshot, empty_snapshot, with_changes
from services.transit.travel_times.link_times import TravelTimes
from simulators.buses.operations import BusOperations
from simulators.buses.street_speeds import StreetConditions
from simulators.lines import schematic_network as la_plata
from tests.architecture.repository import ROOT
from tests.services.web.api.transit_town import SEVEN, trip_prediction, vehicle_prediction
from tests.transit_city import MONDAY, network
from tests.transit_validity import FeedsOfMoment, feeds_of_moment, prepared_timetable, validation_errors

WMATA = ROOT.parent / "shared" / "data" / "transit" / "wmata"
WMATA_START = 1771264800.0
"""Half way through the recorded hours."""
WMATA_WARM_S, WMATA_TOLD_S, WMATA_EVERY_S = 1_800.0, 600.0, 120.0
FILES = ("agency", "routes", "trips", "stop_times", "stops", "shapes", "calendar", "calendar_dates")
EVERY_S = 60.0
CITY = network()
LOOP = CITY.trips["20"]
ONLY_LOOSE = replace(CITY, trips={**CITY.trips, "20": replace(LOOP, frequencies=LOOP.frequencies[:1])})
"""The validator cannot tell which half of a trip is meant that repeats loosely in the morning and exactly later."""
TRIP = gtfs_rt.TripDescriptor
STOP = gtfs_rt.TripUpdate.StopTimeUpdate


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> PreparedFeed:
    """The small city's timetable as the validator reads it."""
    path = tmp_path_factory.mktemp("town") / "gtfs.zip"
    write_feed(ONLY_LOOSE, path)
    return prepared_timetable(path)


def busy() -> TransitSnapshot:
    """A snapshot with a bus, the next trip of its block, a headway-only loop, and a withdrawn journey."""
    lost = vehicle_prediction(
        CITY, "lost", SEVEN - 20, trip_prediction(CITY, "10b-0640", first=3, basis=Basis.NOT_COMING)
    )
    place = msgspec.structs.replace(lost.matched_position, phase=Phase.OFF_ROUTE, latitude=-34.93)
    return with_changes(
        empty_snapshot(CITY),
        [
            vehicle_prediction(
                CITY,
                "ahead",
                SEVEN + 30,
                trip_prediction(CITY, "10-0700", late_s=90),
                trip_prediction(CITY, "10b-0740"),
            ),
            vehicle_prediction(
                CITY, "loop", SEVEN - 10, trip_prediction(CITY, "20", first=1, start_s=7 * 3600), along_m=100
            ),
            vehicle_prediction(
                CITY,
                "twin",
                SEVEN - 15,
                trip_prediction(CITY, "20", first=1, start_s=7 * 3600 - 600, late_s=420),
                along_m=200,
            ),
            msgspec.structs.replace(lost, matched_position=place),
        ],
        [
            ExpectedJourney(trip_prediction(CITY, "10-0720", basis=Basis.SCHEDULE), SEVEN + 60),
            ExpectedJourney(trip_prediction(CITY, "10s-0650", basis=Basis.NOT_COMING, reason="no_vehicle"), SEVEN + 60),
        ],
        (
            ServiceAlert(
                "3",
                Cause.CONSTRUCTION,
                Effect.DETOUR,
                Translated("Calle 7 cortada", "Street 7 closed"),
                Translated("Desvío por 6"),
                (InformedEntity(route_id="10", direction_id=1), InformedEntity(stop_id="gone")),
                (ActivePeriod(SEVEN - 60, SEVEN + 3600),),
                "https://example.org/7",
            ),
            ServiceAlert(
                "4", Cause.STRIKE, Effect.NO_SERVICE, Translated("Ayer"), Translated(""), (), (ActivePeriod(end=SEVEN),)
            ),
        ),
    )


def by_trip(snapshot: TransitSnapshot, now: float = SEVEN) -> dict[tuple[str, str], gtfs_rt.TripUpdate]:
    """The trip updates by trip and start time."""
    updates = [entity.trip_update for entity in feed_message(snapshot, FeedKind.TRIP_UPDATES, now).entity]
    return {(one.trip.trip_id, one.trip.start_time): one for one in updates}


def test_the_validator_finds_no_error_in_a_town_with_something_of_everything(town: PreparedFeed) -> None:
    snapshot = busy()
    assert (
        validation_errors(
            town, [(SEVEN + after, feeds_of_moment(snapshot, SEVEN + after)) for after in (0.0, 15.0, 60.0, 400.0)]
        )
        == []
    )


def test_the_validator_does_find_what_is_wrong(town: PreparedFeed) -> None:
    feed = feed_message(busy(), FeedKind.TRIP_UPDATES, SEVEN)
    feed.entity[0].trip_update.trip.trip_id = "no such trip"
    wrong = {**feeds_of_moment(busy(), SEVEN), FeedKind.TRIP_UPDATES: feed.SerializeToString()}
    assert any(one.startswith("E003") for one in validation_errors(town, [(SEVEN, wrong)]))


def test_a_bus_is_published_with_time_delay_and_uncertainty_and_its_next_trip_without_it() -> None:
    updates = by_trip(busy())
    bus = updates["10-0700", ""]
    assert (bus.vehicle.id, bus.timestamp, bus.trip.start_date) == ("ahead", int(SEVEN), "20260302")
    assert [stop.stop_id for stop in bus.stop_time_update] == ["T1", "T2", "T3", "T4", "N5", "N6"]
    third = bus.stop_time_update[2]
    assert (third.arrival.time, third.arrival.delay, third.arrival.uncertainty) == (SEVEN + 150 + 90, 90, 45)
    assert not bus.stop_time_update[0].HasField("arrival")
    assert not bus.stop_time_update[5].HasField("departure")
    following = updates["10b-0740", ""]
    assert not following.HasField("vehicle")
    assert len(following.stop_time_update) == 6


def test_repeated_trips_are_distinguished_by_their_start_and_have_no_delay() -> None:
    updates = by_trip(busy())
    loop, twin = updates["20", "07:00:00"], updates["20", "06:50:00"]
    assert (loop.vehicle.id, twin.vehicle.id) == ("loop", "twin")
    assert loop.trip.schedule_relationship == TRIP.UNSCHEDULED
    assert not loop.stop_time_update[0].arrival.HasField("delay")
    assert loop.stop_time_update[0].arrival.HasField("uncertainty")


def test_what_does_not_come_is_cancelled_and_of_who_left_the_route_nothing_is_known() -> None:
    updates = by_trip(busy())
    assert updates["10s-0650", ""].trip.schedule_relationship == TRIP.CANCELED
    assert [stop.schedule_relationship for stop in updates["10b-0640", ""].stop_time_update] == [STOP.NO_DATA]
    assert updates["10-0720", ""].trip.schedule_relationship == TRIP.SCHEDULED


def test_positions_are_of_vehicles_and_tell_only_surely_known_trips() -> None:
    entities = feed_message(busy(), FeedKind.VEHICLE_POSITIONS, SEVEN).entity
    vehicles = {entity.vehicle.vehicle.id: entity.vehicle for entity in entities}
    assert {name: one.trip.trip_id for name, one in vehicles.items()} == {
        "ahead": "10-0700",
        "loop": "20",
        "twin": "20",
        "lost": "",
    }
    assert vehicles["loop"].stop_id == "L2"
    assert all(one.timestamp <= SEVEN for one in vehicles.values())
    assert by_trip(busy())["10b-0640", ""].vehicle.id == "", "a vehicle off its route is paired with no trip"


def test_a_silent_vehicle_leaves_the_feeds() -> None:
    later = SEVEN + 700
    assert not feed_message(busy(), FeedKind.VEHICLE_POSITIONS, later).entity
    assert ("10-0700", "") not in by_trip(busy(), later)


def test_a_trip_that_should_have_ended_is_not_published() -> None:
    snapshot = with_changes(
        empty_snapshot(CITY), [vehicle_prediction(CITY, "7", SEVEN, trip_prediction(CITY, "10-0700", first=4))]
    )
    ends = CITY.journey("10-0700", MONDAY).end_at  # type: ignore[union-attr]
    assert ("10-0700", "") in by_trip(snapshot, ends - 1)
    assert ("10-0700", "") not in by_trip(snapshot, ends + 1)


def test_an_alert_is_published_in_both_languages_until_it_ends() -> None:
    (entity,) = feed_message(busy(), FeedKind.ALERTS, SEVEN).entity
    assert [(one.language, one.text) for one in entity.alert.header_text.translation] == [
        ("es", "Calle 7 cortada"),
        ("en", "Street 7 closed"),
    ]
    assert [(one.route_id, one.direction_id) for one in entity.alert.informed_entity] == [("10", 1)]
    assert not feed_message(busy(), FeedKind.ALERTS, SEVEN + 3600).entity


def test_feeds_are_made_once_and_their_time_never_stands_still() -> None:
    published, snapshot = FeedCache(), busy()
    first = published.feed(FeedKind.TRIP_UPDATES, snapshot, SEVEN)
    assert published.feed(FeedKind.TRIP_UPDATES, snapshot, SEVEN + FRESH_S - 0.1) is first
    second = published.feed(FeedKind.TRIP_UPDATES, snapshot, SEVEN - 30)
    assert second.at == SEVEN + 1, "a clock set back does not set the feed back"
    assert published.feed(FeedKind.ALERTS, snapshot, SEVEN).at == SEVEN


@dataclass
class Followed:
    """A fleet that follows its reports, and a snapshot of it."""

    fleet: Fleet
    snapshot: TransitSnapshot
    moments: list[tuple[float, FeedsOfMoment]] = field(default_factory=list)

    def follow_report(self, report: PositionReport) -> None:
        self.snapshot = with_changes(self.snapshot, [self.fleet.follow_report(report, report.at).prediction])

    def publish(self, now: float) -> None:
        expected = [ExpectedJourney(one, now + EVERY_S) for one in self.fleet.unassigned_trips(now)]
        self.snapshot = with_changes(self.snapshot, expected=expected)
        self.moments.append((now, feeds_of_moment(self.snapshot, now)))


def following(city: Network) -> Followed:
    return Followed(Fleet(city, TravelTimes()), empty_snapshot(city))


def test_the_validator_finds_no_error_in_the_demo_city(tmp_path: Path) -> None:
    lines = la_plata(("307", "Oeste"))
    write_feed(lines, tmp_path / "gtfs.zip")
    start = datetime(2013, 4, 3, 10, 30, tzinfo=UTC)
    buses = BusOperations(lines, 1, start, StreetConditions(), lambda _event: None)
    city = following(lines)
    for step in range(1, 41):
        now = start.timestamp() + step * 30
        buses.advance(now)
        for bus in buses.fleet.values():
            leg = bus.leg_at(now)
            city.follow_report(
                PositionReport(
                    bus.vehicle, now, *leg.point_at(now), trip_id=leg.journey.trip.id if leg.journey else None
                )
            )
        if step % 4 == 0:
            city.publish(now)
    last = gtfs_rt.FeedMessage.FromString(city.moments[-1][1][FeedKind.TRIP_UPDATES])
    assert sum(entity.trip_update.HasField("vehicle") for entity in last.entity) >= 5
    assert validation_errors(prepared_timetable(tmp_path / "gtfs.zip"), city.moments) == []


def rows(name: str) -> list[dict[str, str]]:
    """The rows of one of the recorded city's files."""
    with ZipFile(WMATA / "gtfs.zip") as archive, archive.open(name) as file:
        return list(csv.DictReader(TextIOWrapper(file, "utf-8-sig")))


def that_days(path: Path) -> None:
    """The recorded city's timetable of the recorded day, written to a folder: its files with fewer rows."""
    with gzip.open(WMATA / "positions.csv.gz", "rt", encoding="utf-8") as file:
        driven = {row["trip_id"] for row in csv.DictReader(file)}
    trips = rows("trips.txt")
    services = {row["service_id"] for row in trips if row["trip_id"] in driven}
    kept = {row["trip_id"] for row in trips if row["service_id"] in services}
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name in (f"{one}.txt" for one in FILES):
            every, text = rows(name), StringIO()
            writer = csv.DictWriter(text, list(every[0]))
            writer.writeheader()
            writer.writerows(row for row in every if row.get("trip_id", "") in kept or "trip_id" not in row)
            archive.writestr(name, text.getvalue())


def recorded(start: float, end: float) -> Iterator[PositionReport]:
    """The recorded positions between two times, in their order."""
    with gzip.open(WMATA / "positions.csv.gz", "rt", encoding="utf-8") as file:
        every: list[dict[str, Any]] = [row for row in csv.DictReader(file) if start <= float(row["timestamp"]) < end]
    for row in sorted(every, key=lambda row: float(row["timestamp"])):
        yield PositionReport(
            row["vehicle_id"],
            float(row["timestamp"]),
            float(row["lat"]),
            float(row["lon"]),
            trip_id=row["trip_id"] or None,
            bearing_deg=float(row["bearing"]) if row["bearing"] else None,
        )


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.skipif(not WMATA.exists(), reason="the recorded positions are not here")
def test_the_validator_finds_no_error_in_a_recorded_city(tmp_path: Path) -> None:
    that_days(tmp_path / "gtfs.zip")
    city = following(read_feed(tmp_path / "gtfs.zip"))
    publish_at = WMATA_START + WMATA_WARM_S
    for report in recorded(WMATA_START, WMATA_START + WMATA_WARM_S + WMATA_TOLD_S):
        while report.at >= publish_at:
            city.publish(publish_at)
            publish_at += WMATA_EVERY_S
        city.follow_report(report)
    assert len(city.moments) == WMATA_TOLD_S / WMATA_EVERY_S
    feeds = [gtfs_rt.FeedMessage.FromString(parts[FeedKind.TRIP_UPDATES]) for _, parts in city.moments]
    assert all(sum(entity.trip_update.HasField("vehicle") for entity in feed.entity) >= 10 for feed in feeds)
    assert all(here.header.timestamp < there.header.timestamp for here, there in pairwise(feeds))
    assert validation_errors(prepared_timetable(tmp_path / "gtfs.zip"), city.moments) == []
