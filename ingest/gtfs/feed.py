"""Read a GTFS Schedule feed into a `Network`, tolerant of what real feeds contain, and write it back."""

from pathlib import Path

from ingest.gtfs.feed_info import read_feed_info
from ingest.gtfs.files import FeedFiles, Progress
from ingest.gtfs.findings import BadTimetable, Findings
from ingest.gtfs.routes import read_agencies, read_routes
from ingest.gtfs.services import read_services
from ingest.gtfs.shapes import read_shapes
from ingest.gtfs.stops import read_stops
from ingest.gtfs.trips import TripBuilder, read_frequencies, read_stop_times, read_trips
from ingest.gtfs.write import feed_bytes, write_feed
from models.links import with_link_ids
from models.network import Network, Trip

__all__ = ["BadTimetable", "Findings", "feed_bytes", "read_feed", "write_feed"]


def read_feed(path: Path, findings: Findings | None = None, progress: Progress = lambda _file, _rows: None) -> Network:
    """Read a feed, a zip or a folder, as a network. The version of the network is a hash of the content.

    Raises BadTimetable, with one line per fault, if the feed cannot be used. Warnings are added to `findings`. Links
    are named by their stops and their course; `models.links.with_link_ids` also takes over the ids of earlier links.
    """
    findings = Findings() if findings is None else findings
    feed = FeedFiles(path, findings, progress)
    try:
        return with_link_ids(_read_network(feed, findings))
    except BadTimetable as error:
        others = [line for line in error.refusals if line not in findings.refusals]
        raise BadTimetable([*findings.refusals, *others]) from error
    finally:
        feed.close()


def _read_network(feed: FeedFiles, findings: Findings) -> Network:
    agencies, zone = read_agencies(feed, findings)
    stops = read_stops(feed, findings)
    routes = read_routes(feed, findings, agencies)
    services = read_services(feed, findings)
    trip_rows = read_trips(feed, findings, routes, services)
    frequencies = read_frequencies(feed, findings, trip_rows)
    stop_times = read_stop_times(feed, findings, trip_rows, stops)
    shapes = read_shapes(feed, findings, {row.shape_id for row in trip_rows.values()} - {""})
    findings.raise_if_refused()
    builder = TripBuilder(findings, stops, shapes, frequencies)
    trips: dict[str, Trip] = {}
    for row in trip_rows.values():
        trip = builder.build_trip(row, stop_times.pop(row.id))
        if trip is not None:
            trips[trip.id] = trip
    findings.raise_if_refused()
    if not trips:
        raise BadTimetable(["stop_times.txt: no trip is left that calls at two stops and runs on some day"])
    return Network(
        feed.digest()[:16],
        zone,
        agencies,
        stops,
        routes,
        tuple(builder.patterns),
        trips,
        services,
        published=read_feed_info(feed),
    )
