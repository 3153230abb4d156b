"""Trackers in buses: what they see of where the bus is, what they claim, and all that is wrong with them.

Each has its habits: how often it reports, how far off it is, what it claims, in which format. Each has its troubles:
dark spells whose reports come later in a batch or never, positions that stick, a tracker that dies for the day, one
that is replaced under another number, two that were fitted into each other's bus, a driver who forgot the console. Who
speaks for which bus is known to the world (`Trackers.names`) and never said on the wire.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import cos, inf, radians
from random import Random

from models.geo import METRES_PER_DEGREE, Point
from models.network import DAY_S, Journey, Network
from simulators.buses.bus import Bus, Doing
from simulators.buses.observations import Bearing, Claim, Look, Voice
from simulators.buses.operations import DAY_TURNS_S, Buses
from simulators.buses.tracker_messages import parcels
from simulators.devices.message import Parcel
from simulators.environment.weather import MINUTE

PERIODS_S = (30.0, 40.0, 60.0)
JITTER_S = 4.0
NOISE_M = (5.0, 12.0)
MEMORY = 0.6
"""How much of a position's error is still there at the next report."""
ASTRAY_SHARE, ASTRAY_M = 0.004, 200.0
IGNITION_OFF_S = 600.0
"""A parked bus is heard of this long."""
DARK_S, STUCK_S = (150.0, 720.0), (600.0, 1_800.0)
LOOKS_PER_ARRAY = 3
HFP_AGENCY = "expreso"
"""The company whose trackers speak HFP; the others speak Vigía's own JSON."""
REPLACED = 500
"""A new tracker's number is this much higher."""
CLAIMS = {Claim.TRIP: 0.45, Claim.ROUTE: 0.2, Claim.LINE: 0.15, Claim.BLOCK: 0.05, Claim.NOTHING: 0.15}
BEARINGS = {Bearing.ZERO: 0.6, Bearing.NONE: 0.3, Bearing.TRUE: 0.1}
SHOWN = (Doing.IN_PROGRESS, Doing.LAYOVER, Doing.OFF_ROUTE)
"""While doing this a bus claims a journey."""


@dataclass(frozen=True, slots=True)
class Odds:
    """How often things go wrong: shares of trackers in a day, spells of a tracker in an hour, shares of journeys."""

    dead: float = 0.02
    replaced: float = 0.02
    swapped: float = 0.02
    dark_per_h: float = 0.12
    lost: float = 0.3
    """Of the dark spells, those whose reports never come."""
    stuck_per_h: float = 0.01
    forgotten: float = 0.03
    """Journeys on which the console still shows the one before."""
    mistaken: float = 0.01
    """Journeys on which it shows one of another line."""


FAULTLESS = Odds(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def scaled(often: float) -> Odds:
    """The usual odds, so much more often; none above a half."""
    usual = Odds()
    return Odds(*(min(0.5, getattr(usual, name) * often) for name in Odds.__dataclass_fields__))


@dataclass(slots=True)
class Today:
    """What befalls a tracker on one day: seconds since the day turned, infinite where it does not happen."""

    dead_s: float = inf
    replaced_s: float = inf


@dataclass(slots=True)
class Tracker:
    """The tracker of one bus. `speaks_as` is the vehicle whose name it bears today: not always its own."""

    bus: Bus
    network: Network
    random: Random
    voice: Voice
    period_s: float
    noise_m: float
    next_at: float
    speaks_as: str = ""
    today: Today = field(default_factory=Today)
    seq: int = -1
    dark_until: float = 0.0
    stuck_until: float = 0.0
    waiting: list[Look] = field(default_factory=list)
    _off_m: tuple[float, float] = (0.0, 0.0)
    _stuck: Point | None = None
    _console: tuple[Journey | None, Journey | None] = (None, None)

    def name(self, since_turn_s: float) -> tuple[str, int]:
        """The agency and number it says it is, so long after the day turned."""
        agency, number = self.speaks_as.rsplit("-", 1)
        return agency, int(number) + (REPLACED if since_turn_s >= self.today.replaced_s else 0)

    def look(self, at: float, odds: Odds) -> Look | None:
        """What it sees, None where the bus has been parked a while."""
        leg = self.bus.leg(at)
        if leg.doing is Doing.AT_BASE and at - leg.begins > IGNITION_OFF_S:
            return None
        self.seq += 1
        self._befall(at, odds)
        speed_ms = max(0.0, leg.speed_ms + self.random.gauss(0.0, 0.4)) if leg.speed_ms > 0.5 else 0.0
        shown = self._shown(leg.journey, odds)
        return Look(
            at=at,
            seq=self.seq,
            point=self._seen(leg.point(at), at),
            speed_ms=speed_ms,
            leg=leg,
            journey=shown if leg.doing in SHOWN else None,
            block_id=self.bus.block_id,
            load=self.bus.load,
        )

    def heard(self, at: float) -> bool:
        """Whether what waits goes out now: there is a signal, and enough of it for one message."""
        return at >= self.dark_until and (not self.voice.array or len(self.waiting) >= LOOKS_PER_ARRAY)

    def _befall(self, at: float, odds: Odds) -> None:
        """Signal lost, or a position that sticks: by chance since the last report."""
        hours = self.period_s / 3600
        if at >= self.dark_until and not self.waiting and self.random.random() < odds.dark_per_h * hours:
            self.dark_until = at + self.random.uniform(*DARK_S)
        if at >= self.stuck_until and self.random.random() < odds.stuck_per_h * hours:
            self.stuck_until = at + self.random.uniform(*STUCK_S)

    def _seen(self, here: Point, at: float) -> Point:
        """A place with the receiver's slowly wandering error; now and then a reflection far off."""
        fresh_m = self.noise_m * (1 - MEMORY**2) ** 0.5
        north, east = (MEMORY * off + self.random.gauss(0.0, fresh_m) for off in self._off_m)
        self._off_m = (north, east)
        if self.random.random() < ASTRAY_SHARE:
            north, east = self.random.gauss(0.0, ASTRAY_M), self.random.gauss(0.0, ASTRAY_M)
        seen = (
            here[0] + north / METRES_PER_DEGREE,
            here[1] + east / METRES_PER_DEGREE / cos(radians(here[0])),
        )
        self._stuck = (self._stuck or seen) if at < self.stuck_until else None
        return self._stuck or seen

    def _shown(self, real: Journey | None, odds: Odds) -> Journey | None:
        """What the console shows: now and then the journey before, or one of another line."""
        shown, before = self._console
        if real is None or real is before:
            return shown
        chance = self.random.random()
        if chance < odds.mistaken:
            shown = self._other(real)
        elif shown is None or chance >= odds.mistaken + odds.forgotten:
            shown = real
        self._console = (shown, real)
        return shown

    def _other(self, real: Journey) -> Journey:
        """A journey of any line that begins about then."""
        trips = self.random.choice(self.network.trips_by_pattern)
        trip = min(trips, key=lambda one: (abs(one.start_s - real.start_s), one.id), default=real.trip)
        return self.network.journey(trip.id, real.service_date) or real


class Trackers:
    """The trackers of all buses. The same buses, seed and odds say the same, byte for byte."""

    def __init__(self, buses: Buses, seed: int, odds: Odds) -> None:
        self._buses, self._seed, self._odds = buses, seed, odds
        self._agencies = {agency: number for number, agency in enumerate(buses.network.agencies, 1)}
        self._turned_at = -inf
        self.trackers = [self._fitted(bus) for bus in buses.fleet.values()]
        self._turn(buses.now)

    def names(self, at: float) -> dict[str, str]:
        """Which bus each name speaks for at an instant of the present day: device name to vehicle."""
        return {self.device(one, at): one.bus.vehicle for one in self.trackers}

    def device(self, tracker: Tracker, at: float) -> str:
        """The name by which a tracker is known to who receives it."""
        agency, number = tracker.name(at - self._turned_at)
        return f"{self._agencies[agency]:04d}-{number:05d}" if tracker.voice.hfp else f"{agency}-{number}"

    def minute(self, now: datetime) -> Iterator[Parcel]:
        """Let a minute pass, and send what the trackers say in it."""
        until = (now + MINUTE).timestamp()
        self._buses.advance(until)
        if until >= self._turned_at + DAY_S:
            self._turn(until)
        for tracker in self.trackers:
            yield from self._said(tracker, now, until)

    def _said(self, tracker: Tracker, now: datetime, until: float) -> Iterator[Parcel]:
        while tracker.next_at < until:
            at = tracker.next_at
            tracker.next_at += tracker.period_s + tracker.random.uniform(-JITTER_S, JITTER_S)
            if (look := tracker.look(at, self._odds)) is not None:
                tracker.waiting.append(look)
            if tracker.waiting and (look is None or tracker.heard(at)):
                yield from self._sent(tracker, now, at)

    def _sent(self, tracker: Tracker, now: datetime, at: float) -> Iterator[Parcel]:
        """All that waits; nothing where the tracker is dead, only the newest where a dark spell cost the others."""
        looks, tracker.waiting = tracker.waiting, []
        if tracker.dark_until and tracker.random.random() < self._odds.lost:
            looks = looks[-1:]
        tracker.dark_until = 0.0
        if at - self._turned_at < tracker.today.dead_s:
            agency, number = tracker.name(at - self._turned_at)
            name = (agency, self._agencies[agency], number)
            yield from parcels(tracker.network, tracker.voice, tracker.random, name, now, looks)

    def _fitted(self, bus: Bus) -> Tracker:
        random = Random(f"{self._seed}/tracker/{bus.vehicle}")
        hfp = bus.agency == HFP_AGENCY
        voice = Voice(
            boot=f"{random.getrandbits(32):08x}",
            claim=random.choices(list(CLAIMS), list(CLAIMS.values()))[0],
            bearing=random.choices(list(BEARINGS), list(BEARINGS.values()))[0],
            speed=random.random() < 0.7,
            array=random.random() < 0.2 and not hfp,
            hfp=hfp,
        )
        period_s = random.choice(PERIODS_S)
        first_at = self._buses.now + random.uniform(0.0, period_s)
        return Tracker(bus, self._buses.network, random, voice, period_s, random.uniform(*NOISE_M), first_at)

    def _turn(self, at: float) -> None:
        """A new day: what died is mended, and today's troubles are dealt out."""
        day = (datetime.fromtimestamp(at, self._buses.network.zone) - timedelta(seconds=DAY_TURNS_S)).date()
        self._turned_at = self._buses.network.service_day(day)[0] + DAY_TURNS_S
        exchanged: list[Tracker] = []
        for tracker in self.trackers:
            random = Random(f"{self._seed}/{day}/{tracker.bus.vehicle}")
            tracker.speaks_as, tracker.today = tracker.bus.vehicle, Today()
            if random.random() < self._odds.dead:
                tracker.today.dead_s = random.uniform(1, 18) * 3600
            if random.random() < self._odds.replaced:
                tracker.today.replaced_s = random.uniform(1, 16) * 3600
            if random.random() < self._odds.swapped and not tracker.voice.hfp:
                exchanged.append(tracker)
        for one, other in zip(exchanged[::2], exchanged[1::2], strict=False):
            one.speaks_as, other.speaks_as = other.bus.vehicle, one.bus.vehicle
