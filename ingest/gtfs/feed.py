"""GTFS Schedule, as it is published in the wild, to a `Network` and back."""

from pathlib import Path

from ingest.gtfs.files import FeedFiles, Progress
from ingest.gtfs.findings import BadTimetable, Findings
from ingest.gtfs.routes import read_agencies, read_routes
from ingest.gtfs.services import read_services
from ingest.gtfs.shapes import read_shapes
from ingest.gtfs.stops import read_stops
from ingest.gtfs.trips import TripBuilder, read_frequencies, read_stop_times, read_trips
from ingest.gtfs.write import write_feed
from models.links import with_link_ids
from models.network import Network, Trip

__all__ = ["BadTimetable", "Findings", "read_feed", "write_feed"]


def read_feed(path: Path, findings: Findings | None = None, progress: Progress = lambda _file, _rows: None) -> Network:
    """A feed, zip or folder, as a network; its version is a hash of its content.

    Raises BadTimetable, with a line for each fault, where the feed cannot be used. What is odd but usable is told to
    `findings`. Links are named by their stops and their way: importing with a memory of earlier ones is
    `models.links.with_link_ids`.
    """
    found = Findings() if findings is None else findings
    feed = FeedFiles(path, found, progress)
    try:
        return with_link_ids(_read_network(feed, found))
    except BadTimetable as trouble:
        others = [line for line in trouble.refusals if line not in found.refusals]
        raise BadTimetable([*found.refusals, *others]) from trouble
    finally:
        feed.close()


def _read_network(feed: FeedFiles, found: Findings) -> Network:
    agencies, zone = read_agencies(feed, found)
    stops = read_stops(feed, found)
    routes = read_routes(feed, found, agencies)
    services = read_services(feed, found)
    plans = read_trips(feed, found, routes, services)
    repeats = read_frequencies(feed, found, plans)
    rows = read_stop_times(feed, found, plans, stops)
    shapes = read_shapes(feed, found, {plan.shape_id for plan in plans.values()} - {""})
    found.raise_if_refused()
    weaver = TripBuilder(found, stops, shapes, repeats)
    trips: dict[str, Trip] = {}
    for plan in plans.values():
        trip = weaver.build_trip(plan, rows.pop(plan.id))
        if trip is not None:
            trips[trip.id] = trip
    found.raise_if_refused()
    if not trips:
        raise BadTimetable(["stop_times.txt: no trip is left that calls at two stops and runs on some day"])
    return Network(feed.digest()[:16], zone, agencies, stops, routes, tuple(weaver.patterns), trips, services)
