"""API documents of arrivals and service alerts, built from the departure board.

An arrival is a typed dictionary, not a dataclass as elsewhere: an answer holds dozens of them, and building and
encoding them was most of its cost.
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
    """When the bus reaches the stop. It comes before `earliest` with 10 %, and after `latest` with 10 %."""

    earliest: datetime
    expected: Annotated[datetime, Field(description="The median: for machines")]
    latest: datetime
    be_there_at: Annotated[datetime, Field(description="Early-safe: the time to tell riders, never after `earliest`")]
    leaves: Annotated[datetime, Field(description="Median of its leaving the stop")]


class Coming(TypedDict):
    """One journey at one stop."""

    line: Annotated[str, Field(description="As on the bus's sign", examples=["307"])]
    line_id: Annotated[str, Field(examples=["307"])]
    headsign: Annotated[str, Field(examples=["Plaza Italia"])]
    trip: Annotated[str, Field(examples=["307-2-ida-habil-0719"])]
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
            id=alert.id,
            cause=alert.cause,
            effect=alert.effect,
            header=in_both_languages(alert.header),
            description=in_both_languages(alert.description),
            url=alert.url,
        )
        for alert in departure_board.alerts_for(snapshot, now, stop_id=stop_id, route_ids=route_ids)
    ]


def arrival_document(snapshot: TransitSnapshot, arrival: Arrival) -> Coming:
    """The document of one arrival."""
    network, pattern, vehicle_prediction = snapshot.network, arrival.pattern, arrival.vehicle_prediction
    route, trip = network.routes[pattern.route_id], arrival.journey.trip
    trip_id, service_date, start_s = arrival.key
    return {
        "line": route.short_name or route.long_name,
        "line_id": route.id,
        "headsign": trip.headsign or network.stops[pattern.stop_ids[-1]].name,
        "trip": trip_id,
        "service_date": service_date,
        "start_s": start_s,
        "stop": arrival.stop_id,
        "stop_sequence": trip.stop_sequence(arrival.position),
        "scheduled_arrival": datetime_of(arrival.scheduled_arrival),
        "scheduled_departure": datetime_of(arrival.scheduled_departure),
        "estimate": None if arrival.estimate is None else _estimated(arrival.estimate),
        "basis": arrival.basis,
        "why": basis_texts(arrival.basis, arrival.reason, arrival.recent_buses, arrival.headway_s),
        "buses": arrival.recent_buses,
        "withdrawn": arrival.withdrawn,
        "passed": arrival.passed,
        "ends_here": arrival.terminates,
        "boards": arrival.allows_boarding,
        "vehicle": vehicle_prediction.vehicle if vehicle_prediction else None,
        "stops_away": arrival.stops_away,
        "distance_away_m": None if arrival.distance_away_m is None else round(arrival.distance_away_m),
        "last_report_at": datetime_of(vehicle_prediction.matched_position.at) if vehicle_prediction else None,
        "headway_s": arrival.headway_s,
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
    """The text for a basis, in both languages."""
    return in_both_languages(basis_text(basis, reason, buses, headway_s))


def in_both_languages(text: Translated) -> InBothLanguages:
    """A text in both languages; Spanish where there is no English."""
    return InBothLanguages(es=text.es, en=text.en or text.es)


def datetime_of(at: float) -> datetime:
    """Unix seconds as a datetime, in whole seconds."""
    return datetime.fromtimestamp(int(at), UTC)
