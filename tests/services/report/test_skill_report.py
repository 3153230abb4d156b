"""The city's own skill on a small history: fixed figures, worked out by hand."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from models.alert import NAR
from services.report.skill_report import (
    MonthSkill,
    Response,
    StationHistory,
    bounds,
    months_back,
    skill_by_month,
    to_csv,
)

LA_PLATA = ZoneInfo("America/Argentina/Buenos_Aires")
NOON = datetime(2026, 4, 10, 15, 0, tzinfo=UTC)


def at(minute: float, day: int = 0) -> datetime:
    """So many minutes after noon of the first day, or of a later one."""
    return NOON + timedelta(days=day, minutes=minute)


HISTORY = StationHistory(
    (1.0, 1.5, 2.0),
    [
        *((at(minute), 1.2) for minute in (0, 10, 20)),  # amarillo, warned 30 min before
        (at(30), 1.6),  # naranja, warned 2 min late
        (at(0, 2), 1.3),  # amarillo, nobody warned
        (at(0, 4), 1.1),  # amarillo, alert still on since the day before
    ],
    [
        (at(-30), NAR.AMARILLO),
        (at(32), NAR.NARANJA),
        (at(90), NAR.VERDE),
        (at(0, 1), NAR.ROJO),  # in vain
        (at(5, 1), NAR.VERDE),
        (at(-1200, 4), NAR.AMARILLO),
    ],
)
RESPONSES = [
    Response(NAR.AMARILLO, at(-30), 0.5, 120.0),
    Response(NAR.NARANJA, at(32), 1.5, None),
    Response(NAR.NARANJA, at(40), 2.5, 60.0),
    Response(NAR.ROJO, at(0, 1), None, None),
]


def test_the_figures_of_a_small_history() -> None:
    rojo, naranja, amarillo = skill_by_month([HISTORY], RESPONSES, ["2026-04"], LA_PLATA)
    assert rojo == MonthSkill("2026-04", "rojo", 0, 0, 0, 1, None, 1.0, None, 1, 0, None, 0, None)
    assert naranja == MonthSkill("2026-04", "naranja", 1, 1, 0, 1, 1.0, 0.5, -2.0, 2, 2, 2.0, 1, 60.0)
    assert amarillo == MonthSkill("2026-04", "amarillo", 3, 2, 1, 1, 2 / 3, 1 / 3, 615.0, 1, 1, 0.5, 1, 120.0)


def test_an_event_counts_in_the_month_of_the_citys_calendar_in_which_it_began() -> None:
    night = datetime(2026, 5, 1, 2, 30, tzinfo=UTC)  # 23:30 of 30 April in La Plata
    history = StationHistory((1.0, 1.5, 2.0), [(night, 1.2), (night + timedelta(hours=2), 1.2)], [])
    rows = skill_by_month([history], [], ["2026-05", "2026-04"], LA_PLATA)
    assert {(row.month, row.colour): row.events for row in rows if row.events} == {("2026-04", "amarillo"): 1}


def test_months_go_back_over_the_year_and_end_where_the_next_begins() -> None:
    assert months_back(datetime(2026, 2, 1, 2, tzinfo=UTC), 3, LA_PLATA) == ["2026-01", "2025-12", "2025-11"]
    start, end = bounds(["2026-01", "2025-12"], LA_PLATA)
    assert (start, end) == (datetime(2025, 12, 1, tzinfo=LA_PLATA), datetime(2026, 2, 1, tzinfo=LA_PLATA))


def test_the_csv_has_a_line_for_each_month_and_colour() -> None:
    lines = to_csv(skill_by_month([HISTORY], RESPONSES, ["2026-04"], LA_PLATA)).splitlines()
    assert lines[0].startswith("month,colour,events,hits,misses,false_alerts,pod,far,lead_min,raised")
    assert lines[1:] == [
        "2026-04,rojo,0,0,0,1,,1.0,,1,0,,0,",
        "2026-04,naranja,1,1,0,1,1.0,0.5,-2.0,2,2,2.0,1,60.0",
        "2026-04,amarillo,3,2,1,1,0.667,0.333,615.0,1,1,0.5,1,120.0",
    ]
