"""Arrivals and service alerts as the API writes them: their shapes, and how they are made from the board's.

An arrival is a typed dictionary and not one of the dataclasses used elsewhere: a stop's screen holds dozens, and making
and writing them was most of what an answer cost.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from services.transit.model.prediction import Basis
from services.transit.model.service_alert import Translated
from services.transit.serving import departure_board
from services.transit.serving.departure_board import Arrival, Estimate
from services.transit.serving.reasons import basis_text
from services.transit.serving.service_alert_queries import InBothLanguages
from services.transit.serving.snapshot import TransitSnapshot


class Estimated(TypedDict):
    """When it reaches the stop. It comes before `earliest` with 10 %, and after `latest` with 10 %."""

    earliest: datetime
    expected: Annotated[datetime, Field(description="The median: for machines")]
    latest: datetime
    be_there_at: Annotated[datetime, Field(description="Early-safe: the time to tell riders")]
    leaves: Annotated[datetime, Field(description="Median of its leaving the stop")]


class Coming(TypedDict):
    """One journey at one stop."""

    line: Annotated[str, Field(description="As on the bus's sign", examples=["307"])]
    line_id: Annotated[str, Field(examples=["307"])]
    headsign: Annotated[str, Field(examples=["Plaza Italia"])]
    trip: Annotated[str, Field(examples=["307-0640"])]
    service_date: Annotated[str, Field(description="YYYYMMDD", examples=["20260302"])]
    start_s: Annotated[int, Field(description="Start, seconds after noon less 12 h of that date", examples=[24000])]
    stop: Annotated[str, Field(examples=["LP1912"])]
    stop_sequence: Annotated[int, Field(examples=[12])]
    scheduled_arrival: datetime
    scheduled_departure: datetime
    estimate: Annotated[Estimated | None, Field(description="Null where only the timetable speaks, or it is withdrawn")]
    basis: Annotated[Basis, Field(examples=["recent"])]
    why: Annotated[InBothLanguages, Field(examples=[{"es": "En vivo, según los últimos 3 micros", "en": "..."}])]
    buses: Annotated[int, Field(description="Recent buses behind it", examples=[3])]
    withdrawn: Annotated[bool, Field(description="It surely does not come")]
    passed: Annotated[bool, Field(description="It was here already; only in a trip's progress")]
    ends_here: Annotated[bool, Field(description="It arrives and does not leave")]
    boards: Annotated[bool, Field(description="Whether riders may get on")]
    vehicle: Annotated[str | None, Field(examples=["1207"])]
    stops_away: Annotated[int | None, Field(description="0: this stop is its next", examples=[4])]
    distance_away_m: Annotated[float | None, Field(examples=[1630.0])]
    last_report_at: datetime | None
    headway_s: Annotated[
        int | None,
        Field(description="Only one each so many seconds is promised: this entry stands for them all", examples=[600]),
    ]
    occupancy_percent: Annotated[int | None, Field(examples=[40])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A service alert in force."""

    id: Annotated[str, Field(examples=["3"])]
    cause: Annotated[str, Field(examples=["weather"])]
    effect: Annotated[str, Field(examples=["detour"])]
    header: InBothLanguages
    description: InBothLanguages
    url: Annotated[str, Field(examples=["https://www.laplata.gob.ar/"])]


def notices(snapshot: TransitSnapshot, now: float, stop_id: str, route_ids: list[str]) -> list[Notice]:
    """The service alerts in force that concern a stop and its lines."""
    return [
        Notice(
            id=one.id,
            cause=one.cause,
            effect=one.effect,
            header=in_both_languages(one.header),
            description=in_both_languages(one.description),
            url=one.url,
        )
        for one in departure_board.alerts_for(snapshot, now, stop_id=stop_id, route_ids=route_ids)
    ]


def arrival_document(snapshot: TransitSnapshot, one: Arrival) -> Coming:
    """One arrival as it is written."""
    network, pattern, vehicle_prediction = snapshot.network, one.pattern, one.vehicle_prediction
    route, trip = network.routes[pattern.route_id], one.journey.trip
    trip_id, service_date, start_s = one.key
    return {
        "line": route.short_name or route.long_name,
        "line_id": route.id,
        "headsign": trip.headsign or network.stops[pattern.stop_ids[-1]].name,
        "trip": trip_id,
        "service_date": service_date,
        "start_s": start_s,
        "stop": one.stop_id,
        "stop_sequence": trip.stop_sequence(one.position),
        "scheduled_arrival": datetime_of(one.scheduled_arrival),
        "scheduled_departure": datetime_of(one.scheduled_departure),
        "estimate": None if one.estimate is None else _estimated(one.estimate),
        "basis": one.basis,
        "why": basis_texts(one.basis, one.reason, one.recent_buses, one.headway_s),
        "buses": one.recent_buses,
        "withdrawn": one.withdrawn,
        "passed": one.passed,
        "ends_here": one.terminates,
        "boards": one.allows_boarding,
        "vehicle": vehicle_prediction.vehicle if vehicle_prediction else None,
        "stops_away": one.stops_away,
        "distance_away_m": None if one.distance_away_m is None else round(one.distance_away_m),
        "last_report_at": datetime_of(vehicle_prediction.matched_position.at) if vehicle_prediction else None,
        "headway_s": one.headway_s,
        "occupancy_percent": vehicle_prediction.occupancy if vehicle_prediction else None,
    }


def _estimated(estimate: Estimate) -> Estimated:
    return {
        "earliest": datetime_of(estimate.p10),
        "expected": datetime_of(estimate.p50),
        "latest": datetime_of(estimate.p90),
        "be_there_at": datetime_of(estimate.rider_time),
        "leaves": datetime_of(estimate.departs_at),
    }


@lru_cache(maxsize=1_024)
def basis_texts(basis: Basis, reason: str, buses: int, headway_s: int | None = None) -> InBothLanguages:
    """Why it is told as it is, in both languages."""
    return in_both_languages(basis_text(basis, reason, buses, headway_s))


def in_both_languages(words: Translated) -> InBothLanguages:
    """Words in both languages; Spanish where there is no English."""
    return InBothLanguages(es=words.es, en=words.en or words.es)


def datetime_of(at: float) -> datetime:
    """Unix seconds as a time, whole seconds."""
    return datetime.fromtimestamp(int(at), UTC)
