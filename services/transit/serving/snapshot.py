"""What is known of a city's buses at one moment. A view never changes: the next is made from it and what is new."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace as with_fields

from models.network import Journey, Network
from services.transit.model.prediction import Basis, TripPrediction, VehiclePrediction
from services.transit.model.service_alert import ServiceAlert
from services.transit.model.stop_index import StopIndex
from services.transit.timetable.scheduled_arrivals import Key, ScheduledArrivals
from services.transit.travel_times.stalled_vehicles import is_expired

SILENT_S = 300.0
"""A bus not heard for longer is said not to report, whatever was last estimated: trackers may be minutes apart."""
GONE_S = 600.0
"""A bus not heard for longer is nowhere: no ghosts."""
FORGOTTEN_S = 3_600.0
"""How long a vehicle's last place is kept behind the newest report of all."""
FEED_SILENT_S = 300.0
AHEAD_S = 180.0
"""A report from farther ahead than this is of another time: a clock that was set back, or a demo begun anew."""


class Health(StrEnum):
    """How well an agency's buses are heard."""

    LIVE = "live"
    SILENT = "silent"
    """None of its buses was heard for FEED_SILENT_S: what is told is the timetable."""
    BLIND = "blind"
    """This process cannot read what the others write: what it tells is old."""


class Expected(Struct, frozen=True, gc=False):
    """What is said, until a moment, of a journey no vehicle makes."""

    coming: TripPrediction
    until: float


class Due(Struct, frozen=True, gc=False):
    """One journey as one vehicle makes it, or as it is expected where no vehicle does (`outlook` None).

    `turn`: 0 for what the vehicle does now, 1 for its next journey and so on.
    """

    key: Key
    journey: Journey
    coming: TripPrediction
    outlook: VehiclePrediction | None = None
    turn: int = 0
    until: float = 0.0


@dataclass(frozen=True)
class TransitSnapshot:
    """One moment's knowledge. `number` tells it from every other of this process.

    `dues`: by journey, who may make it, the most credible first. `along`: by pattern, the journeys with a due.
    `heard`: by agency, the newest report, Unix seconds; under "" that of all. `blind`: see Health.
    """

    network: Network
    planned: ScheduledArrivals
    near: StopIndex
    number: int = 0
    outlooks: Mapping[str, VehiclePrediction] = field(default_factory=dict)
    dues: Mapping[Key, tuple[Due, ...]] = field(default_factory=dict)
    along: Mapping[int, tuple[Key, ...]] = field(default_factory=dict)
    heard: Mapping[str, float] = field(default_factory=dict)
    alerts: tuple[ServiceAlert, ...] = ()
    blind: bool = False

    def due(self, key: Key, now: float) -> Due | None:
        """Who makes a journey, or what is expected of it; None where only the timetable speaks of it."""
        for due in self.dues.get(key, ()):
            current = _as_of(due, now)
            if current is not None:
                return current
        return None

    def dues_along(self, pattern: int, now: float) -> Iterable[Due]:
        """What is known of the journeys along a pattern."""
        for key in self.along.get(pattern, ()):
            due = self.due(key, now)
            if due is not None:
                yield due

    def health(self, now: float, agency_id: str = "") -> Health:
        """How well an agency's buses are heard; of any agency, where none is named."""
        if self.blind:
            return Health.BLIND
        return Health.LIVE if now - self.heard.get(agency_id, 0.0) <= FEED_SILENT_S else Health.SILENT


def empty(network: Network, number: int = 0) -> TransitSnapshot:
    """A view of a network of whose buses nothing is known."""
    return TransitSnapshot(network, ScheduledArrivals(network), StopIndex(network), number)


def with_changes(
    view: TransitSnapshot,
    outlooks: Iterable[VehiclePrediction] = (),
    expected: Iterable[Expected] = (),
    alerts: tuple[ServiceAlert, ...] | None = None,
    now: float = inf,
) -> TransitSnapshot:
    """The view once more is known: vehicles' outlooks and journeys' expectations that changed, and all alerts.

    What was heard more than AHEAD_S after `now`, Unix seconds, is left out.
    """
    making = _Making(view)
    for outlook in outlooks:
        if outlook.matched_position.at <= now + AHEAD_S:
            making.take(outlook)
    for one in expected:
        making.expect(one)
    making.forget()
    return making.made(view.alerts if alerts is None else alerts)


def marked_stale(view: TransitSnapshot) -> TransitSnapshot:
    """The same view, known to be old."""
    return view if view.blind else replace(view, number=view.number + 1, blind=True)


def key_of(coming: TripPrediction) -> Key:
    """Which journey it speaks of."""
    return (coming.trip_id, coming.service_date, coming.start_s)


class _Making:
    """The next view while it is made: copies of what changes; tuples are replaced, never changed."""

    def __init__(self, view: TransitSnapshot) -> None:
        self._view = view
        self._outlooks = dict(view.outlooks)
        self._dues = dict(view.dues)
        self._along = dict(view.along)
        self._heard = dict(view.heard)

    def take(self, outlook: VehiclePrediction) -> None:
        known = self._outlooks.get(outlook.vehicle)
        if known is not None:
            self._drop(known)
        self._outlooks[outlook.vehicle] = outlook
        self._hear("", outlook.matched_position.at)
        if outlook.version != self._view.network.version:
            return  # its patterns are another timetable's: only its place holds
        for turn, coming in enumerate(outlook.trips):
            journey = self._journey(coming)
            if journey is not None:
                self._add(Due(key_of(coming), journey, coming, outlook, turn))
        trip = self._view.network.trips.get(outlook.matched_position.trip_id)
        if trip is not None:
            route = self._view.network.routes[self._view.network.patterns[trip.pattern].route_id]
            self._hear(route.agency_id, outlook.matched_position.at)

    def expect(self, expected: Expected) -> None:
        key, journey = key_of(expected.coming), self._journey(expected.coming)
        self._without(key, lambda due: due.outlook is None)
        if journey is not None:
            self._add(Due(key, journey, expected.coming, until=expected.until))

    def forget(self) -> None:
        """Let go of what nobody would be told any more."""
        before = self._heard.get("", 0.0) - FORGOTTEN_S
        for outlook in [one for one in self._outlooks.values() if one.matched_position.at < before]:
            self._drop(outlook)
            del self._outlooks[outlook.vehicle]
        stale = [due.key for dues in self._dues.values() for due in dues if due.outlook is None and due.until < before]
        for key in stale:
            self._without(key, lambda due: due.outlook is None)

    def made(self, alerts: tuple[ServiceAlert, ...]) -> TransitSnapshot:
        return replace(
            self._view,
            number=self._view.number + 1,
            outlooks=MappingProxyType(self._outlooks),
            dues=MappingProxyType(self._dues),
            along=MappingProxyType(self._along),
            heard=MappingProxyType(self._heard),
            alerts=alerts,
            blind=False,
        )

    def _journey(self, coming: TripPrediction) -> Journey | None:
        """The journey a coming speaks of; None where it is not of this network."""
        journey = self._view.planned.journey(key_of(coming))
        return journey if journey is not None and journey.trip.pattern == coming.pattern else None

    def _hear(self, agency_id: str, at: float) -> None:
        self._heard[agency_id] = max(at, self._heard.get(agency_id, 0.0))

    def _drop(self, outlook: VehiclePrediction) -> None:
        for coming in outlook.trips:
            self._without(key_of(coming), lambda due: due.outlook is outlook)

    def _add(self, due: Due) -> None:
        known = self._dues.get(due.key)
        if known is None:
            pattern = due.journey.trip.pattern
            self._along[pattern] = (*self._along.get(pattern, ()), due.key)
        self._dues[due.key] = tuple(sorted((*(known or ()), due), key=_credibility))

    def _without(self, key: Key, unwanted: Callable[[Due], bool]) -> None:
        known = self._dues.get(key)
        if known is None:
            return
        kept = tuple(due for due in known if not unwanted(due))
        if kept:
            self._dues[key] = kept
            return
        del self._dues[key]
        pattern = known[0].journey.trip.pattern
        self._along[pattern] = tuple(other for other in self._along[pattern] if other != key)


def _credibility(due: Due) -> tuple[bool, int, float]:
    """The most credible sorts first: a vehicle before none, what it does before what it will do, then how sure."""
    return (due.outlook is None, due.turn, -due.outlook.matched_position.probability if due.outlook else 0.0)


def _as_of(due: Due, now: float) -> Due | None:
    """What is still true of it at a moment: a silent vehicle says less, then nothing."""
    if due.outlook is None:
        return due if now <= due.until else None
    silent_s = now - due.outlook.matched_position.at
    if silent_s > GONE_S or (
        due.coming.basis is not Basis.NOT_COMING and is_expired(due.outlook.matched_position, now)
    ):
        return None
    if silent_s > SILENT_S and due.coming.basis in (Basis.LIVE, Basis.RECENT):
        return with_fields(due, coming=with_fields(due.coming, basis=Basis.NOT_REPORTING, reason="silent"))
    return due
