"""GTFS-realtime over HTTP, as other people's clients read it."""

import asyncio
import json
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
from google.transit import gtfs_realtime_pb2 as gtfs_rt
from gtfs_station_stop.feed_subject import FeedSubject
from gtfs_station_stop.station_stop import StationStop
from sqlalchemy import Engine

from services.transit.serving.feed_cache import FRESH_S
from tests.services.web.api.transit_town import SEVEN, Town, moment, town_on, trip_prediction, vehicle_prediction

FEEDS = ("trip-updates", "vehicle-positions", "alerts")


@pytest.fixture
def town(database: Engine) -> Iterator[Town]:
    """A town with one bus, two minutes late."""
    with town_on(database) as made:
        late = trip_prediction(made.network, "10-0700", first=1, late_s=120)
        made.hear(vehicle_prediction(made.network, "1207", SEVEN - 5, late, along_m=100))
        yield made


def read(town: Town, address: str) -> gtfs_rt.FeedMessage:
    """A feed as protobuf."""
    answer = town.client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-protobuf")
    return gtfs_rt.FeedMessage.FromString(answer.content)


def test_a_client_of_somebody_elses_sees_the_bus_and_the_alert_at_its_stop(town: Town) -> None:
    closed = {"cause": "construction", "effect": "detour", "header": {"es": "Calle 7 cortada"}}
    address = "/api/v1/transit/service-alerts"
    drafted = town.client.post(address, json={**closed, "concerns": [{"stop": "T3"}]}, headers=town.operator).json()
    town.client.post(f"{address}/{drafted['id']}/publish", json={"version": 1}, headers=town.operator)
    town.snapshot_cache.refresh()

    feeds = FeedSubject([f"{town.client.base_url}/gtfs-rt/{name}.pb" for name in FEEDS])
    here, elsewhere = StationStop("T3", feeds), StationStop("R1", feeds)
    asyncio.run(feeds.async_update())
    assert [(one.time, one.route, one.trip) for one in here.arrivals] == [(SEVEN + 270, "10", "10-0700")]
    assert [one.header_text for one in here.alerts] == [{"es": "Calle 7 cortada"}]
    assert (elsewhere.arrivals, elsewhere.alerts) == ([], [])


def test_every_feed_is_served_as_protobuf_and_as_json_and_at_the_address_onebusaway_has(town: Town) -> None:
    for name in FEEDS:
        feed = read(town, f"/gtfs-rt/{name}.pb")
        assert (feed.header.gtfs_realtime_version, feed.header.timestamp) == ("2.0", int(SEVEN))
        told = town.client.get(f"/gtfs-rt/{name}.json").json()
        assert told["header"]["incrementality"] == "FULL_DATASET"
        assert len(told.get("entity", ())) == len(feed.entity)
        assert read(town, f"/api/gtfs_realtime/{name}-for-agency/muni.pb") == feed
    assert town.client.get("/api/gtfs_realtime/alerts-for-agency/none.pb").status_code == 404
    assert town.client.get("/gtfs-rt/everything.pb").status_code == 422


def test_a_feed_holds_for_seconds_and_is_not_sent_twice(town: Town) -> None:
    first = town.client.get("/gtfs-rt/vehicle-positions.pb")
    assert parsedate_to_datetime(first.headers["last-modified"]) == moment(SEVEN)
    known = {"If-None-Match": first.headers["etag"]}
    assert town.client.get("/gtfs-rt/vehicle-positions.pb", headers=known).status_code == 304
    town.clock.now = moment(SEVEN + FRESH_S + 1)
    later = town.client.get("/gtfs-rt/vehicle-positions.pb", headers=known)
    assert later.status_code == 200
    assert gtfs_rt.FeedMessage.FromString(later.content).header.timestamp == int(SEVEN + FRESH_S + 1)


def test_no_feed_knows_of_a_driver(town: Town) -> None:
    for name in FEEDS:
        assert "driver" not in json.dumps(town.client.get(f"/gtfs-rt/{name}.json").json())
