"""GTFS Schedule, as it is published in the wild, to a `Network` and back."""

from pathlib import Path

from ingest.gtfs import places
from ingest.gtfs.files import Feed, Progress
from ingest.gtfs.findings import BadTimetable, Findings
from ingest.gtfs.trips import Weaver, calls, frequencies, planned
from ingest.gtfs.write import write
from models.links import with_link_ids
from models.network import Network, Trip

__all__ = ["BadTimetable", "Findings", "read", "write"]


def read(path: Path, findings: Findings | None = None, progress: Progress = lambda _file, _rows: None) -> Network:
    """A feed, zip or folder, as a network; its version is a hash of its content.

    Raises BadTimetable, with a line for each fault, where the feed cannot be used. What is odd but usable is told to
    `findings`. Links are named by their stops and their way: importing with a memory of earlier ones is
    `models.links.with_link_ids`.
    """
    found = Findings() if findings is None else findings
    feed = Feed(path, found, progress)
    try:
        return with_link_ids(_read(feed, found))
    except BadTimetable as trouble:
        others = [line for line in trouble.refusals if line not in found.refusals]
        raise BadTimetable([*found.refusals, *others]) from trouble
    finally:
        feed.close()


def _read(feed: Feed, found: Findings) -> Network:
    agencies, zone = places.agencies(feed, found)
    stops = places.stops(feed, found)
    routes = places.routes(feed, found, agencies)
    services = places.services(feed, found)
    plans = planned(feed, found, routes, services)
    repeats = frequencies(feed, found, plans)
    rows = calls(feed, found, plans, stops)
    shapes = places.shapes(feed, found, {plan.shape_id for plan in plans.values()} - {""})
    found.settle()
    weaver = Weaver(found, stops, shapes, repeats)
    trips: dict[str, Trip] = {}
    for plan in plans.values():
        trip = weaver.trip(plan, rows.pop(plan.id))
        if trip is not None:
            trips[trip.id] = trip
    found.settle()
    if not trips:
        raise BadTimetable(["stop_times.txt: no trip is left that calls at two stops and runs on some day"])
    return Network(feed.digest()[:16], zone, agencies, stops, routes, tuple(weaver.patterns), trips, services)
