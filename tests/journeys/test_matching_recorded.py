"""The matcher on recorded buses: accuracy of route, direction and trip, and of what the buses were doing."""

import csv
import gzip
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.gtfs.feed import read_feed
from models.merging import merge_networks
from models.network import Network
from services.__main__ import main
from services.commands.transit_match import matched
from services.transit.accuracy.recorded_positions import read_positions

TRANSIT = Path(__file__).parents[2].parent / "shared" / "data" / "transit"
WMATA = TRANSIT / "wmata"
NYC = TRANSIT / "nyc_traces"

Row = dict[str, str]


@pytest.fixture(scope="module")
def washington() -> Network:
    if not WMATA.exists():
        pytest.skip("the recorded positions are not here")
    return read_feed(WMATA / "gtfs.zip")


def _shares(network: Network, out: Path, hide: str) -> Counter[str]:
    """How many of a thousand reports are right, by what is compared. The first two of each vehicle are left out."""
    positions = WMATA / "positions.csv.gz"
    words = ["--gtfs", str(WMATA / "gtfs.zip"), "--positions", str(positions), "--out", str(out), "--hide", hide]
    assert main(["transit", "match", *words]) == 0
    with gzip.open(positions, "rt") as truth, out.open() as found:
        pairs = list(zip(csv.DictReader(truth), csv.DictReader(found), strict=True))
    seen, right, n = Counter[str](), Counter[str](), 0
    for was, is_ in pairs:
        assert (was["vehicle_id"], was["timestamp"]) == (is_["vehicle_id"], is_["timestamp"])
        seen[was["vehicle_id"]] += 1
        if seen[was["vehicle_id"]] >= 3:
            n += 1
            right.update(_right(network, was, is_))
    return Counter({name: 1000 * count // n for name, count in right.items()})


def _right(network: Network, was: Row, is_: Row) -> list[str]:
    found, truth = network.trips.get(is_["trip_id"]), network.trips[was["trip_id"]]
    if found is None:
        return []
    line = network.patterns[found.pattern]
    route = line.route_id == was["route_id"]
    direction = route and str(line.direction_id) == was["direction_id"]
    trip = (found.pattern, found.start_s, found.timing) == (truth.pattern, truth.start_s, truth.timing)
    return [name for name, holds in (("route", route), ("direction", direction), ("trip", trip)) if holds]


def test_with_trips_hidden_route_direction_and_trip_are_found(washington: Network, tmp_path: Path) -> None:
    right = _shares(washington, tmp_path / "matched.csv", "trip")
    assert right["direction"] >= 950
    assert right["trip"] >= 900


def test_with_routes_hidden_too_the_route_is_found(washington: Network, tmp_path: Path) -> None:
    assert _shares(washington, tmp_path / "matched.csv", "route")["route"] >= 800


@pytest.mark.proof
@pytest.mark.timeout(600)  # eleven timetables are read
@pytest.mark.skipif(not NYC.exists(), reason="the labelled traces are not here")
def test_what_buses_were_doing_is_recognised() -> None:
    feeds = [replace(read_feed(path), feed=path.stem) for path in sorted((NYC / "gtfs").glob("*.zip"))]
    network = merge_networks(feeds)
    checked, right, going, going_right = 0, 0, 0, 0
    for path in sorted((NYC / "traces").glob("*.csv")):
        labels = _labels(path)
        places = matched(network, read_positions(path, network.zone, by_time=False))
        for label, place in zip(labels, places, strict=True):
            checked += label != ""
            right += label != "" and _accepts(label, place.phase)
            going += label == "IN_PROGRESS"
            going_right += label == "IN_PROGRESS" and place.phase == "in_progress"
    assert checked > 3000
    assert right / checked >= 0.90
    assert going_right / going >= 0.95


def _labels(path: Path) -> list[str]:
    """The label a person gave each position; empty where there is none, or only another matcher's guess."""
    with path.open(newline=None) as file:
        return [row.get("actual_phase") or "" for row in csv.DictReader(line for line in file if line.strip())]


def _accepts(label: str, phase: str) -> bool:
    """`A+B` accepts either; LAYOVER_DURING and the like are layovers, DEADHEAD_BEFORE a deadhead."""
    return any(one.startswith(phase.upper()) for one in label.split("+"))
