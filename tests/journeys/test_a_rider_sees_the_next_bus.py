"""A rider at 7 y 50 waits for the 307: sees the next one, asks by text message, and is told which one won't come.

The simulated city's buses, what their trackers say byte for byte, the pipeline, the database and the HTTP server, all
for real. One bus never leaves its depot, and nobody says so.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

import httpx
import pytest
from sqlalchemy import Engine, text

from models.geo import Point
from models.network import Journey, Network
from models.reading import Message
from services.pipeline.road import Pipeline
from services.runtime.settings import Settings
from services.transit.fleet.fleet_updater import FleetUpdater
from services.transit.rider.gsm7 import septet_count
from services.transit.timetable import versions
from simulators.buses.bus import MissedStops, StopVisit
from simulators.buses.operations import BusOperations
from simulators.buses.street_speeds import StreetConditions
from simulators.buses.trackers import NO_FAULTS, Trackers
from simulators.devices.message import SimulatedMessage, in_due_order
from simulators.environment.weather import MINUTE
from simulators.lines import schematic_network
from tests.services.web.api.conftest import Clock, served
from tests.services.web.pages.site import read
from tests.waiting import LIMIT_S

OPENS = datetime(2026, 3, 2, 14, 55, tzinfo=UTC)
"""11:55 in the city, on a Monday."""
NOON_AND_HALF = datetime(2026, 3, 2, 15, 32, tzinfo=UTC)
LUNCH = datetime(2026, 3, 2, 15, 53, tzinfo=UTC)
CORNER, LINE, STOP = "7 y 50", "307", "LP1912"
LEAVES = (12, 42)
"""The scheduled departure of the bus that stays in its depot: the first journey of its day's work."""
SEED = 1
BATCH_S = 15
COMES_S = 60.0
"""How long the pages' copy of what is known may lag behind on a busy machine, in our time."""


@dataclass
class City:
    """The line's buses on the road, their trackers heard by the pipeline, and the pages a rider reads."""

    lines: Network
    pipeline: Pipeline
    clock: Clock
    client: httpx.Client
    trackers: Trackers
    seen: list[StopVisit] = field(default_factory=list)
    _now: datetime = OPENS

    def wait_until(self, moment: datetime) -> None:
        """Let time pass; what trackers send meanwhile goes to the pipeline in order of arrival."""
        batch: list[Message] = []
        for parcel in in_due_order(self._said(moment)):
            due_at = min(parcel.due_at, moment)
            if batch and (due_at - batch[0].received_at).total_seconds() >= BATCH_S:
                self._carry(batch)
                batch = []
            batch.append(Message(parcel.topic, parcel.payload, due_at))
        self._carry(batch)
        self.clock.now = moment
        self.pipeline.tick_buses()

    def _said(self, moment: datetime) -> Iterator[SimulatedMessage]:
        while self._now < moment:
            yield from self.trackers.next_minute(self._now)
            self._now += MINUTE

    def _carry(self, batch: list[Message]) -> None:
        self.clock.now = batch[-1].received_at
        self.pipeline.process_messages(batch)
        self.pipeline.tick_buses()

    def reads(self, path: str) -> str:
        """The text of a page."""
        answer = self.client.get(path, headers={"accept-language": "es-AR"}, follow_redirects=True)
        assert answer.status_code == 200, answer.text
        return read(answer.text).text

    def finds_near(self, point: Point) -> str:
        """The text of the page of the stops near a point."""
        place = {"lat": f"{point[0]:.3f}", "lon": f"{point[1]:.3f}"}
        headers = {"accept-language": "es-AR", "origin": str(self.client.base_url).rstrip("/")}
        answer = self.client.post("/cerca", data=place, headers=headers)
        assert answer.status_code == 200, answer.text
        return read(answer.text).text

    def soon(self, path: str, wanted: str) -> re.Match[str]:
        """The text on a page once its server has read what the pipeline wrote. Raises AssertionError."""
        deadline = monotonic() + COMES_S
        while not (found := re.search(wanted, said := self.reads(path))):
            assert monotonic() < deadline, said
            sleep(0.2)
        return found

    def position(self, journey: Journey) -> int:
        """The stop's position in a journey."""
        return self.lines.patterns[journey.trip.pattern].stop_ids.index(STOP)

    def came_at(self) -> list[float]:
        """When buses really were at the stop, Unix seconds."""
        return sorted(
            one.arrived_at
            for one in self.seen
            if self.lines.patterns[one.journey.trip.pattern].stop_ids[one.position] == STOP
        )

    def texts(self, message: str) -> str:
        """The answer to a text message."""
        answer = self.client.post("/api/v1/sms", json={"text": message})
        assert answer.status_code == 200, answer.text
        said = str(answer.json()["text"])
        assert septet_count(said) <= 160
        return said

    def local(self, at: float) -> str:
        """Hour and minute in the city."""
        return f"{datetime.fromtimestamp(at, self.lines.zone):%H:%M}"


def stays_in_its_depot(lines: Network) -> tuple[str, Journey]:
    """The vehicle that would make the journey, and the journey."""
    made: list[StopVisit | MissedStops] = []
    buses = BusOperations(lines, SEED, OPENS, StreetConditions(), made.append)
    buses.advance((LUNCH + timedelta(hours=1)).timestamp())
    start_s = LEAVES[0] * 3600 + LEAVES[1] * 60
    for one in made:
        trip = one.journey.trip
        if trip.start_s // 60 * 60 == start_s and STOP in lines.patterns[trip.pattern].stop_ids:
            assert isinstance(one, StopVisit), "choose another seed: in this one nobody was to make it anyway"
            return one.vehicle, one.journey
    raise AssertionError("the timetable has no such journey any more")


@pytest.fixture
def city(database: Engine) -> Iterator[tuple[City, Journey]]:
    """Half an hour after noon, one bus short."""
    lines = schematic_network([LINE])
    missing, journey = stays_in_its_depot(lines)
    with database.begin() as transaction:
        transaction.execute(text("INSERT INTO configuration (version, city) VALUES (1, '{}')"))
        versions.store(transaction, lines, "laplata", OPENS - timedelta(days=1))
    clock = Clock()
    clock.now = OPENS
    seen: list[StopVisit] = []
    buses = BusOperations(
        lines, SEED, OPENS, StreetConditions(), lambda one: seen.append(one) if isinstance(one, StopVisit) else None
    )
    trackers = Trackers(buses, SEED, NO_FAULTS)
    trackers.trackers = [one for one in trackers.trackers if one.bus.vehicle != missing]
    pipeline = Pipeline(database, clock, None, foreign="laplata", fleet=FleetUpdater())
    with (
        served(database, clock, Settings(api_port=0)) as (address, _),
        httpx.Client(base_url=address, timeout=LIMIT_S) as client,
    ):
        yield City(lines, pipeline, clock, client, trackers, seen), journey
    pipeline.close()


def test_a_rider_sees_the_next_307_asks_by_text_and_is_told_which_one_wont_come(city: tuple[City, Journey]) -> None:
    here, missing = city
    here.wait_until(NOON_AND_HALF)

    # Which side of the street? The one towards Villa Elvira.
    assert re.search(rf"{STOP} {CORNER} → Villa Elvira, .* \({LINE}\)", here.reads(f"/p/?q={CORNER}"))

    # Who knows only the line finds its stops and buses; who knows only where they stand finds the stop.
    direction = here.lines.patterns[missing.trip.pattern].direction_id
    assert f"Línea {LINE}" in here.reads(f"/p/?q={LINE}")
    here.soon(f"/linea/{LINE}/{direction}", rf"micros? con señal ahora.*← micro.*{STOP} {CORNER}")
    assert re.search(rf"{STOP} {CORNER}, a \d+ m → Villa Elvira", here.finds_near(here.lines.stops[STOP].point))
    assert f"{STOP} {CORNER}" in here.reads(f"/p/{STOP.removeprefix('LP')}")
    assert "¿Cuándo viene tu micro?" in here.reads(f"/p/{STOP}/hoja")

    # The next one, on the page and by text.
    told = here.soon(
        f"/p/{STOP}?linea={LINE}",
        r"según \d+ micros.* 307 (\d+)–(\d+) min a Villa Elvira, estate (\d\d:\d\d), a \d+ paradas?\b",
    )
    low, high = int(told[1]), int(told[2])
    assert here.texts(f"cuándo viene la {LINE} a {STOP.lower()}?").startswith(f"{STOP} 12:32 307: {low}-{high}min y ")

    # The one that stays in its depot looks like any other of the timetable's, and like no bus.
    at_stop = here.local(missing.arrival_at(here.position(missing)))
    here.soon(f"/p/{STOP}?linea={LINE}", rf"a {missing.trip.headsign}, estate (.*, )?por horario")

    # It comes when it was said to.
    here.wait_until(LUNCH)
    came_at = next(at for at in here.came_at() if at >= NOON_AND_HALF.timestamp())
    assert low - 2 <= (came_at - NOON_AND_HALF.timestamp()) / 60 <= high + 2

    # And the other one won't: nobody is left waiting for it.
    here.soon(f"/p/{STOP}?linea={LINE}", rf"307 El de las {at_stop} no viene\. \d+–\d+ min a Villa Elvira")
    assert re.match(rf"{STOP} 12:53 307 de {at_stop} no viene; prox \d+-\d+min ", here.texts(f"{LINE} {STOP}"))
    assert re.search(rf"{at_stop} {LINE} {missing.trip.headsign}", here.reads(f"/p/{STOP}/no-paso?linea={LINE}"))
