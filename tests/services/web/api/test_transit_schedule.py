"""The timetable in force beside the realtime feeds: one zip, its publisher and licence, found from the API's root."""

import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from google.transit import gtfs_realtime_pb2 as gtfs_rt
from sqlalchemy import Engine

from ingest.gtfs.feed import read_feed
from models.network import FeedInfo
from services.transit.serving import schedule_feed
from services.transit.serving.schedule_feed import NoTimetable, ScheduleBeingWritten, ScheduleFeedCache
from services.transit.serving.snapshot_cache import NO_NETWORK
from services.transit.timetable.versions import store
from tests.services.web.api.conftest import City
from tests.services.web.api.transit_town import SEVEN, Town, moment, town_on, trip_prediction, vehicle_prediction
from tests.transit_city import network

PUBLISHED = FeedInfo("Municipalidad", "https://example.org/gtfs", "es", "2026-03", licence="CC-BY-4.0")


@pytest.fixture
def town(database: Engine) -> Iterator[Town]:
    """A town with one bus, whose timetable says who publishes it."""
    with town_on(database) as made:
        with made.database.begin() as transaction:
            store(transaction, replace(network("published"), published=(PUBLISHED,)), "city", moment(SEVEN))
        made.snapshot_cache.refresh()
        made.hear(
            vehicle_prediction(made.network, "1207", SEVEN - 5, trip_prediction(made.network, "10-0700", first=1))
        )
        yield made


def downloaded(town: Town, tmp_path: Path) -> Path:
    """The timetable at the address that the API's root gives."""
    address = town.client.get("/api/v1/").json()["feeds"]["gtfs_schedule"]
    answer = town.client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    path = tmp_path / "gtfs.zip"
    path.write_bytes(answer.content)
    return path


def test_the_timetable_served_is_the_one_in_force_and_has_the_ids_of_the_realtime_feeds(
    town: Town, tmp_path: Path
) -> None:
    read = read_feed(downloaded(town, tmp_path))
    assert replace(read, version=town.network.version, feed=town.network.feed) == town.network
    addresses = town.client.get("/api/v1/").json()["feeds"]["gtfs_realtime"]
    updates = gtfs_rt.FeedMessage.FromString(town.client.get(addresses["trip-updates"]).content)
    trips = {entity.trip_update.trip.trip_id for entity in updates.entity}
    assert trips
    assert trips <= read.trips.keys()


def test_the_root_and_the_file_say_who_publishes_it_and_under_which_licence(town: Town, tmp_path: Path) -> None:
    root = town.client.get("/api/v1/").json()
    (publisher,) = root["feeds"]["publishers"]
    assert (publisher["publisher"], publisher["version"], publisher["licence"]) == (
        "Municipalidad",
        "2026-03",
        "CC-BY-4.0",
    )
    assert (root["feeds"]["first_day"], root["feeds"]["last_day"]) == ("2026-01-01", "2026-12-31")
    path = downloaded(town, tmp_path)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("license.txt") == b"CC-BY-4.0\n"
        assert (
            "Municipalidad,https://example.org/gtfs,es,20260101,20261231,2026-03"
            in io.TextIOWrapper(archive.open("feed_info.txt"), "utf-8").read()
        )
    assert read_feed(path).published == (PUBLISHED,)


def test_every_address_in_the_root_answers(town: Town) -> None:
    root = town.client.get("/api/v1/").json()
    feeds = root.pop("feeds")
    addresses = [*(address for name, address in root.items() if name != "live"), feeds["gtfs_schedule"]]
    for address in [*addresses, *feeds["gtfs_realtime"].values(), f"{feeds['onebusaway']}/current-time.json"]:
        assert town.client.get(address, params={"key": "x"} if "where" in address else None).status_code == 200, address


def test_whoever_has_the_timetable_is_not_sent_it_again_until_it_changes(town: Town) -> None:
    first = town.client.get("/gtfs/schedule.zip")
    assert first.headers["cache-control"] == "public, max-age=300"
    head = town.client.head("/gtfs/schedule.zip")
    assert (head.headers["content-length"], head.content) == (str(len(first.content)), b"")
    assert head.headers["access-control-allow-origin"] == "*"
    known = {"If-None-Match": first.headers["etag"]}
    again = town.client.get("/gtfs/schedule.zip", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    with town.database.begin() as transaction:
        store(transaction, replace(network("next"), published=(replace(PUBLISHED, licence=""),)), "city", moment(SEVEN))
    town.snapshot_cache.refresh()
    changed = town.client.get("/gtfs/schedule.zip", headers=known)
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_without_a_timetable_there_is_no_file_and_the_root_claims_none(city: City) -> None:
    assert city.client.get("/gtfs/schedule.zip").status_code == 404
    feeds = city.client.get("/api/v1/").json()["feeds"]
    assert (feeds["version"], feeds["publishers"], feeds["first_day"]) == ("", [], None)


def test_whoever_asks_while_it_is_written_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, writing, may_end = ScheduleFeedCache(), threading.Event(), threading.Event()

    def slowly(_network: object) -> bytes:
        writing.set()
        may_end.wait()
        return b"zip"

    monkeypatch.setattr(schedule_feed, "feed_bytes", slowly)
    writer = threading.Thread(target=cache.feed, args=(network(),))
    writer.start()
    writing.wait()
    with pytest.raises(ScheduleBeingWritten):
        cache.feed(network())
    may_end.set()
    writer.join()
    assert cache.feed(network()).content == b"zip"
    with pytest.raises(NoTimetable):
        cache.feed(NO_NETWORK)
