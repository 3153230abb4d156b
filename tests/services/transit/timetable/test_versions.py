"""Timetable versions: switched in one transaction, read back equal, links kept; several feeds; the command."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, text

from ingest.gtfs.feed import read_feed, write_feed
from models.links import links_of, with_link_ids
from models.merging import TimeZonesDiffer
from models.network import FeedInfo, Network
from services.__main__ import main
from services.transit.timetable.versions import current_version, imported_versions, load, load_version, store, withdraw
from services.upkeep.retention import delete_expired
from tests import transit_city

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def nameless(network: Network | None) -> Network:
    """A network without the fields that storing sets."""
    assert network is not None
    return replace(network, version="", feed="")


def city(version: str = "first") -> Network:
    """The test city with the digest of some content."""
    return transit_city.network(version)


def suffixed(network: Network, suffix: str) -> Network:
    """The same network with every trip renamed."""
    trips = {name + suffix: replace(trip, id=name + suffix) for name, trip in network.trips.items()}
    return replace(network, trips=trips, version=network.version + suffix)


def test_before_any_import_there_is_no_timetable(transaction: Connection) -> None:
    assert current_version(transaction) is None
    assert load(transaction) is None


def test_what_is_stored_is_read_back_equal(transaction: Connection) -> None:
    stored = store(transaction, city(), "city", NOW)
    loaded = load(transaction)
    assert nameless(loaded) == nameless(stored.network) == nameless(with_link_ids(city()))
    assert loaded is not None
    assert loaded.version == current_version(transaction) == stored.network.version
    assert (stored.links, stored.links_known) == (len(links_of(stored.network)), 0)
    timings = {id(trip.timing) for trip in loaded.trips.values()}
    assert len(timings) == 4, "trips that agree share their timing in memory too"


def test_the_same_content_again_changes_nothing(transaction: Connection) -> None:
    first = store(transaction, city(), "city", NOW)
    again = store(transaction, city(), "city", NOW + timedelta(days=1))
    assert not again.changed
    assert current_version(transaction) == first.network.version


def test_an_import_takes_the_place_of_the_one_before_which_can_still_be_read(transaction: Connection) -> None:
    first = store(transaction, city(), "city", NOW).network
    second = store(transaction, suffixed(city(), "-new"), "city", NOW + timedelta(days=1))
    loaded = load(transaction)
    assert loaded is not None
    assert "10-0600-new" in loaded.trips
    assert "10-0600" not in loaded.trips
    assert second.links_known == second.links
    assert [pattern.link_ids for pattern in loaded.patterns] == [pattern.link_ids for pattern in first.patterns]
    assert nameless(load_version(transaction, first.version)) == nameless(first)
    assert [(one.superseded_at is None, one.trips) for one in imported_versions(transaction)] == [
        (True, 192),
        (False, 192),
    ]


def test_links_are_remembered_through_a_version_without_them(transaction: Connection) -> None:
    first = store(transaction, city(), "city", NOW).network
    less = replace(city("less"), patterns=city().patterns[:3], trips={"10-0600": city().trips["10-0600"]})
    store(transaction, less, "city", NOW)
    moved = {name: replace(stop, id=f"x{name}") for name, stop in city().stops.items()}
    renamed = replace(
        city("again"),
        stops={stop.id: stop for stop in moved.values()},
        patterns=tuple(
            replace(one, stop_ids=tuple(f"x{name}" for name in one.stop_ids), link_ids=()) for one in city().patterns
        ),
    )
    again = store(transaction, renamed, "city", NOW).network
    assert [pattern.link_ids for pattern in again.patterns] == [pattern.link_ids for pattern in first.patterns]


def test_every_process_is_told_to_look_again(transaction: Connection) -> None:
    transaction.execute(text("INSERT INTO configuration (version, city) VALUES (7, '{}')"))
    store(transaction, city(), "city", NOW)
    assert transaction.execute(text("SELECT version FROM configuration")).scalar() == 8
    store(transaction, city(), "city", NOW)
    assert transaction.execute(text("SELECT version FROM configuration")).scalar() == 8


def test_feeds_stand_beside_each_other_until_one_is_withdrawn(transaction: Connection) -> None:
    south = store(transaction, city(), "sur", NOW).network
    north = store(transaction, suffixed(city(), "-n"), "norte", NOW).network
    both = load(transaction)
    assert both is not None
    assert both.version == f"{north.version}+{south.version}" == current_version(transaction)
    assert {"10-0600", "10-0600-n"} <= set(both.trips)
    assert set(both.routes) == {"10", "20", "sur:10", "sur:20"}
    assert set(both.stops) == set(south.stops)
    assert withdraw(transaction, "norte", NOW)
    assert not withdraw(transaction, "norte", NOW)
    assert nameless(load(transaction)) == nameless(south)


def test_feeds_that_go_by_different_clocks_cannot_be_in_force_together(transaction: Connection) -> None:
    store(transaction, city(), "sur", NOW)
    with pytest.raises(TimeZonesDiffer, match="norte goes by America/Lima"):
        store(transaction, replace(city("n"), zone=ZoneInfo("America/Lima")), "norte", NOW)
    store(transaction, replace(city("s"), zone=ZoneInfo("America/Lima")), "sur", NOW)


def test_an_old_version_goes_once_its_journeys_are_over_and_its_links_stay(database: Engine) -> None:
    with database.begin() as transaction:
        first = store(transaction, city(), "city", NOW).network
        store(transaction, suffixed(city(), "-new"), "city", NOW)
    delete_expired(database, NOW + timedelta(days=7))
    with database.begin() as transaction:
        assert load_version(transaction, first.version) is not None
    assert delete_expired(database, NOW + timedelta(days=9))["timetable_versions"] == 1
    with database.begin() as transaction:
        assert load_version(transaction, first.version) is None
        assert [one.superseded_at for one in imported_versions(transaction)] == [None]
        assert transaction.execute(text("SELECT count(DISTINCT version) FROM timetable_trips")).scalar() == 1
        assert transaction.execute(text("SELECT count(*) FROM timetable_links")).scalar() == len(links_of(first))


def test_a_reader_sees_the_old_timetable_or_the_new_one_and_nothing_between(database: Engine) -> None:
    with database.begin() as transaction:
        store(transaction, city(), "city", NOW)
    with database.connect() as reader:
        with database.begin() as writer:
            store(writer, suffixed(city(), "-new"), "city", NOW)
            with reader.begin():
                before = load(reader)
        with reader.begin():
            after = load(reader)
    assert before is not None
    assert after is not None
    assert "10-0600" in before.trips
    assert "10-0600-new" in after.trips


@pytest.fixture
def vigia(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command against a database of the test's own; its status, what it printed, what it complained of."""
    monkeypatch.setenv("VIGIA_DATABASE_URL", migrated_url)

    def run(*words: object) -> tuple[int, str, str]:
        status = main([str(word) for word in words])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_the_command_imports_lists_exports_and_withdraws(
    vigia: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    write_feed(city(), tmp_path / "city.zip")
    status, said, progress = vigia("gtfs", "import", tmp_path / "city.zip")
    assert status == 0
    assert "1 agencies, 2 routes, 14 stops, 4 patterns, 192 trips, 1023 stop times; 14 links, 0 of them known" in said
    assert "stop_times.txt: 1023 rows" in progress
    assert "nothing changed" in vigia("gtfs", "import", tmp_path / "city.zip")[1]
    assert "in force\t2026-01-01 to 2026-12-31\t192 trips" in vigia("gtfs", "list")[1]
    assert vigia("gtfs", "export", tmp_path / "again.zip")[0] == 0
    assert nameless(read_feed(tmp_path / "again.zip")) == nameless(read_feed(tmp_path / "city.zip"))
    assert vigia("gtfs", "withdraw", "city")[0] == 0
    assert vigia("gtfs", "withdraw", "city")[0] == 2
    assert vigia("gtfs", "export", tmp_path / "none.zip")[0] == 2


def test_who_publishes_a_timetable_is_kept_with_it_and_a_licence_may_be_given(
    vigia: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    said = FeedInfo("Municipalidad", "https://example.org/gtfs", "es", "2026-03", licence="ODbL-1.0")
    write_feed(replace(city(), published=(said,)), tmp_path / "city.zip")
    vigia("gtfs", "import", tmp_path / "city.zip")
    vigia("gtfs", "export", tmp_path / "again.zip")
    assert read_feed(tmp_path / "again.zip").published == (said,)
    assert "nothing changed" not in vigia("gtfs", "import", tmp_path / "city.zip", "--licence", "CC-BY-4.0")[1]
    assert "nothing changed" in vigia("gtfs", "import", tmp_path / "city.zip", "--licence", "CC-BY-4.0")[1]
    vigia("gtfs", "export", tmp_path / "again.zip")
    assert read_feed(tmp_path / "again.zip").published == (replace(said, licence="CC-BY-4.0"),)


def test_the_command_names_what_is_wrong_and_leaves_all_as_it_was(
    vigia: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    write_feed(city(), tmp_path / "city.zip")
    vigia("gtfs", "import", tmp_path / "city.zip")
    (tmp_path / "bad.zip").write_bytes(b"nothing")
    status, _, said = vigia("gtfs", "import", tmp_path / "bad.zip")
    assert status == 2
    assert "bad.zip: not imported; 1 faults, 0 warnings" in said
    assert "in force" in vigia("gtfs", "list")[1]


def test_a_timetable_published_ahead_of_its_first_day_waits_unless_told_otherwise(
    vigia: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    later = replace(
        city("later"),
        services={
            name: replace(service, start=date(9000, 1, 1), end=date(9000, 12, 31), added=frozenset())
            for name, service in city().services.items()
        },
    )
    write_feed(city(), tmp_path / "city.zip")
    write_feed(later, tmp_path / "later.zip")
    vigia("gtfs", "import", tmp_path / "city.zip")
    status, _, said = vigia("gtfs", "import", tmp_path / "later.zip")
    assert (status, "it begins on 9000-01-01" in said) == (2, True)
    assert vigia("gtfs", "import", tmp_path / "later.zip", "--now")[0] == 0
