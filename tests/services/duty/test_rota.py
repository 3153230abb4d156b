"""Tests of the rota: turns across midnight and clock changes, changes, gaps, and who is called for a zone."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from services.duty.rota import (
    EVERYBODY,
    Change,
    Period,
    Position,
    Rota,
    Shift,
    gaps,
    instant,
    on_duty,
    staff,
    turns,
    watches,
)

LA_PLATA = ZoneInfo("America/Argentina/Buenos_Aires")
BERLIN = ZoneInfo("Europe/Berlin")
"""A zone whose clocks change: on 29 March 2026 at 2:00 and on 25 October 2026 at 3:00."""
CITY = "municipality:azul"
BASIN = "basin:arroyo"
OPERATOR, SECOND, CHIEF = Position
ANA, BRUNO, CARLA = 1, 2, 3
MONDAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=LA_PLATA)


def shift(
    person: int,
    from_h: int = 8,
    to_h: int = 8,
    *,
    zone: str = CITY,
    position: Position = OPERATOR,
    days: set[int] | None = None,
    cycle_days: int = 7,
    until: datetime | None = None,
) -> Shift:
    """A shift on every day of the week, unless `days` says which days of the cycle."""
    return Shift(
        id=person,
        zone=zone,
        position=position,
        person_id=person,
        first_day=MONDAY,
        cycle_days=cycle_days,
        days=frozenset(range(cycle_days) if days is None else days),
        from_time=time(from_h % 24),
        to_time=time(to_h % 24),
        until=until,
    )


def change(person: int, start: datetime, hours: float, *, instead_of: int | None = None, at: datetime = NOON) -> Change:
    """A change of the operator of the city, accepted at `at`."""
    period = Period(start, start + timedelta(hours=hours))
    return Change(
        id=person, zone=CITY, position=OPERATOR, person_id=person, instead_of=instead_of, period=period, accepted_at=at
    )


def at(hour: int, day: int = 4) -> datetime:
    """An hour of a day of March 2026 in La Plata."""
    return datetime(2026, 3, day, hour, tzinfo=LA_PLATA)


def test_a_night_shift_reaches_across_midnight() -> None:
    rota = Rota(LA_PLATA, [shift(ANA, 8, 20), shift(BRUNO, 20, 8)])
    found = {hour: on_duty(rota, CITY, OPERATOR, at(hour)) for hour in (0, 7, 8, 19, 20, 23)}
    assert found == {0: (BRUNO,), 7: (BRUNO,), 8: (ANA,), 19: (ANA,), 20: (BRUNO,), 23: (BRUNO,)}


def test_a_cycle_of_days_goes_on_over_weeks() -> None:
    """Two days on, four off, for three people: one cycle of six days."""
    rota = Rota(LA_PLATA, [shift(one, cycle_days=6, days={2 * one - 2, 2 * one - 1}) for one in (ANA, BRUNO, CARLA)])
    found = [on_duty(rota, CITY, OPERATOR, at(12, day)) for day in range(2, 15)]
    assert found == [(one,) for one in (1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3, 1)]


def test_whoever_takes_the_watch_has_it_alone_until_its_end() -> None:
    rota = Rota(LA_PLATA, [shift(ANA)], [change(BRUNO, NOON, 2)])
    hours = [on_duty(rota, CITY, OPERATOR, NOON + timedelta(hours=hour)) for hour in (-1, 0, 1, 2)]
    assert hours == [(ANA,), (BRUNO,), (BRUNO,), (ANA,)]


def test_the_change_that_was_accepted_last_counts() -> None:
    later = NOON + timedelta(minutes=5)
    rota = Rota(LA_PLATA, [shift(ANA)], [change(CARLA, NOON, 2, at=later), change(BRUNO, NOON, 2)])
    assert on_duty(rota, CITY, OPERATOR, NOON) == (CARLA,)


def test_a_cover_replaces_only_the_one_who_asked() -> None:
    rota = Rota(LA_PLATA, [shift(ANA), shift(BRUNO)], [change(CARLA, NOON, 2, instead_of=ANA)])
    assert on_duty(rota, CITY, OPERATOR, NOON) == (BRUNO, CARLA)


def test_gaps_are_found_in_each_position_that_somebody_should_have() -> None:
    week = Period(at(0, 9), at(0, 11))
    rota = Rota(
        LA_PLATA,
        [
            shift(ANA, 8, 20),
            shift(BRUNO, 20, 6),
            shift(CARLA, position=SECOND),
            shift(CARLA, position=CHIEF),
            shift(ANA, 8, 20, zone=BASIN),
        ],
    )
    found = [(gap.zone, gap.position, gap.period) for gap in gaps(rota, CITY, week)]
    assert found == [
        (BASIN, OPERATOR, Period(at(0, 9), at(8, 9))),
        (CITY, OPERATOR, Period(at(6, 9), at(8, 9))),
        (BASIN, OPERATOR, Period(at(20, 9), at(8, 10))),
        (CITY, OPERATOR, Period(at(6, 10), at(8, 10))),
        (BASIN, OPERATOR, Period(at(20, 10), at(0, 11))),
    ]


def test_an_ended_shift_leaves_a_gap_from_its_end() -> None:
    rota = Rota(LA_PLATA, [shift(ANA, until=NOON), shift(BRUNO, 20, 8)])
    assert on_duty(rota, CITY, OPERATOR, NOON - timedelta(seconds=1)) == (ANA,)
    assert on_duty(rota, CITY, OPERATOR, NOON) == ()


def test_the_nearest_zone_with_somebody_on_duty_is_called_and_the_city_stands_in() -> None:
    rota = Rota(LA_PLATA, [shift(ANA, 8, 20, zone=BASIN), shift(BRUNO), shift(CARLA, position=CHIEF)])
    zones = (BASIN, CITY)
    by_day, by_night = staff(rota, zones, at(12)), staff(rota, zones, at(22))
    assert by_day == {"operator": (ANA,), "second": (), "chief": (CARLA,), EVERYBODY: (ANA, BRUNO, CARLA)}
    assert by_night["operator"] == (BRUNO,)


def test_a_turn_is_an_hour_shorter_or_longer_where_the_clocks_change() -> None:
    night = shift(ANA, 20, 8)
    spring = Period(datetime(2026, 3, 28, 20, tzinfo=BERLIN), datetime(2026, 3, 28, 21, tzinfo=BERLIN))
    autumn = Period(datetime(2026, 10, 24, 20, tzinfo=BERLIN), datetime(2026, 10, 24, 21, tzinfo=BERLIN))
    lengths = [one.end - one.start for period in (spring, autumn) for one in turns(night, period, BERLIN)]
    assert lengths == [timedelta(hours=11), timedelta(hours=13)]


def test_a_time_that_the_clocks_skip_or_have_twice_is_one_instant() -> None:
    skipped, twice = (date(2026, 3, 29), time(2, 30)), (date(2026, 10, 25), time(2, 30))
    assert instant(*skipped, BERLIN) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert instant(*twice, BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


QUARTERS = st.integers(0, 95).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))
DAYS_OF_CHANGE = st.sampled_from([date(2026, 3, 28), date(2026, 10, 24), date(2026, 6, 1)])


@given(
    marks=st.lists(QUARTERS, min_size=1, max_size=5, unique=True).map(sorted),
    zone=st.sampled_from([LA_PLATA, BERLIN]),
    day=DAYS_OF_CHANGE,
    minute=st.integers(0, 3 * 24 * 60),
)
def test_shifts_that_meet_by_the_clock_cover_every_minute_exactly_once(
    marks: list[time], zone: ZoneInfo, day: date, minute: int
) -> None:
    ends = [*marks[1:], marks[0]]
    shifts = [
        Shift(
            id=number,
            zone=CITY,
            position=OPERATOR,
            person_id=number,
            first_day=date(2026, 1, 1),
            cycle_days=1,
            days=frozenset({0}),
            from_time=start,
            to_time=end,
        )
        for number, (start, end) in enumerate(zip(marks, ends, strict=True))
    ]
    moment = instant(day, time(0), zone) + timedelta(minutes=minute)
    assert len(on_duty(Rota(zone, shifts), CITY, OPERATOR, moment)) == 1


@given(
    hours=st.lists(st.tuples(st.integers(0, 23), st.integers(0, 23)), max_size=4),
    moved=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 71), st.integers(1, 30)), max_size=3),
    minute=st.integers(0, 3 * 24 * 60 - 1),
)
def test_watches_cut_a_period_without_a_hole_and_agree_with_who_is_on_duty(
    hours: list[tuple[int, int]], moved: list[tuple[int, int, int]], minute: int
) -> None:
    start = at(0, 9)
    rota = Rota(
        LA_PLATA,
        [shift(number, *times) for number, times in enumerate(hours)],
        [change(person, start + timedelta(hours=hour), length) for person, hour, length in moved],
    )
    parts = watches(rota, CITY, OPERATOR, Period(start, start + timedelta(days=3)))
    assert (parts[0][0].start, parts[-1][0].end) == (start, start + timedelta(days=3))
    assert all(one.end == other.start and (before or after) for (one, before), (other, after) in pairwise(parts))
    moment = start + timedelta(minutes=minute)
    (people,) = (people for period, people in parts if moment in period)
    assert people == on_duty(rota, CITY, OPERATOR, moment)
