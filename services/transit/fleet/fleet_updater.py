"""Follow buses within the pipeline's transaction: positions in; predictions, stop visits and travel times to rows.

The fleet in memory may be ahead of the tables, never behind. A report that comes again after a rollback changes
nothing, and the rows that it led to are kept here until a commit is confirmed. Travel times are written each TICK_S
only: a killed process loses that much learning, and no visit.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from ingest.store import CheckedReading
from models.kinds.bus import BUS
from services.runtime.bisect import bisect_failures
from services.transit.fleet.assigned_trips import STARTED_KEPT_S
from services.transit.fleet.fleet import SILENT_AFTER_S, STATE_KEPT_S, Fleet
from services.transit.fleet.readings import position_report_of
from services.transit.fleet.rows import (
    VISIT_KEY_COLUMNS,
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
from services.transit.fleet.stop_visits import Key
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import TripPrediction, VehiclePrediction
from services.transit.prediction.pending_predictions import ScoredPrediction
from services.transit.timetable import versions
from services.transit.travel_times.link_history import LinkHistory
from services.transit.travel_times.link_times import TravelTimes

log = logging.getLogger(__name__)

TICK_S = 15.0
"""Time from one tick to the next."""
VALID_S = 120.0
"""A published prediction without a vehicle is valid for this long; after that, whoever published it is gone."""
VALID_TICKS = 4
"""The same in ticks, for simulated time, where ticks are long. A prediction valid for half of it is not written again.
"""
MAX_PENDING_ROWS = 200_000
"""Visits and scores that wait for a commit. Beyond this number they are dropped."""


@dataclass(slots=True)
class FleetStatus:
    """Counts since the process started: positions followed, vehicles known, failures to follow."""

    bus_positions: int = 0
    bus_vehicles: int = 0
    bus_faults: int = 0


@dataclass(slots=True)
class PendingRows:
    """Results of reports that no commit has confirmed yet.

    `predictions`: by vehicle. `visits`: rows by their key columns. `links`: changed links by id.
    """

    predictions: dict[str, VehiclePrediction] = field(default_factory=dict)
    visits: dict[Row, Row] = field(default_factory=dict)
    scores: list[ScoredPrediction] = field(default_factory=list)
    links: dict[str, LinkHistory] = field(default_factory=dict)


class FleetUpdater:
    """The fleet of one pipeline, and the rows it has yet to write. For one thread only."""

    def __init__(self) -> None:
        """Start without a timetable. The first transaction loads it."""
        self.status = FleetStatus()
        self._fleet: Fleet | None = None
        self._newest_reports: dict[str, PositionReport] = {}
        self._predictions: dict[str, VehiclePrediction] = {}
        self._pending = PendingRows()
        self._wrote_pending = False
        self._published_trips: dict[Key, tuple[TripPrediction, datetime]] | None = None
        self._ticked_at: datetime | None = None
        self._load_tried_at: datetime | None = None

    # Once a batch

    def has_positions(self, fresh: Sequence[CheckedReading]) -> bool:
        """Whether a batch has any reading of a bus."""
        return any(entry.reading.kind == BUS.name for entry in fresh)

    def position_reports(
        self, transaction: Connection, fresh: Sequence[CheckedReading], now: datetime
    ) -> list[PositionReport]:
        """The position reports of a batch, sorted by the devices' times. None while no timetable is in force."""
        if self._fleet is None and _tick_has_passed(self._load_tried_at, now):
            self._load_fleet(transaction, now)
        if self._fleet is None:
            return []
        reports = (position_report_of(entry.reading) for entry in fresh if entry.reading.kind == BUS.name)
        return sorted((report for report in reports if report is not None), key=_at)

    def follow_at(self, now: datetime) -> Callable[[Sequence[PositionReport]], None]:
        """A function that follows reports received now. A report followed twice changes nothing the second time."""
        at = now.timestamp()
        return lambda reports: self._follow(reports, at)

    def reset_vehicle(self, report: PositionReport, error: Exception) -> None:
        """Log a report that cannot be followed, and delete the state of its vehicle. No other vehicle is affected."""
        log.error("could not follow a bus", extra={"action": "follow", "vehicle": report.vehicle}, exc_info=error)
        self.status.bus_faults += 1
        self._pending.predictions.pop(report.vehicle, None)
        if self._fleet is not None:
            self._fleet.reset_vehicle(report.vehicle)

    def record_failure(self, error: Exception) -> None:
        """Log that a whole batch, or a tick, could not be followed."""
        log.error("could not follow the buses", extra={"action": "follow"}, exc_info=error)
        self.status.bus_faults += 1
        self.after_rollback()

    def write_pending(self, transaction: Connection, now: datetime) -> None:
        """Write all rows that no commit has confirmed."""
        fleet, pending = self._fleet, self._pending
        if fleet is not None:
            write_vehicle_predictions(
                transaction,
                [(prediction, fleet.saved_state(vehicle)) for vehicle, prediction in pending.predictions.items()],
            )
            write_visits(transaction, pending.visits.values())
            write_scores(transaction, pending.scores, fleet.network.zone)
            write_travel_times(transaction, pending.links.items(), fleet.travel_times.source_weights, now)
            self._wrote_pending = True

    def after_commit(self) -> None:
        """Drop the rows that the committed transaction wrote."""
        if self._wrote_pending:
            self._pending, self._wrote_pending = PendingRows(), False

    def after_rollback(self) -> None:
        """Keep the rows: they may not be committed. The published predictions are read from the table again."""
        self._published_trips, self._wrote_pending = None, False
        if len(self._pending.visits) + len(self._pending.scores) > MAX_PENDING_ROWS:
            self._pending = PendingRows(predictions=self._pending.predictions)

    def _follow(self, reports: Sequence[PositionReport], at: float) -> None:
        assert self._fleet is not None
        pending, network = self._pending, self._fleet.network
        for report in reports:
            result = self._fleet.follow_report(report, at)
            pending.predictions[report.vehicle] = self._predictions[report.vehicle] = result.prediction
            rows = (visit_row(network, visit) for visit in result.visits)
            pending.visits.update({row[:VISIT_KEY_COLUMNS]: row for row in rows if row is not None})
            pending.scores += result.scores
            newest = self._newest_reports.get(report.vehicle)
            if newest is None or newest.at < report.at:
                self._newest_reports[report.vehicle] = report
        self.status.bus_positions += len(reports)

    # Once a tick

    def is_tick_due(self, now: datetime) -> bool:
        """Whether it is time to `tick`."""
        return _tick_has_passed(self._ticked_at, now)

    def tick(self, transaction: Connection, now: datetime) -> None:
        """Load a new timetable, clear silent vehicles, write travel times, publish trips without a vehicle."""
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
            transaction, self._fleet, now, timedelta(seconds=max(VALID_S, VALID_TICKS * since_s))
        )
        self._ticked_at = now
        self.status.bus_vehicles = len(self._newest_reports)

    def _load_fleet(self, transaction: Connection, now: datetime) -> None:
        """Make the fleet of the timetable in force.

        After a start it continues from the tables. After a change of timetable it keeps the travel times in memory, and
        each vehicle's newest report is followed again.
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
            for prediction, saved_state in read_vehicles(transaction, now - timedelta(seconds=STATE_KEPT_S)):
                self._restore_vehicle(fleet, prediction, saved_state)
        self._fleet = fleet
        if before is not None:
            self._pending.predictions.clear()
            bisect_failures(sorted(self._newest_reports.values(), key=_at), self.follow_at(now), self.reset_vehicle)

    def _restore_vehicle(self, fleet: Fleet, prediction: VehiclePrediction, saved_state: str) -> None:
        vehicle = prediction.vehicle
        try:
            fleet.restore_vehicle(vehicle, saved_state, prediction)
        except msgspec.DecodeError:
            log.info("could not read a vehicle's saved state", extra={"action": "follow", "vehicle": vehicle})
        else:
            self._predictions[vehicle] = prediction

    def _clear_silent_vehicles(self, fleet: Fleet, at: float) -> None:
        """Withdraw the predictions of vehicles not heard for SILENT_AFTER_S.

        A vehicle that was reset has no state to write, so its prediction stays as it is.
        """
        for vehicle, prediction in list(self._predictions.items()):
            silent_s = at - prediction.matched_position.at
            if silent_s > STATE_KEPT_S:
                del self._predictions[vehicle]
                self._newest_reports.pop(vehicle, None)
                self._pending.predictions.pop(vehicle, None)
            elif silent_s > SILENT_AFTER_S and prediction.trips and fleet.is_followed(vehicle):
                cleared = msgspec.structs.replace(prediction, trips=())
                self._pending.predictions[vehicle] = self._predictions[vehicle] = cleared

    def _publish_unassigned_trips(
        self, transaction: Connection, fleet: Fleet, now: datetime, valid_for: timedelta
    ) -> None:
        """Write the changed predictions of trips without a vehicle, and end those of trips that now have one."""
        published = self._published_trips
        if published is None:
            published = {key: (trip, now) for key, trip in read_unassigned_trips(transaction, now).items()}
        trips = {journey_key(trip): trip for trip in fleet.unassigned_trips(now.timestamp())}
        changed = [
            trip for key, trip in trips.items() if not _is_published(published.get(key), trip, now + valid_for / 2)
        ]
        write_unassigned_trips(transaction, changed, now + valid_for)
        write_unassigned_trips(transaction, [trip for key, (trip, _) in published.items() if key not in trips], now)
        self._published_trips = {key: entry for key, entry in published.items() if key in trips}
        self._published_trips |= {journey_key(trip): (trip, now + valid_for) for trip in changed}


def _at(report: PositionReport) -> float:
    return report.at


def _tick_has_passed(since: datetime | None, now: datetime) -> bool:
    """Whether TICK_S or more has passed. True if `since` is None."""
    return since is None or (now - since).total_seconds() >= TICK_S


def _is_published(published: tuple[TripPrediction, datetime] | None, trip: TripPrediction, until: datetime) -> bool:
    """Whether the same prediction is published already, and valid beyond `until`."""
    return published is not None and published[1] > until and published[0] == trip
