"""Simulated bus trackers: what they observe and report, and their faults.

Each tracker has a profile: reporting interval, position error, reported trip fields, format. Faults: no signal for a
while, with reports sent later in one batch or never; stuck positions; a tracker that is dead for the rest of the day;
one replaced under another number; two swapped between buses; a console that shows the wrong journey. Which device is in
which bus is available as `Trackers.vehicle_by_device`, and never sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import cos, inf, radians
from random import Random

from models.geo import METRES_PER_DEGREE, Point
from models.network import DAY_S, Journey, Network
from simulators.buses.bus import Bus, BusActivity
from simulators.buses.observations import BearingMode, TrackerObservation, TrackerProfile, TripDetail
from simulators.buses.operations import DAY_START_S, BusOperations
from simulators.buses.tracker_messages import encode_messages
from simulators.devices.message import SimulatedMessage
from simulators.environment.weather import MINUTE

PERIODS_S = (30.0, 40.0, 60.0)
JITTER_S = 4.0
NOISE_M = (5.0, 12.0)
ERROR_CORRELATION = 0.6
"""Correlation of the position error from one report to the next."""
OUTLIER_SHARE, OUTLIER_M = 0.004, 200.0
IGNITION_OFF_S = 600.0
"""How long a parked bus still reports."""
NO_SIGNAL_S, STUCK_S = (150.0, 720.0), (600.0, 1_800.0)
OBSERVATIONS_PER_ARRAY = 3
HFP_AGENCY = "expreso"
"""The company whose trackers send HFP; the others send Vigía's own JSON."""
REPLACEMENT_OFFSET = 500
"""Added to the vehicle number when its tracker is replaced."""
TRIP_DETAIL_SHARES = {
    TripDetail.TRIP: 0.45,
    TripDetail.ROUTE: 0.2,
    TripDetail.LINE: 0.15,
    TripDetail.BLOCK: 0.05,
    TripDetail.NOTHING: 0.15,
}
BEARING_SHARES = {BearingMode.ZERO: 0.6, BearingMode.NONE: 0.3, BearingMode.TRUE: 0.1}
ON_JOURNEY = (BusActivity.IN_PROGRESS, BusActivity.LAYOVER, BusActivity.OFF_ROUTE)
"""Activities during which a bus reports a journey."""


@dataclass(frozen=True, slots=True)
class FaultRates:
    """Rates of faults: share of trackers per day, periods per tracker and hour, share of journeys."""

    dead: float = 0.02
    replaced: float = 0.02
    swapped: float = 0.02
    no_signal_per_h: float = 0.12
    lost: float = 0.3
    """Share of the periods without signal whose reports are lost."""
    stuck_per_h: float = 0.01
    outdated_journey: float = 0.03
    """Share of journeys on which the console still shows the one before."""
    wrong_journey: float = 0.01
    """Share of journeys on which the console shows one of another line."""


NO_FAULTS = FaultRates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def scaled_rates(often: float) -> FaultRates:
    """The default rates, multiplied; none above a half."""
    usual = FaultRates()
    return FaultRates(*(min(0.5, getattr(usual, name) * often) for name in FaultRates.__dataclass_fields__))


@dataclass(slots=True)
class DayFaults:
    """When faults of a tracker happen on one day: seconds after the start of the day; infinite for never."""

    dead_s: float = inf
    replaced_s: float = inf


@dataclass(slots=True)
class Tracker:
    """The tracker of one bus. `reports_as`: the vehicle whose name it reports today, which may be another one."""

    bus: Bus
    network: Network
    random: Random
    profile: TrackerProfile
    period_s: float
    noise_m: float
    next_at: float
    reports_as: str = ""
    day_faults: DayFaults = field(default_factory=DayFaults)
    seq: int = -1
    no_signal_until: float = 0.0
    stuck_until: float = 0.0
    unsent: list[TrackerObservation] = field(default_factory=list)
    _error_m: tuple[float, float] = (0.0, 0.0)
    _stuck_point: Point | None = None
    _console: tuple[Journey | None, Journey | None] = (None, None)

    def agency_and_number(self, since_turn_s: float) -> tuple[str, int]:
        """The agency and number that the tracker reports, at a time after the start of the day."""
        agency, number = self.reports_as.rsplit("-", 1)
        return agency, int(number) + (REPLACEMENT_OFFSET if since_turn_s >= self.day_faults.replaced_s else 0)

    def observe(self, at: float, fault_rates: FaultRates) -> TrackerObservation | None:
        """Make an observation; None if the bus has been parked for a while."""
        leg = self.bus.leg_at(at)
        if leg.activity is BusActivity.AT_BASE and at - leg.starts_at > IGNITION_OFF_S:
            return None
        self.seq += 1
        self._draw_faults(at, fault_rates)
        speed_ms = max(0.0, leg.speed_ms + self.random.gauss(0.0, 0.4)) if leg.speed_ms > 0.5 else 0.0
        shown = self._console_journey(leg.journey, fault_rates)
        return TrackerObservation(
            at=at,
            seq=self.seq,
            point=self._measured_point(leg.point_at(at), at),
            speed_ms=speed_ms,
            leg=leg,
            journey=shown if leg.activity in ON_JOURNEY else None,
            block_id=self.bus.block_id,
            passengers=self.bus.passengers,
        )

    def can_send(self, at: float) -> bool:
        """Whether unsent observations can be sent now: there is a signal, and enough of them for one message."""
        return at >= self.no_signal_until and (
            not self.profile.sends_arrays or len(self.unsent) >= OBSERVATIONS_PER_ARRAY
        )

    def _draw_faults(self, at: float, fault_rates: FaultRates) -> None:
        """Draw random faults since the last report: no signal, or a stuck position."""
        hours = self.period_s / 3600
        if (
            at >= self.no_signal_until
            and not self.unsent
            and self.random.random() < fault_rates.no_signal_per_h * hours
        ):
            self.no_signal_until = at + self.random.uniform(*NO_SIGNAL_S)
        if at >= self.stuck_until and self.random.random() < fault_rates.stuck_per_h * hours:
            self.stuck_until = at + self.random.uniform(*STUCK_S)

    def _measured_point(self, here: Point, at: float) -> Point:
        """A point with the slowly changing error of the receiver; sometimes an outlier from a reflection."""
        fresh_m = self.noise_m * (1 - ERROR_CORRELATION**2) ** 0.5
        north, east = (ERROR_CORRELATION * off + self.random.gauss(0.0, fresh_m) for off in self._error_m)
        self._error_m = (north, east)
        if self.random.random() < OUTLIER_SHARE:
            north, east = self.random.gauss(0.0, OUTLIER_M), self.random.gauss(0.0, OUTLIER_M)
        seen = (
            here[0] + north / METRES_PER_DEGREE,
            here[1] + east / METRES_PER_DEGREE / cos(radians(here[0])),
        )
        self._stuck_point = (self._stuck_point or seen) if at < self.stuck_until else None
        return self._stuck_point or seen

    def _console_journey(self, real: Journey | None, fault_rates: FaultRates) -> Journey | None:
        """The journey on the console: sometimes the one before, or one of another line."""
        shown, before = self._console
        if real is None or real is before:
            return shown
        chance = self.random.random()
        if chance < fault_rates.wrong_journey:
            shown = self._other_journey(real)
        elif shown is None or chance >= fault_rates.wrong_journey + fault_rates.outdated_journey:
            shown = real
        self._console = (shown, real)
        return shown

    def _other_journey(self, real: Journey) -> Journey:
        """A journey of a random line that starts at about the same time."""
        trips = self.random.choice(self.network.trips_by_pattern)
        trip = min(trips, key=lambda one: (abs(one.start_s - real.start_s), one.id), default=real.trip)
        return self.network.journey(trip.id, real.service_date) or real


class Trackers:
    """The trackers of all buses. Equal buses, seed and fault rates give equal messages, byte for byte."""

    def __init__(self, buses: BusOperations, seed: int, fault_rates: FaultRates) -> None:
        self._operations, self._seed, self._fault_rates = buses, seed, fault_rates
        self._agencies = {agency: number for number, agency in enumerate(buses.network.agencies, 1)}
        self._day_started_at = -inf
        self.trackers = [self._new_tracker(bus) for bus in buses.fleet.values()]
        self._start_day(buses.now)

    def vehicle_by_device(self, at: float) -> dict[str, str]:
        """The vehicle of each device name, at a time of the present day."""
        return {self.device_name(one, at): one.bus.vehicle for one in self.trackers}

    def device_name(self, tracker: Tracker, at: float) -> str:
        """The device name under which a tracker's messages are received."""
        agency, number = tracker.agency_and_number(at - self._day_started_at)
        return f"{self._agencies[agency]:04d}-{number:05d}" if tracker.profile.sends_hfp else f"{agency}-{number}"

    def next_minute(self, now: datetime) -> Iterator[SimulatedMessage]:
        """Simulate one minute, and return the messages of the trackers in it."""
        until = (now + MINUTE).timestamp()
        self._operations.advance(until)
        if until >= self._day_started_at + DAY_S:
            self._start_day(until)
        for tracker in self.trackers:
            yield from self._tracker_messages(tracker, now, until)

    def _tracker_messages(self, tracker: Tracker, now: datetime, until: float) -> Iterator[SimulatedMessage]:
        while tracker.next_at < until:
            at = tracker.next_at
            tracker.next_at += tracker.period_s + tracker.random.uniform(-JITTER_S, JITTER_S)
            if (observation := tracker.observe(at, self._fault_rates)) is not None:
                tracker.unsent.append(observation)
            if tracker.unsent and (observation is None or tracker.can_send(at)):
                yield from self._send_unsent(tracker, now, at)

    def _send_unsent(self, tracker: Tracker, now: datetime, at: float) -> Iterator[SimulatedMessage]:
        """Send the unsent observations; none if the tracker is dead, only the newest if the others were lost."""
        observations, tracker.unsent = tracker.unsent, []
        if tracker.no_signal_until and tracker.random.random() < self._fault_rates.lost:
            observations = observations[-1:]
        tracker.no_signal_until = 0.0
        if at - self._day_started_at < tracker.day_faults.dead_s:
            agency, number = tracker.agency_and_number(at - self._day_started_at)
            name = (agency, self._agencies[agency], number)
            yield from encode_messages(tracker.network, tracker.profile, tracker.random, name, now, observations)

    def _new_tracker(self, bus: Bus) -> Tracker:
        random = Random(f"{self._seed}/tracker/{bus.vehicle}")
        hfp = bus.agency == HFP_AGENCY
        profile = TrackerProfile(
            boot=f"{random.getrandbits(32):08x}",
            trip_detail=random.choices(list(TRIP_DETAIL_SHARES), list(TRIP_DETAIL_SHARES.values()))[0],
            bearing_mode=random.choices(list(BEARING_SHARES), list(BEARING_SHARES.values()))[0],
            sends_speed=random.random() < 0.7,
            sends_arrays=random.random() < 0.2 and not hfp,
            sends_hfp=hfp,
        )
        period_s = random.choice(PERIODS_S)
        first_at = self._operations.now + random.uniform(0.0, period_s)
        return Tracker(bus, self._operations.network, random, profile, period_s, random.uniform(*NOISE_M), first_at)

    def _start_day(self, at: float) -> None:
        """Start a new day: dead trackers work again, and the faults of the day are drawn."""
        day = (datetime.fromtimestamp(at, self._operations.network.zone) - timedelta(seconds=DAY_START_S)).date()
        self._day_started_at = self._operations.network.service_day(day)[0] + DAY_START_S
        exchanged: list[Tracker] = []
        for tracker in self.trackers:
            random = Random(f"{self._seed}/{day}/{tracker.bus.vehicle}")
            tracker.reports_as, tracker.day_faults = tracker.bus.vehicle, DayFaults()
            if random.random() < self._fault_rates.dead:
                tracker.day_faults.dead_s = random.uniform(1, 18) * 3600
            if random.random() < self._fault_rates.replaced:
                tracker.day_faults.replaced_s = random.uniform(1, 16) * 3600
            if random.random() < self._fault_rates.swapped and not tracker.profile.sends_hfp:
                exchanged.append(tracker)
        for one, other in zip(exchanged[::2], exchanged[1::2], strict=False):
            one.reports_as, other.reports_as = other.bus.vehicle, one.bus.vehicle
