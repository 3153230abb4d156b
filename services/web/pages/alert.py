"""Contents of an alert's page: what it says now, its station, what lies around it, who was told and who acted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from alerts.current_level.level import CurrentLevel
from models.alert import NAR
from services.queries.alerts.alert_history import action_rows, alert_row, isolated_peaks, notice_rows, transition_rows
from services.queries.city.city import CurrentCity
from services.queries.stations.current import current_stations
from services.queries.watch.levels import current_levels
from services.queries.watch.surroundings import Surroundings, surroundings
from services.runtime.audience import Audience
from services.web.pages.station import StationPage, station_page

HOURS = 6


@dataclass(frozen=True, slots=True)
class AlertPage:
    """An alert with its transitions, newest first, and the actions of operators and the notices, oldest first.

    `place`: its station, None for alerts about an area or about Vigía, and of an exercise: what is measured there is no
    part of it. `advice`: the city's own words for its colour.
    """

    alert: Row[Any]
    transitions: list[Row[Any]]
    actions: list[Row[Any]]
    notices: Sequence[Row[Any]]
    advice: str | None
    place: StationPage | None
    level: CurrentLevel | None
    around: Surroundings | None
    peaks: frozenset[int]


def alert_page(
    transaction: Connection, alert_id: int, now: datetime, audience: Audience, city: CurrentCity
) -> AlertPage | None:
    """Read an alert's page; None where there is no such alert."""
    alert = alert_row(transaction, alert_id, audience)
    if alert is None:
        return None
    is_measured = alert.station_id and alert.exercise is None
    stations = current_stations(transaction, alert.station_id) if is_measured else ()
    place = station_page(transaction, stations[0], now, audience, HOURS, city.zone) if stations else None
    return AlertPage(
        alert=alert,
        transitions=transition_rows(transaction, [alert_id]),
        actions=action_rows(transaction, [alert_id], audience),
        notices=notice_rows(transaction, alert_id),
        advice=city.advice_for(_hazard(alert), NAR(alert.nar)),
        place=place,
        level=current_levels(transaction, now, place.station.id).get(place.station.id) if place else None,
        around=surroundings(transaction, place.station.id, now) if place else None,
        peaks=isolated_peaks(transaction, [alert_id]),
    )


def _hazard(alert: Row[Any]) -> str | None:
    """Of what an alert warns, as the seed's advice names it; None of what is neither water nor rain.

    A silent sensor that held a level warns of the stream.
    """
    match alert.judgement, alert.evidence:
        case ("stage", _) | ("silence", {"stage": 1 | 2 | 3}):
            return "stream"
        case "rainfall", _:
            return "rain"
    return None
