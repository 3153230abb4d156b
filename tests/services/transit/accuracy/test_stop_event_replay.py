"""Recorded stop events as reported stops of scheduled journeys."""

from pathlib import Path

import pytest

from services.replay.recorded_series import RecordError
from services.transit.accuracy.backtest import Backtest
from services.transit.accuracy.recorded_stop_events import read_stop_events
from services.transit.accuracy.stop_event_replay import match_journey, reported_stops
from services.transit.fleet.fleet import Fleet
from services.transit.travel_times.link_times import TravelTimes
from tests.transit_city import MONDAY, OUT, network

CITY = network()
STOPS = CITY.patterns[OUT].stop_ids
HEAD = "trip_id,start_date,stop_sequence,stop_id,arrival_time,departure_time"


def file(folder: Path, *rows: str, head: str = HEAD) -> Path:
    path = folder / "events.csv"
    path.write_text("\n".join((head, *rows)) + "\n")
    return path


def tram(start: str, trip_id: str = "foreign", late_s: int = 0, each_s: int = 75) -> list[str]:
    """A vehicle that calls at every stop of line 10; times of day in Buenos Aires are three hours behind UTC."""
    hour, minute = int(start[:2]) + 3, int(start[2:])
    rows = []
    for position, stop_id in enumerate(STOPS):
        after_s = hour * 3_600 + minute * 60 + late_s + each_s * position
        clock = f"2026-03-02T{after_s // 3600:02}:{after_s // 60 % 60:02}:{after_s % 60:02}.123456000"
        rows.append(f"{trip_id},20260302,{position + 1},{stop_id},{clock if position else ''},{clock}")
    return rows


def test_times_without_a_zone_are_utc_and_rows_are_put_in_order(tmp_path: Path) -> None:
    made = read_stop_events(file(tmp_path, *reversed(tram("0600"))))
    assert [(one.trip_id, one.service_date) for one in made] == [("foreign", MONDAY)]
    journey = CITY.journey("10-0600", MONDAY)
    assert journey is not None
    assert [event.stop_id for event in made[0].events] == list(STOPS)
    assert made[0].events[0].arrived_at is None
    assert round(made[0].events[1].arrived_at or 0.0) == journey.start_at + 75


def test_a_trip_unknown_to_the_timetable_is_the_nearest_with_its_stops_on_such_a_day(tmp_path: Path) -> None:
    made = read_stop_events(file(tmp_path, *tram("0600", late_s=200), *tram("0640", "10-0700")))
    found = {one.trip_id: match_journey(CITY, one) for one in made}
    assert {name: journey.trip.id if journey else None for name, journey in found.items()} == {
        "foreign": "10-0600",
        "10-0700": "10-0700",
    }


def test_stops_no_line_has_are_nobodys(tmp_path: Path) -> None:
    made = read_stop_events(
        file(tmp_path, "x,20260302,1,T4,,2026-03-02T09:00:00", "x,20260302,2,L2,,2026-03-02T09:05:00")
    )
    assert match_journey(CITY, made[0]) is None
    assert reported_stops(CITY, made, scored=True) == []


def test_each_observed_arrival_is_held_to_the_later_ones(tmp_path: Path) -> None:
    rows = [f"{row},{'false' if ',T4,' in row else 'true'}" for row in tram("0600")]
    found = reported_stops(CITY, read_stop_events(file(tmp_path, *rows, head=f"{HEAD},observed")), scored=True)
    ahead = [[position for position, _ in one.arrivals] for _, one in found if one is not None]
    assert ahead == [[2, 4, 5], [4, 5], [5]]


def test_a_day_of_slow_vehicles_is_learnt_from(tmp_path: Path) -> None:
    starts = [f"{hour:02}{minute:02}" for hour in range(6, 14) for minute in (0, 20, 40)]
    rows = [row for start in starts for row in tram(start, start, each_s=110)]
    trial = Backtest(Fleet(CITY, TravelTimes()), lambda: 0.0)
    for call, ahead in reported_stops(CITY, read_stop_events(file(tmp_path, *rows)), scored=True):
        trial.replay_stop_event(call, ahead)
    figures = trial.result.figures()
    assert figures["ours"]["n"] == figures["schedule"]["n"] == 10 * len(starts)  # type: ignore[index]
    assert figures["ours"]["mae_s"] < 0.4 * figures["schedule_delay"]["mae_s"]  # type: ignore[index]


@pytest.mark.parametrize("row", ["x,20260302,one,T1,,", "x,2026032,1,T1,,", "x,20260302,1,T1,soon,"])
def test_a_bad_row_is_refused(tmp_path: Path, row: str) -> None:
    with pytest.raises(RecordError, match=r"events\.csv"):
        read_stop_events(file(tmp_path, row))


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no column"):
        read_stop_events(file(tmp_path, head="trip_id,stop_id"))
