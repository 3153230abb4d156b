"""Buses followed in the pipeline's own transaction: fresh positions in; outlooks, visits and what was learnt, to rows.

What the fleet remembers may be ahead of the tables, never behind: a report that comes again after a transaction was
lost moves nothing, and what it had led to is kept here until a commit is confirmed. What links taught is written each
TICK_S and not before: a kill costs that much learning, and no visit.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from ingest.store import CheckedReading
from models.kinds.bus import BUS
from models.reading import Flag, Reading
from services.runtime.bisect import bisect_failures
from services.transit.fleet.fleet import SILENT_AFTER_S, STARTED_KEPT_S, STATE_KEPT_S, Fleet, ScoredPrediction
from services.transit.fleet.rows import (
    VISIT_KEY_COLUMNS,
    Key,
    Row,
    journey_key,
    read_last_stops,
    read_travel_times,
    read_unassigned_trips,
    read_vehicles,
    visit_row,
    write_scores,
    write_travel_times,
    write_unassigned_trips,
    write_vehicle_predictions,
    write_visits,
)
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import TripPrediction, VehiclePrediction
from services.transit.timetable import versions
from services.transit.travel_times.link_history import LinkHistory
from services.transit.travel_times.link_times import TravelTimes

log = logging.getLogger(__name__)

TICK_S = 15.0
PUBLISHED_S = 120.0
"""For how long it holds what is said of a journey without a bus: beyond, whoever said it is not there any more."""
PUBLISHED_TICKS = 4
"""The same in ticks, where simulated time makes them long. What holds for half of it yet is not said again."""
MAX_PENDING_ROWS = 200_000
"""Visits and scores that wait for a database or a repair."""
NO_FIX_DEGREES = 0.01
"""So near to 0, 0 no bus runs: receivers without a fix say so."""

_COLUMN = {name: index for index, name in enumerate(BUS.columns)}
_UNTRUE = int(Flag.FUTURE | Flag.RETAINED | Flag.BACKFILL)
_LAT, _LON, _START = _COLUMN["lat"], _COLUMN["lon"], _COLUMN["start_time"]
_SAME = [name for name in PositionReport.__struct_fields__ if name in _COLUMN]
"""What a reading and a report call by the same name."""


def vehicle_name(reading: Reading) -> str:
    """What a vehicle is called among those of all municipalities."""
    return f"{reading.municipality}.{reading.device}"


def position_report_of(reading: Reading) -> PositionReport | None:
    """What following needs of a reading; None where it says nothing of where a bus is, or was never true."""
    lat, lon = reading.values[_LAT], reading.values[_LON]
    if not isinstance(lat, float) or not isinstance(lon, float) or int(reading.flags) & _UNTRUE:
        return None
    if abs(lat) < NO_FIX_DEGREES and abs(lon) < NO_FIX_DEGREES:
        return None
    claims = {name: reading.values[_COLUMN[name]] for name in _SAME}
    return PositionReport(
        vehicle=vehicle_name(reading),
        at=reading.observed_at.timestamp(),
        latitude=lat,
        longitude=lon,
        start_s=_seconds(reading.values[_START]),
        **claims,  # type: ignore[arg-type]  # each of its column's type
    )


def _seconds(clock: object) -> int | None:
    """HH:MM or HH:MM:SS after the zero of the service date, in seconds."""
    if not isinstance(clock, str):
        return None
    hours, minutes, *seconds = map(int, clock.split(":"))
    return 3_600 * hours + 60 * minutes + sum(seconds)


@dataclass(slots=True)
class FleetStatus:
    """What following came to since the process started."""

    bus_positions: int = 0
    bus_vehicles: int = 0
    bus_faults: int = 0


@dataclass(slots=True)
class PendingRows:
    """What came of reports and no commit has confirmed yet. `visits` by their key; `links` by name."""

    predictions: dict[str, VehiclePrediction] = field(default_factory=dict)
    visits: dict[Row, Row] = field(default_factory=dict)
    scores: list[ScoredPrediction] = field(default_factory=list)
    links: dict[str, LinkHistory] = field(default_factory=dict)


class FleetUpdater:
    """The fleet of one pipeline, with what it owes the tables. One thread only."""

    def __init__(self) -> None:
        """Knows no timetable yet: the first transaction it sees tells."""
        self.status = FleetStatus()
        self._fleet: Fleet | None = None
        self._newest_reports: dict[str, PositionReport] = {}
        self._predictions: dict[str, VehiclePrediction] = {}
        self._pending = PendingRows()
        self._wrote_pending = False
        self._published_trips: dict[Key, tuple[TripPrediction, datetime]] | None = None
        self._ticked_at: datetime | None = None
        self._load_tried_at: datetime | None = None

    # With each batch

    def has_positions(self, fresh: Sequence[CheckedReading]) -> bool:
        """Whether a batch has anything to follow."""
        return any(entry.reading.kind == BUS.name for entry in fresh)

    def position_reports(
        self, transaction: Connection, fresh: Sequence[CheckedReading], now: datetime
    ) -> list[PositionReport]:
        """The positions of a batch in the order of the devices' times; none while there is no timetable."""
        if self._fleet is None and _long_ago(self._load_tried_at, now):
            self._load_fleet(transaction, now)
        if self._fleet is None:
            return []
        found = (position_report_of(entry.reading) for entry in fresh if entry.reading.kind == BUS.name)
        return sorted((one for one in found if one is not None), key=_at)

    def follow_at(self, now: datetime) -> Callable[[Sequence[PositionReport]], None]:
        """Follows reports. One that is taken twice moves nothing the second time."""
        at = now.timestamp()
        return lambda reports: self._follow(reports, at)

    def reset_vehicle(self, report: PositionReport, trouble: Exception) -> None:
        """A report that cannot be followed costs what was believed of its vehicle, and nobody else."""
        log.error("could not follow a bus", extra={"action": "follow", "vehicle": report.vehicle}, exc_info=trouble)
        self.status.bus_faults += 1
        self._pending.predictions.pop(report.vehicle, None)
        if self._fleet is not None:
            self._fleet.reset_vehicle(report.vehicle)

    def record_failure(self, trouble: Exception) -> None:
        """Nothing of a batch, or of a tick, could be followed."""
        log.error("could not follow the buses", extra={"action": "follow"}, exc_info=trouble)
        self.status.bus_faults += 1
        self.after_rollback()

    def write_pending(self, transaction: Connection, now: datetime) -> None:
        """Write what no commit has confirmed."""
        fleet, owed = self._fleet, self._pending
        if fleet is not None:
            write_vehicle_predictions(
                transaction, [(one, fleet.saved_state(name)) for name, one in owed.predictions.items()]
            )
            write_visits(transaction, owed.visits.values())
            write_scores(transaction, owed.scores, fleet.network.zone)
            write_travel_times(transaction, owed.links.items(), fleet.travel_times.source_weights, now)
            self._wrote_pending = True

    def after_commit(self) -> None:
        """The transaction is committed, with what was written in it."""
        if self._wrote_pending:
            self._pending, self._wrote_pending = PendingRows(), False

    def after_rollback(self) -> None:
        """What was written may not have been committed: it is still owed, and what was said is looked up again."""
        self._published_trips, self._wrote_pending = None, False
        if len(self._pending.visits) + len(self._pending.scores) > MAX_PENDING_ROWS:
            self._pending = PendingRows(predictions=self._pending.predictions)

    def _follow(self, reports: Sequence[PositionReport], at: float) -> None:
        assert self._fleet is not None
        owed, network = self._pending, self._fleet.network
        for report in reports:
            followed = self._fleet.follow_report(report, at)
            owed.predictions[report.vehicle] = self._predictions[report.vehicle] = followed.prediction
            rows = (visit_row(network, visit) for visit in followed.visits)
            owed.visits.update({row[:VISIT_KEY_COLUMNS]: row for row in rows if row is not None})
            owed.scores += followed.scores
            newest = self._newest_reports.get(report.vehicle)
            if newest is None or newest.at < report.at:
                self._newest_reports[report.vehicle] = report
        self.status.bus_positions += len(reports)

    # With time

    def is_tick_due(self, now: datetime) -> bool:
        """Whether it is time to `tick`."""
        return _long_ago(self._ticked_at, now)

    def tick(self, transaction: Connection, now: datetime) -> None:
        """Let time pass: another timetable, journeys nobody makes, vehicles gone silent, what was learnt."""
        version = versions.current_version(transaction)
        if self._fleet is None or self._fleet.network.version != version:
            self._load_fleet(transaction, now)
        if self._fleet is None:
            return
        self._fleet.remove_stale(now.timestamp())
        self._clear_silent_vehicles(self._fleet, now.timestamp())
        self._pending.links.update(self._fleet.travel_times.pop_changed_links())
        self.write_pending(transaction, now)
        since_s = TICK_S if self._ticked_at is None else (now - self._ticked_at).total_seconds()
        self._publish_unassigned_trips(
            transaction, self._fleet, now, timedelta(seconds=max(PUBLISHED_S, PUBLISHED_TICKS * since_s))
        )
        self._ticked_at = now
        self.status.bus_vehicles = len(self._newest_reports)

    def _load_fleet(self, transaction: Connection, now: datetime) -> None:
        """Follow on the timetable in force, from where memory or, after a start, the tables leave off.

        On another than before each vehicle's last position is followed once more.
        """
        self._load_tried_at = now
        network = versions.load(transaction)
        if network is None:
            self._fleet = None
            return
        before, since = self._fleet, now - timedelta(seconds=STARTED_KEPT_S)
        fleet = Fleet(network, before.travel_times if before else TravelTimes())
        fleet.restore_trips(read_unassigned_trips(transaction, since).values(), read_last_stops(transaction, since))
        if before is None:
            fleet.travel_times.restore(*read_travel_times(transaction))
            for outlook, belief in read_vehicles(transaction, now - timedelta(seconds=STATE_KEPT_S)):
                self._restore_vehicle(fleet, outlook, belief)
        self._fleet = fleet
        if before is not None:
            self._pending.predictions.clear()
            bisect_failures(sorted(self._newest_reports.values(), key=_at), self.follow_at(now), self.reset_vehicle)

    def _restore_vehicle(self, fleet: Fleet, outlook: VehiclePrediction, belief: str) -> None:
        try:
            fleet.restore_vehicle(outlook.vehicle, belief, outlook)
        except msgspec.DecodeError:
            log.info("another version's belief: begun anew", extra={"action": "follow", "vehicle": outlook.vehicle})
        else:
            self._predictions[outlook.vehicle] = outlook

    def _clear_silent_vehicles(self, fleet: Fleet, at: float) -> None:
        """Who has not been heard for long comes nowhere: an estimate nobody stands behind any more is taken back.

        Of one that was dropped the fleet knows nothing that could be written instead.
        """
        for vehicle, outlook in list(self._predictions.items()):
            silent_s = at - outlook.matched_position.at
            if silent_s > STATE_KEPT_S:
                del self._predictions[vehicle]
                self._newest_reports.pop(vehicle, None)
                self._pending.predictions.pop(vehicle, None)
            elif silent_s > SILENT_AFTER_S and outlook.trips and fleet.is_followed(vehicle):
                gone = msgspec.structs.replace(outlook, trips=())
                self._pending.predictions[vehicle] = self._predictions[vehicle] = gone

    def _publish_unassigned_trips(self, transaction: Connection, fleet: Fleet, now: datetime, holds: timedelta) -> None:
        """Write what changed of the journeys nobody makes, and take back what is said of them no more."""
        said = self._published_trips
        if said is None:
            said = {key: (one, now) for key, one in read_unassigned_trips(transaction, now).items()}
        expected = {journey_key(one): one for one in fleet.unassigned_trips(now.timestamp())}
        fresh = [one for key, one in expected.items() if not _holds(said.get(key), one, now + holds / 2)]
        write_unassigned_trips(transaction, fresh, now + holds)
        write_unassigned_trips(transaction, [one for key, (one, _) in said.items() if key not in expected], now)
        self._published_trips = {key: before for key, before in said.items() if key in expected}
        self._published_trips |= {journey_key(one): (one, now + holds) for one in fresh}


def _at(report: PositionReport) -> float:
    return report.at


def _long_ago(then: datetime | None, now: datetime) -> bool:
    """Whether it is a tick or more since then, or never was."""
    return then is None or (now - then).total_seconds() >= TICK_S


def _holds(said: tuple[TripPrediction, datetime] | None, coming: TripPrediction, until: datetime) -> bool:
    """Whether the same is said already, until then at least."""
    return said is not None and said[1] > until and said[0] == coming
