"""GTFS feeds as published: what is read, what is refused and where, and writing them back."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingest.gtfs import files
from ingest.gtfs.feed import BadTimetable, Findings, read_feed, write_feed
from ingest.gtfs.files import MAX_LINE_LENGTH
from models.geo import cumulative_distances_m, distance_m, point_at_distance
from models.links import links_of, with_link_ids
from models.network import Frequency, Network, Pattern
from tests import transit_city
from tests.architecture.repository import ROOT
from tests.ingest.feeds import FILES, changed, zipped

RECORDED = ROOT.parent / "shared" / "data" / "transit"
FEEDS = sorted(RECORDED.rglob("*.zip"))
Change = Mapping[str, str | bytes | None]


def refusals(path: Path, files: Change) -> list[str]:
    """What is said of a feed that cannot be used."""
    with pytest.raises(BadTimetable) as trouble:
        read_feed(zipped(path, files))
    return list(trouble.value.refusals)


def warnings(path: Path, files: Change) -> tuple[Network, list[str]]:
    """A feed that can be used, and what is said of it."""
    findings = Findings()
    return read_feed(zipped(path, files), findings), findings.warnings


def test_a_plain_feed_is_read_whole(tmp_path: Path) -> None:
    network, said = warnings(tmp_path, {})
    assert said == []
    assert (network.zone.key, len(network.stops), len(network.trips)) == ("America/Argentina/Salta", 4, 2)
    (pattern,) = network.patterns
    assert (pattern.route_id, pattern.direction_id, pattern.stop_ids) == ("r1", 0, ("A", "B", "C", "D"))
    assert network.routes["r1"].agency_id == "m"
    assert network.routes["r1"].color == "1144AA"
    first, second = network.trips["t1"], network.trips["t2"]
    assert (first.start_s, second.start_s) == (25_200, 87_000)
    assert first.timing.arrivals_s == (0, 120, 240, 360)
    assert first.timing.departures_s == (0, 150, 240, 360)
    assert second.timing is first.timing
    assert network.services["w"].runs_on(date(2026, 3, 7))
    assert not network.services["w"].runs_on(date(2026, 2, 16))


def test_a_folder_and_a_zip_with_a_folder_inside_are_feeds_too(tmp_path: Path) -> None:
    whole = read_feed(zipped(tmp_path))
    assert read_feed(zipped(tmp_path, {"../__MACOSX/._stops.txt": b"\0\0"}, folder="google_transit/")) == whole
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    assert read_feed(tmp_path) == whole


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\n".join(",".join(f' "{field}" ' for field in line.split(",")) for line in text.splitlines()),
        lambda text: text.replace("\n", ",x\n", 1).replace("\n", "\n\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.encode("utf-16"),
    ],
    ids=["mark", "crlf", "cr", "quotes-and-spaces", "unknown-column-and-empty-lines", "no-last-end", "utf-16"],
)
def test_how_the_text_is_written_makes_no_difference(tmp_path: Path, spoilt: Callable[[str], str | bytes]) -> None:
    plain = read_feed(zipped(tmp_path))
    network = read_feed(zipped(tmp_path, {name: spoilt(text) for name, text in FILES.items()}))
    assert replace(network, version=plain.version) == plain


def test_whole_numbers_with_decimals_are_read(tmp_path: Path) -> None:
    decimals = {
        **changed("routes.txt", "7,3,", "7,3.0,"),
        **changed("trips.txt", ",0,s1", ",0.0,s1"),
        **changed("calendar.txt", "w,1,1", "w,1.0,1.0"),
        **changed("calendar_dates.txt", "20260216,2", "20260216,2.0"),
        **changed("stop_times.txt", "A,1", "A,1.0"),
    }
    again = read_feed(zipped(tmp_path, decimals))
    assert replace(read_feed(zipped(tmp_path)), version=again.version) == again


def test_text_in_another_alphabet_is_read_and_said(tmp_path: Path) -> None:
    stops = FILES["stops.txt"].replace("Estadio", "Estación Norte").encode("cp1252")
    network, said = warnings(tmp_path, {"stops.txt": stops})
    assert network.stops["D"].name == "Estación Norte"
    assert said == ["stops.txt:1: the text is not UTF-8 and was read as Windows-1252"]


def test_either_calendar_will_do(tmp_path: Path) -> None:
    dates = read_feed(zipped(tmp_path, {"calendar.txt": None}))
    assert dates.services["w"].runs_on(date(2026, 3, 7))
    assert not dates.services["w"].runs_on(date(2026, 3, 6))
    weeks = read_feed(zipped(tmp_path, {"calendar_dates.txt": None}))
    assert weeks.services["w"].runs_on(date(2026, 2, 16))


def test_a_trip_without_a_shape_runs_straight_from_stop_to_stop(tmp_path: Path) -> None:
    network, said = warnings(tmp_path, {"shapes.txt": None})
    (pattern,) = network.patterns
    assert not pattern.shape.surveyed
    assert pattern.shape.points == tuple(network.stops[name].point for name in "ABCD")
    assert pattern.stop_m == pattern.shape.along_m
    assert said == [
        "trips.txt:2: a shape that shapes.txt has not; the stops were joined by straight lines",
    ]


def test_a_shape_that_is_not_the_trips_own_is_not_used(tmp_path: Path) -> None:
    network, said = warnings(tmp_path, {"shapes.txt": FILES["shapes.txt"].replace("-65.4", "-66.4")})
    assert not network.patterns[0].shape.surveyed
    assert "far from its trip's stops" in said[0]


def test_blank_times_are_filled_by_the_distance_driven(tmp_path: Path) -> None:
    network = read_feed(
        zipped(
            tmp_path, changed("stop_times.txt", "t1,7:02:00,7:02:30,B,2\nt1,7:04:00,7:04:00,C,3", "t1,,,B,2\nt1,,,C,3")
        )
    )
    timing, (pattern,) = network.trips["t1"].timing, network.patterns
    assert timing.timepoint == (True, False, False, True)
    share = [(m - pattern.stop_m[0]) / pattern.length_m for m in pattern.stop_m]
    assert timing.arrivals_s == tuple(round(360 * part) for part in share)
    assert network.trips["t2"].timing.timepoint == ()


def test_a_time_that_is_given_once_is_both_arrival_and_departure(tmp_path: Path) -> None:
    network = read_feed(zipped(tmp_path, changed("stop_times.txt", "t1,7:02:00,7:02:30,B", "t1,,7:02:30,B")))
    assert network.trips["t1"].timing.arrivals_s == network.trips["t1"].timing.departures_s == (0, 150, 240, 360)
    assert network.trips["t1"].timing.timepoint == ()


def test_times_that_start_again_at_midnight_go_on_after_it(tmp_path: Path) -> None:
    files = changed(
        "stop_times.txt", "t2,24:14:00,24:14:00,C,3\nt2,24:16:00,24:16:00", "t2,0:14:00,0:14:00,C,3\nt2,0:16:00,0:16:00"
    )
    network, said = warnings(tmp_path, {**files})
    assert network.trips["t2"].timing == network.trips["t1"].timing
    assert "as after midnight" in said[0]


def test_times_that_go_back_are_held_and_said(tmp_path: Path) -> None:
    network, said = warnings(tmp_path, changed("stop_times.txt", "t1,7:04:00,7:04:00", "t1,7:01:00,7:01:00"))
    assert network.trips["t1"].timing.arrivals_s == (0, 120, 150, 360)
    assert said[0].startswith("stop_times.txt:2: times that go back")


def test_trips_by_headway_keep_what_is_promised(tmp_path: Path) -> None:
    rows = "trip_id,start_time,end_time,headway_secs,exact_times\nt1,9:00:00,12:00:00,600,1\nt1,6:00:00,9:00:00,300,\n"
    network = read_feed(zipped(tmp_path, {"frequencies.txt": rows}))
    assert network.trips["t1"].frequencies == (
        Frequency(21_600, 32_400, 300, exact=False),
        Frequency(32_400, 43_200, 600, exact=True),
    )


def test_stops_out_of_order_are_sorted_by_their_sequence_which_is_kept(tmp_path: Path) -> None:
    lines = FILES["stop_times.txt"].splitlines()
    shuffled = [lines[0], *reversed(lines[1:])]
    rows = "\n".join(shuffled).replace(",4", ",40").replace(",3\n", ",30\n")
    network = read_feed(zipped(tmp_path, {"stop_times.txt": rows}))
    assert network.patterns[0].stop_ids == ("A", "B", "C", "D")
    assert network.trips["t1"].stop_sequences == (1, 2, 30, 40)
    assert network.trips["t1"].stop_sequence(3) == 40


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("stop_times.txt", "7:02:00", "7:0x:00", 'stop_times.txt:3: arrival_time "7:0x:00": expected a time'),
        ("stop_times.txt", "t1,7:04:00,7:04:00,C", "t1,7:04:00,7:04:00,Z", 'stop_times.txt:4: stop_id "Z": no such'),
        ("stop_times.txt", "t2,24:10:00,24:10:00", "t2,,", "stop_times.txt:6: no time: the first and the last stop"),
        ("stop_times.txt", "A,1\nt1", "A,-1\nt1", 'stop_times.txt:2: stop_sequence "-1": expected a whole number'),
        ("stop_times.txt", "C,3\nt1", "C,2\nt1", "stop_times.txt:4: stop_sequence stands twice in one trip"),
        ("stops.txt", "-65.4050", "-65,4050", "stops.txt:3: more fields than the 5 of the header"),
        ("stops.txt", "-65.4050", "-650", 'stops.txt:3: stop_lon "-650": expected decimal degrees from -180 to 180'),
        ("stops.txt", "B,2", "A,2", 'stops.txt:3: stop_id "A": expected an id that no row before has'),
        ("stops.txt", "stop_lat", "latitude", "stops.txt:1: no column stop_lat; this file must have it"),
        ("routes.txt", "r1,7,3", "r1,7,bus", 'routes.txt:2: route_type "bus": expected a whole number'),
        ("trips.txt", "r1,w,t2", "r2,w,t2", 'trips.txt:3: route_id "r2": no such route in routes.txt'),
        ("trips.txt", "t2", "t" * 300, 'trips.txt:3: trip_id "tttt'),
        ("calendar.txt", "20260101", "2026-01-01", 'calendar.txt:2: start_date "2026-01-01": expected a date'),
        ("calendar.txt", "20261231", "20251231", "calendar.txt:2: end_date 20251231 lies before start_date"),
        ("calendar.txt", "w,1,1", "w,1,y", 'calendar.txt:2: tuesday "y": expected 0 or 1'),
        ("calendar_dates.txt", "20260307,1", "20260307,3", 'calendar_dates.txt:3: exception_type "3": expected 1'),
        ("agency.txt", "Argentina/Salta", "Argentina/Nowhere", "agency.txt:2: agency_timezone"),
        ("agency.txt", "Salta\n", "Salta\nn,N,u,America/Lima\n", 'agency.txt:3: agency_timezone "America/Lima" di'),
        ("shapes.txt", "-65.4110", "west", 'shapes.txt:2: shape_pt_lat "-24.7901", shape_pt_lon "west": expected'),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_line(
    tmp_path: Path, name: str, old: str, new: str, expected: str
) -> None:
    assert any(line.startswith(expected) for line in refusals(tmp_path, changed(name, old, new)))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert refusals(tmp_path, {"stops.txt": None, "calendar.txt": None, "calendar_dates.txt": None}) == [
        "stops.txt: this file is missing; a GTFS feed must have it",
        "calendar.txt: this file is missing; a GTFS feed must have it",
    ]
    assert refusals(tmp_path, {"agency.txt": ""}) == [
        "agency.txt:1: no column agency_name; this file must have it",
        "agency.txt:1: no column agency_timezone; this file must have it",
    ]
    with pytest.raises(BadTimetable, match="there is no such file or folder"):
        read_feed(tmp_path / "nowhere.zip")


def test_a_feed_in_which_nothing_runs_is_refused(tmp_path: Path) -> None:
    nothing = "stop_times.txt: no trip is left that calls at two stops and runs on some day"
    header = FILES["stop_times.txt"].splitlines()[0] + "\n"
    assert refusals(tmp_path, {"stop_times.txt": header}) == [nothing]
    never = changed("calendar.txt", "w,1,1,1,1,1", "w,0,0,0,0,0")
    assert refusals(tmp_path, {**never, "calendar_dates.txt": None}) == [nothing]


def test_what_many_feeds_get_wrong_is_taken_as_it_is_meant(tmp_path: Path) -> None:
    routes = FILES["routes.txt"].replace("route_id,", "route_id,agency_id,").replace("r1,", "r1,other,")
    demand = FILES["stop_times.txt"] + "t1,7:10:00,7:20:00,,5\n"
    network, said = warnings(tmp_path, {"routes.txt": routes, "stop_times.txt": demand})
    assert network.routes["r1"].agency_id == "m"
    assert network.patterns[0].stop_ids == ("A", "B", "C", "D")
    assert [line.split(";")[0] for line in said] == [
        "routes.txt:2: an agency_id that agency.txt has not",
        "stop_times.txt:10: a row without a stop_id, of a service on demand, is left out",
    ]


def test_a_place_in_the_sea_off_africa_is_no_place(tmp_path: Path) -> None:
    unused = FILES["stops.txt"] + "E,5,Nowhere,0.0,0.0\nF,6,Nowhere,,\n"
    assert set(read_feed(zipped(tmp_path, {"stops.txt": unused})).stops) == {"A", "B", "C", "D"}
    found = refusals(tmp_path, changed("stops.txt", "-24.7850,-65.4000", "0,0"))
    assert found[0] == 'stop_times.txt:5: stop_id "D": no such stop with a place in stops.txt'


def test_a_platform_without_a_place_stands_where_its_station_does(tmp_path: Path) -> None:
    stops = FILES["stops.txt"].replace("\n", ",,\n").replace("stop_lon,,", "stop_lon,parent_station,location_type")
    stops = stops.replace("D,4,Estadio,-24.7850,-65.4000,,", "D,4,Estadio,,,S,\nS,,Station,-24.785,-65.4,,1")
    network = read_feed(zipped(tmp_path, {"stops.txt": stops}))
    assert network.stops["D"].point == network.stops["S"].point
    assert (network.stops["D"].parent, network.stops["S"].location_type) == ("S", 1)


def test_faults_of_several_files_are_told_together(tmp_path: Path) -> None:
    files = {**changed("stops.txt", "-65.4100", "west"), **changed("routes.txt", "route_type", "kind")}
    assert [line.split(" ")[0] for line in refusals(tmp_path, files)] == ["stops.txt:2:", "routes.txt:1:"]


def test_faults_are_collected_up_to_a_number(tmp_path: Path) -> None:
    rows = FILES["stop_times.txt"] + "t1,25:7x,,A,9\n" * 200
    found = refusals(tmp_path, {"stop_times.txt": rows})
    assert len(found) == 51
    assert found[-1] == "... and reading stopped after 50 faults"


def test_what_is_odd_but_usable_is_counted_and_said_once(tmp_path: Path) -> None:
    rows = FILES["stop_times.txt"] + "ghost,7:00:00,7:00:00,A,1\n" * 3
    trips = FILES["trips.txt"] + "r1,never,t3,0,,\nr1,w,t4,1,,\n"
    network, said = warnings(
        tmp_path, {"stop_times.txt": rows, "trips.txt": trips, **changed("routes.txt", "1144aa", "blue")}
    )
    assert set(network.trips) == {"t1", "t2"}
    assert said == [
        "routes.txt:2: a colour that is not six hex digits is left out",
        "trips.txt:4: a trip whose service runs on no day is left out",
        "stop_times.txt:10: a trip that trips.txt has not, or that never runs, is left out (and 2 more)",
        "trips.txt:5: a trip with fewer than two stops is left out",
    ]


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    assert "a line longer than" in refusals(tmp_path, {"stops.txt": "x" * (30 * MAX_LINE_LENGTH)})[0]
    assert "zero bytes" in refusals(tmp_path, {"stops.txt": b"\0" * 1000})[0]
    (tmp_path / "feed.zip").write_bytes(b"no zip at all")
    with pytest.raises(BadTimetable, match="is it a GTFS zip, whole"):
        read_feed(tmp_path / "feed.zip")


def test_a_zip_that_would_unpack_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.gtfs.files.MAX_UNPACKED_BYTES", 3 << 20)
    many = FILES["stop_times.txt"] + "ghost,7:00:00,7:00:00,A,1\n" * 50_000
    assert read_feed(zipped(tmp_path, {"stop_times.txt": many})).trips
    assert refusals(tmp_path, {"stop_times.txt": many * 3}) == [
        "feed.zip: unpacks to more than 3 MiB; is this one city?"
    ]


@pytest.mark.parametrize("blank", ["\n", "\r\n", " , \n", ",,,,,\n"])
def test_blank_lines_are_no_data_but_count_toward_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank: str
) -> None:
    monkeypatch.setattr(files, "PROGRESS_ROWS", 10)
    monkeypatch.setattr(files, "MAX_ROWS", 100)
    stops = FILES["stops.txt"]
    network, said = warnings(tmp_path, {"stops.txt": stops + blank * 80})
    assert (len(network.stops), said) == (4, [])
    (refusal,) = refusals(tmp_path, {"stops.txt": stops + blank * 200})
    assert "more than 100 rows" in refusal


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole feed's bytes."""
    return zipped(tmp_path_factory.mktemp("feed")).read_bytes()


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(at=0.7763947522103594, junk=b"\0", cut=False)  # a member's name begins with a zero byte, and so is empty
@given(at=st.floats(0, 0.999), junk=st.binary(min_size=1, max_size=40), cut=st.booleans())
def test_a_damaged_zip_is_refused_and_never_raises_anything_else(
    tmp_path: Path, feed: bytes, at: float, junk: bytes, cut: bool
) -> None:
    place = int(at * len(feed))
    path = tmp_path / "damaged.zip"
    path.write_bytes(feed[:place] + junk + (b"" if cut else feed[place + len(junk) :]))
    try:
        read_feed(path)
    except BadTimetable as trouble:
        assert trouble.refusals  # noqa: PT017


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(FILES)),
    at=st.floats(0, 1),
    junk=st.one_of(st.text(max_size=12), st.sampled_from(['"', ",", "\n", "-1", "NaN", "1e999", "99:99:99", "٣"])),
    eaten=st.integers(0, 30),
)
def test_spoilt_text_is_refused_or_read_and_never_raises_anything_else(
    tmp_path: Path, name: str, at: float, junk: str, eaten: int
) -> None:
    text = FILES[name]
    place = int(at * len(text))
    for other, whole in FILES.items():
        (tmp_path / other).write_text(whole)
    (tmp_path / name).write_bytes((text[:place] + junk + text[place + eaten :]).encode("utf-8", "surrogatepass"))
    try:
        network = read_feed(tmp_path)
    except BadTimetable as trouble:
        assert trouble.refusals  # noqa: PT017
        return
    assert network.trips
    for pattern in network.patterns:
        assert list(pattern.stop_m) == sorted(pattern.stop_m)
        assert len(pattern.link_ids) + 1 == len(pattern.stop_ids) == len(pattern.stop_m)
    for trip in network.trips.values():
        times = [time for both in zip(trip.timing.arrivals_s, trip.timing.departures_s, strict=True) for time in both]
        assert times == sorted(times)
        assert trip.timing.departures_s[0] == 0


def test_a_city_written_and_read_again_is_the_same_city(tmp_path: Path) -> None:
    city = with_link_ids(transit_city.network())
    write_feed(city, tmp_path / "city.zip")
    findings = Findings()
    again = read_feed(tmp_path / "city.zip", findings)
    assert replace(again, version=city.version) == city
    assert findings.warnings == []
    before = (tmp_path / "city.zip").read_bytes()
    write_feed(replace(again, version=city.version), tmp_path / "city.zip")
    assert (tmp_path / "city.zip").read_bytes() == before


def errors_of(path: Path) -> set[str]:
    """The errors that an independent validator finds by the canonical rules."""
    validator = Path(sys.executable).with_name("gtfs-validator")
    words = [str(validator), "--input", str(path), "--date", "2026-03-02", "--stdout"]
    done = subprocess.run(words, capture_output=True, check=True, timeout=100, cwd=path.parent)
    return {one["code"] for one in json.loads(done.stdout)["notices"] if one["severity"] == "ERROR"}


def test_what_is_written_is_valid_by_an_independent_validator(tmp_path: Path) -> None:
    write_feed(transit_city.network(), tmp_path / "city.zip")
    assert errors_of(tmp_path / "city.zip") == set()
    spoilt = zipped(tmp_path, {"agency.txt": FILES["agency.txt"].replace("https://example.org", "nowhere")})
    assert errors_of(spoilt) == {"invalid_url"}, "the validator looks"


@pytest.mark.skipif(not FEEDS, reason="needs the recorded feeds")
def test_a_recorded_feed_written_and_read_again_is_the_same_and_valid(tmp_path: Path) -> None:
    network = read_feed(RECORDED / "stib55" / "gtfs.zip")
    write_feed(network, tmp_path / "again.zip")
    assert replace(read_feed(tmp_path / "again.zip"), version=network.version) == network
    assert errors_of(tmp_path / "again.zip") == set()


@pytest.mark.parametrize("path", FEEDS, ids=lambda path: path.stem[-24:] if path else "none")
def test_recorded_feeds_are_read_without_a_refusal_and_lie_on_their_shapes(path: Path) -> None:
    network = read_feed(path)
    assert network.trips
    aside = sorted(
        distance_m(network.stops[stop].point, point_at_distance(pattern.shape.points, pattern.shape.along_m, at))
        for pattern in network.patterns
        for stop, at in zip(pattern.stop_ids, pattern.stop_m, strict=True)
    )
    assert aside[len(aside) * 99 // 100] < 30
    for pattern in network.patterns:
        assert list(pattern.stop_m) == sorted(pattern.stop_m)
        assert not pattern.shape.surveyed or driven_plausibly(network, pattern) > 0.9


@pytest.mark.skipif(not FEEDS, reason="needs the recorded feeds")
@pytest.mark.parametrize(
    ("earlier", "later"),
    [("2012July*m34.zip", "2012Sept*manhattan.zip"), ("2012July*bk.zip", "2012Sept*brooklyn.zip")],
)
def test_links_of_a_recorded_city_live_on_in_its_next_timetable(earlier: str, later: str) -> None:
    before, after = (read_feed(next(RECORDED.rglob(name))) for name in (earlier, later))
    assert before.trips.keys().isdisjoint(after.trips)
    known = links_of(before)
    names, inherited = {link.id for link in known}, {link.id for link in links_of(with_link_ids(after, known))}
    assert len(names & inherited) >= 0.99 * len(names)


def driven_plausibly(network: Network, pattern: Pattern) -> float:
    """The share of a pattern's links that are not far shorter than the straight line, nor driven above 120 km/h."""
    timing = network.trips_by_pattern[pattern.index][0].timing
    plausible = 0
    for position, (here, there) in enumerate(pairwise(pattern.stop_ids)):
        length_m = pattern.stop_m[position + 1] - pattern.stop_m[position]
        straight_m = cumulative_distances_m((network.stops[here].point, network.stops[there].point))[-1]
        takes_s = timing.arrivals_s[position + 1] - timing.departures_s[position]
        plausible += length_m > 0.8 * straight_m - 50 and length_m < 34 * (takes_s + 60)
    return plausible / len(pattern.link_ids)
