"""The whole chain for many vehicles: a report comes in, a place, stops passed and estimates come out. All in memory.

Reports may come late and in any order. Each vehicle keeps its last reports with what was believed and learnt after
each; an older one is put where it belongs, what came after it is taken back, unlearnt, and gone through again.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec
from msgspec import Struct, field

from models.network import Journey, Network, Pattern
from services.transit.belief import Belief
from services.transit.estimate import Basis, Coming, Outlook, Phase, Place
from services.transit.history import Departed, History, Lesson
from services.transit.journeys import Journeys
from services.transit.match import Matcher
from services.transit.passages import Crossing, Track, advance, begin, keeps_time, passage
from services.transit.predict import (
    HORIZON_S,
    Prospect,
    from_stop,
    journey_of,
    leaving,
    onward,
    predict,
    prospect,
    ride,
    withdrawn,
)
from services.transit.report import Report
from services.transit.spread import KNOTS_S

Key = tuple[str, str, int]
"""Of a journey: trip, service date as YYYYMMDD, start."""

MOST_KEPT = 40
"""Reports of one vehicle kept to be gone through again, and for how long behind its newest."""
KEPT_S = 2_700.0
MOST_SAMPLES = 600
"""Estimates of one vehicle that wait to come true."""
GONE_S = 600.0
"""A vehicle not heard for longer makes no journey any more."""
HEARD_S = 1_800.0
"""A line whose buses were heard within this time is one that reports: a journey without a bus is then a bus missing."""
FORGOTTEN_S = 3_600.0
LEAST_PATIENCE_S, MOST_PATIENCE_S = 180.0, 600.0
"""How long past its departure a journey without a vehicle is still told: the P90 of lateness, within these bounds."""
MOST_JOURNEYS = 20_000
MOST_DONE_S = 7_200.0


class Visit(Struct, frozen=True, gc=False):
    """A vehicle reached a stop of its journey. `left_at`: when it left, 0 where nobody saw. Instants are Unix seconds.

    One that was told before and is told again with other times was corrected by a late report.
    """

    vehicle: str
    trip_id: str
    service_date: str
    start_s: int
    pattern: int
    position: int
    stop_id: str
    arrived_at: float
    left_at: float = 0.0


class Score(Struct, frozen=True, gc=False):
    """How one estimate came true. `error_s`: actual less median, positive where the bus came later than told.

    `horizon_s`: how far ahead the arrival really was; `told_s`: how far ahead it was told to be.
    """

    route_id: str
    at: float
    horizon_s: float
    told_s: float
    error_s: float
    rider_error_s: float
    inside: bool


class Sample(Struct, frozen=True, gc=False):
    """An estimate that waits to come true. `raw`, `spread_s`: what it was made from."""

    made_at: float
    raw: float
    spread_s: float
    p10: float
    p50: float
    p90: float
    rider: float


class Call(Struct, frozen=True, gc=False):
    """A vehicle says itself that it stands at a stop of its journey: doors, beacons or people saw it.

    `arrived_at`, `left_at`: Unix seconds, 0 where not known (yet).
    """

    vehicle: str
    journey: Journey
    position: int
    arrived_at: float = 0.0
    left_at: float = 0.0


class Followed(Struct, frozen=True, gc=False):
    """What a report led to. `visits`: stops reached since, and those corrected; `scores`: estimates that came true."""

    place: Place
    visits: tuple[Visit, ...]
    outlook: Outlook
    scores: tuple[Score, ...]


class Kept(Struct, frozen=True):
    """What following one vehicle goes on from after a restart."""

    belief: Belief
    track: Track | None = None


class Step(Struct, frozen=True):
    """One report, and what was believed and learnt after it."""

    report: Report
    belief: Belief
    track: Track | None
    lessons: tuple[Lesson | Departed, ...] = ()


class Trail(Struct):
    """One vehicle's last steps, oldest first; what stood before them; and the estimates that wait to come true."""

    before: Kept | None = None
    steps: list[Step] = field(default_factory=list)
    samples: dict[tuple[Key, int], dict[int, Sample]] = field(default_factory=dict)
    outlook: Outlook | None = None
    called: Track | None = None


class Fleet:
    """Every vehicle of a city on one timetable. Decides nothing by a clock: it is told what time it is."""

    def __init__(self, network: Network, history: History) -> None:
        self.network = network
        self.history = history
        self._matcher = Matcher(network)
        self._planned = Journeys(network)
        self._trails: dict[str, Trail] = {}
        self._journeys: dict[Key, Journey] = {}
        self._heard: dict[str, float] = {}
        self._done: dict[Key, float] = {}

    # One report

    def take(self, report: Report, now: float) -> Followed:
        """Follow a vehicle to where it says it is, or was: a late report is put where it belongs.

        `now`: when it was received. One as old as another of the same vehicle, or older than all that is kept, only
        repeats what is believed already.
        """
        trail = self._trails.setdefault(report.vehicle, Trail())
        visits, scores = self._put(trail, report)
        place = _last(trail).belief.place()
        prospects = predict(self.network, place, self.history, now)
        self._note(trail, prospects, now)
        trail.outlook = Outlook(
            report.vehicle,
            self.network.version,
            place,
            tuple(one.coming for one in prospects),
            report.speed_ms,
            report.bearing_deg,
            report.occupancy,
        )
        if place.pattern >= 0:
            route_id = self.network.patterns[place.pattern].route_id
            self._heard[route_id] = max(place.at, self._heard.get(route_id, 0.0))
        return Followed(place, visits, trail.outlook, scores)

    def call(self, call: Call, now: float) -> Followed:
        """Follow a vehicle that names its stops: nothing to match, nothing to interpolate, and its dwell is seen."""
        trail = self._trails.setdefault(call.vehicle, Trail())
        journey, pattern = call.journey, self.network.patterns[call.journey.trip.pattern]
        known = trail.called.last if trail.called is not None and trail.called.key == journey.key else None
        again = known is not None and known.position == call.position
        at = known.at if known is not None and again else call.arrived_at or call.left_at
        crossing = Crossing(call.position, at, call.left_at)
        latest = max(at, call.left_at)
        trail.called = Track(journey.key, latest, pattern.stop_m[call.position], call.position + 1, crossing)
        scores: tuple[Score, ...] = ()
        if not again:
            for _ in self._lessons(call.vehicle, journey, pattern, known, (crossing,)):
                pass
            scores = tuple(self._score(trail, journey, pattern, crossing))
        start = from_stop(pattern, crossing, self.history)
        prospects = onward(self.network, journey, start, self.history, now)
        self._note(trail, prospects, now)
        place = _at_stop(self.network, journey, pattern, call.position, latest)
        comings = tuple(one.coming for one in prospects)
        trail.outlook = Outlook(call.vehicle, self.network.version, place, comings)
        return Followed(place, (_visit(call.vehicle, journey, pattern, crossing),), trail.outlook, scores)

    def _put(self, trail: Trail, report: Report) -> tuple[tuple[Visit, ...], tuple[Score, ...]]:
        after = next((at for at in range(len(trail.steps), 0, -1) if trail.steps[at - 1].report.at <= report.at), 0)
        if after and trail.steps[after - 1].report.at == report.at:
            return (), ()
        if not after and trail.before is not None and trail.before.belief.at >= report.at:
            return (), ()
        undone = trail.steps[after:]
        del trail.steps[after:]
        for lesson in chain.from_iterable(step.lessons for step in reversed(undone)):
            self.history.unlearn(lesson)
        visits: list[Visit] = []
        scores: list[Score] = []
        for one in (report, *(step.report for step in undone)):
            visits += self._go_on(trail, one, scores)
        _trim(trail)
        return tuple(visits), tuple(scores)

    def _go_on(self, trail: Trail, report: Report, scores: list[Score]) -> list[Visit]:
        before = trail.steps[-1] if trail.steps else trail.before
        belief = self._matcher.match(before.belief if before else None, report)
        place = belief.place()
        journey = self._journey(place) if place.phase in (Phase.IN_PROGRESS, Phase.LAYOVER) else None
        track = before.track if before else None
        if journey is None or place.at != report.at:
            trail.steps.append(Step(report, belief, track))
            return []
        pattern = self.network.patterns[journey.trip.pattern]
        track, crossings = _tracked(track, journey, pattern, place)
        previous = before.track.last if before and before.track and before.track.key == track.key else None
        lessons = tuple(self._lessons(report.vehicle, journey, pattern, previous, crossings))
        trail.steps.append(Step(report, belief, track, lessons))
        for crossing in crossings:
            scores += self._score(trail, journey, pattern, crossing)
        if crossings:
            self._done[journey.key] = report.at
        return [_visit(report.vehicle, journey, pattern, crossing) for crossing in crossings]

    def _lessons(
        self, vehicle: str, journey: Journey, pattern: Pattern, previous: Crossing | None, crossings: Iterable[Crossing]
    ) -> Iterator[Lesson | Departed]:
        """A link is learnt once its far end has been passed and the position beyond it has arrived."""
        for crossing in crossings:
            if previous is not None:
                one = passage(journey, pattern, vehicle, previous, crossing)
                if one is not None:
                    yield self.history.learn(one)
            if crossing.position == 0 and keeps_time(journey):
                late_s = crossing.at - journey.start_at
                yield self.history.learn_departure(pattern.link_ids[0], journey.start_s, late_s)
            previous = crossing

    def _journey(self, place: Place) -> Journey | None:
        key = (place.trip_id, place.service_date, place.start_s)
        known = self._journeys.get(key)
        if known is None:
            known = journey_of(self.network, place)
            if known is None:
                return None
            if len(self._journeys) >= MOST_JOURNEYS:
                self._journeys.clear()
            self._journeys[key] = known
        return known

    # Estimates coming true

    def _note(self, trail: Trail, prospects: tuple[Prospect, ...], now: float) -> None:
        """Keep, for each coming stop, one estimate about each horizon to be held against what happens."""
        for one in prospects[:1]:
            if one.ride is None:
                continue
            coming, ahead = one.coming, one.ride
            key = (coming.trip_id, coming.service_date, coming.start_s)
            if trail.samples and next(iter(trail.samples))[0] != key:
                trail.samples.clear()
            for index, raw in enumerate(ahead.arrivals):
                position = coming.first + index
                knot = _knot(raw - now)
                if knot is None or position == 0:
                    continue
                kept = trail.samples.setdefault((key, position), {})
                if knot in kept or len(trail.samples) > MOST_SAMPLES:
                    continue
                kept[knot] = Sample(
                    now,
                    raw,
                    ahead.spreads_s[index],
                    coming.p10[index],
                    coming.p50[index],
                    coming.p90[index],
                    coming.rider[index],
                )

    def _score(self, trail: Trail, journey: Journey, pattern: Pattern, crossing: Crossing) -> Iterator[Score]:
        for sample in trail.samples.pop((journey.key, crossing.position), {}).values():
            if crossing.at <= sample.made_at:
                continue
            ratio = (crossing.at - sample.raw) / sample.spread_s
            self.history.trust.spread.take(sample.raw - sample.made_at, ratio)
            yield Score(
                route_id=pattern.route_id,
                at=crossing.at,
                horizon_s=crossing.at - sample.made_at,
                told_s=sample.p50 - sample.made_at,
                error_s=crossing.at - sample.p50,
                rider_error_s=crossing.at - sample.rider,
                inside=sample.p10 <= crossing.at <= sample.p90,
            )

    # What no vehicle makes

    def expected(self, now: float) -> tuple[Coming, ...]:
        """The journeys on the road or due within HORIZON_S that no vehicle makes: by the timetable and how it is
        usually kept, or withdrawn once well past their departure on a line whose other buses are heard.
        """
        made = self._made(now)
        return tuple(self._without_vehicle(journey, now) for journey in self._due(now) if journey.key not in made)

    def _made(self, now: float) -> set[Key]:
        return {
            (coming.trip_id, coming.service_date, coming.start_s)
            for trail in self._trails.values()
            if trail.outlook is not None and now - trail.outlook.place.at <= GONE_S
            for coming in trail.outlook.coming
        }

    def _due(self, now: float) -> Iterator[Journey]:
        for index, trips in enumerate(self.network.trips_along):
            longest_s = max((trip.duration_s for trip in trips), default=0)
            for journey in self._planned.starting(index, now - longest_s - MOST_PATIENCE_S, now + HORIZON_S):
                if journey.end_at + MOST_PATIENCE_S >= now:
                    yield journey

    def _without_vehicle(self, journey: Journey, now: float) -> Coming:
        pattern = self.network.patterns[journey.trip.pattern]
        if journey.key in self._done:
            return withdrawn(journey, "silent")
        _, _, high_s = self.history.late_s(pattern.link_ids[0], journey.start_s, -300.0)
        patience_s = min(MOST_PATIENCE_S, max(LEAST_PATIENCE_S, high_s))
        reports = now - self._heard.get(pattern.route_id, 0.0) <= HEARD_S
        if reports and now > journey.start_at + patience_s:
            return withdrawn(journey, "no_vehicle")
        earliest = now if reports else min(now, journey.start_at)
        start = leaving(journey, pattern, self.history, earliest)
        coming = prospect(journey, ride(journey, pattern, start, self.history), self.history, now).coming
        return msgspec.structs.replace(coming, basis=Basis.SCHEDULE, buses=0)

    # Keeping and forgetting

    def forget(self, now: float) -> None:
        """Let go of vehicles not heard for long, and of journeys long done."""
        for vehicle in [name for name, trail in self._trails.items() if _silent_s(trail, now) > FORGOTTEN_S]:
            del self._trails[vehicle]
        for key in [key for key, at in self._done.items() if now - at > MOST_DONE_S]:
            del self._done[key]

    def drop(self, vehicle: str) -> None:
        """Begin anew with a vehicle at its next report, whatever was believed of it."""
        self._trails.pop(vehicle, None)

    def kept(self, vehicle: str) -> str:
        """What following a vehicle goes on from after a restart, as JSON. Raises KeyError where it is not followed."""
        step = _last(self._trails[vehicle])
        return msgspec.json.encode(Kept(step.belief, step.track)).decode()

    def restore(self, vehicle: str, kept: str) -> None:
        """Go on from what `kept` said. Raises msgspec.DecodeError or ValidationError where it is something else."""
        self._trails[vehicle] = Trail(before=msgspec.json.decode(kept, type=Kept))


def _tracked(
    track: Track | None, journey: Journey, pattern: Pattern, place: Place
) -> tuple[Track, tuple[Crossing, ...]]:
    if track is None or track.key != journey.key:
        return begin(journey.key, pattern, place.at, place.distance_m), ()
    return advance(track, pattern, place.at, place.distance_m)


def _at_stop(network: Network, journey: Journey, pattern: Pattern, position: int, at: float) -> Place:
    latitude, longitude = network.stops[pattern.stop_ids[position]].point
    trip_id, service_date, start_s = journey.key
    along_m = pattern.stop_m[position]
    return Place(
        Phase.IN_PROGRESS, at, latitude, longitude, trip_id, service_date, start_s, pattern.index, along_m, 1.0
    )


def _visit(vehicle: str, journey: Journey, pattern: Pattern, crossing: Crossing) -> Visit:
    trip_id, service_date, start_s = journey.key
    return Visit(
        vehicle,
        trip_id,
        service_date,
        start_s,
        pattern.index,
        crossing.position,
        pattern.stop_ids[crossing.position],
        crossing.at,
        crossing.left_at,
    )


def _last(trail: Trail) -> Step | Kept:
    last = trail.steps[-1] if trail.steps else trail.before
    assert last is not None  # a trail begins with a report or with what was kept
    return last


def _trim(trail: Trail) -> None:
    """What falls out of memory is what the rest stands on."""
    newest = trail.steps[-1].report.at
    fallen = sum(1 for step in trail.steps[:-1] if newest - step.report.at > KEPT_S)
    fallen = max(fallen, len(trail.steps) - MOST_KEPT)
    if fallen:
        trail.before = Kept(trail.steps[fallen - 1].belief, trail.steps[fallen - 1].track)
        del trail.steps[:fallen]


def _silent_s(trail: Trail, now: float) -> float:
    heard = _last(trail).belief.at if trail.steps or trail.before is not None else 0.0
    return now - max(heard, trail.called.at if trail.called is not None else 0.0)


def _knot(ahead_s: float) -> int | None:
    """The horizon an estimate speaks for: the last of KNOTS_S not beyond it; None where it is nearer than all."""
    found = None
    for index, knot_s in enumerate(KNOTS_S):
        if ahead_s < knot_s:
            return found
        found = index
    return found
