"""Parameters of OneBusAway requests with their bounds, and the state of one request."""

from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from msgspec import Struct

from models.geo import Point
from models.network import Network
from services.runtime.problem import HttpProblem, NotFound
from services.transit.serving.snapshot import TransitSnapshot
from services.web.context import Context, context_of
from services.web.oba.elements import schema as oba
from services.web.oba.elements.index import Box, Index, box_around
from services.web.oba.elements.references import ReferenceCollector
from services.web.oba.responses import answer

LONGEST_ID = 200
LONGEST_TEXT = 100
DEFAULT_RADIUS_M = 500.0
MOST_RADIUS_M = 50_000.0
DEFAULT_COUNT = 100
MOST_COUNT = 250
HALF_DAY = timedelta(hours=12)
MOST_FROM_NOW = timedelta(days=400)
TOO_FAR_FROM_NOW = "more than 400 days from now"


class NoSuchResource(NotFound):
    """resource not found"""


class BadParameter(HttpProblem):
    """A parameter cannot be read."""

    def __init__(self, name: str, fault: str) -> None:
        super().__init__(f"{name}: {fault}")
        self.name, self.fault = name, fault


class IndexCache:
    """The index of the network in force, built anew when the network changes."""

    def __init__(self) -> None:
        self._last: Index | None = None

    def index_of(self, network: Network) -> Index:
        """The index of a network. Two threads may both build it: either result is used."""
        last = self._last
        if last is None or last.network is not network:
            last = self._last = Index(network)
        return last


class ObaRequest:
    """One request: the snapshot it reads, and the references it collects. `now_s`: Unix seconds."""

    def __init__(self, request: Request) -> None:
        self._indexes: IndexCache = request.app.state.indexes
        self._with_references = request.query_params.get("includeReferences") != "false"
        self.context: Context = context_of(request)
        self.now = self.context.clock()
        self.now_s = self.now.timestamp()

    @cached_property
    def snapshot(self) -> TransitSnapshot:
        """The snapshot of the buses."""
        return self.context.snapshot_cache.snapshot()

    @cached_property
    def index(self) -> Index:
        """The index of the timetable by OneBusAway ids and by place."""
        return self._indexes.index_of(self.snapshot.network)

    @cached_property
    def collector(self) -> ReferenceCollector:
        """Collects the elements the answer refers to."""
        return ReferenceCollector(self.index)

    def references(self) -> oba.References:
        """The collected references; empty where the client does not want them."""
        return self.collector.references() if self._with_references else ReferenceCollector(self.index).references()

    def entry_answer(self, element: oba.Element) -> oba.Answer[oba.Entry[oba.Element]]:
        """An answer with one element."""
        return answer(oba.Entry(entry=element, references=self.references()), self.now_s)

    def list_answer(
        self, elements: list[oba.Element], *, limit_exceeded: bool = False, out_of_range: bool = False
    ) -> oba.Answer[oba.Listing[oba.Element]]:
        """An answer with a list."""
        data = oba.Listing(
            list=elements,
            limit_exceeded=limit_exceeded,
            out_of_range=out_of_range,
            references=self.references(),
        )
        return answer(data, self.now_s)


async def _current_request(request: Request) -> ObaRequest:
    # A coroutine, although it waits for nothing: a plain function would be run in a thread.
    return ObaRequest(request)


CurrentRequest = Annotated[ObaRequest, Depends(_current_request)]
Id = Annotated[str, Path(max_length=LONGEST_ID, examples=["muni_LP1912"])]
Text = Annotated[str | None, Query(max_length=LONGEST_TEXT)]
Latitude = Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False, description="Degrees, WGS 84")]
Longitude = Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False, description="Degrees, WGS 84")]
Extent = Annotated[float | None, Query(ge=0, le=360, allow_inf_nan=False, description="Height or width, degrees")]
Radius = Annotated[float | None, Query(ge=0, allow_inf_nan=False, description="Metres; 500 unless said")]
Count = Annotated[int | None, Query(alias="maxCount", ge=1, le=10_000, description="At most that many")]
TimeParameter = Annotated[
    str | None,
    Query(max_length=40, description="Another moment than now: Unix milliseconds, or RFC 3339", alias="time"),
]
ServiceDay = Annotated[str | None, Query(max_length=40, alias="serviceDate", description="Unix milliseconds")]
Day = Annotated[str | None, Query(max_length=40, description="YYYY-MM-DD; today unless said")]


class Area(Struct, frozen=True):
    """The area to search: a box and, where a radius was given, the circle in it."""

    box: Box
    centre: Point
    radius_m: float | None


async def _area(
    lat: Latitude = 0.0,
    lon: Longitude = 0.0,
    radius: Radius = None,
    lat_span: Annotated[Extent, Query(alias="latSpan")] = None,
    lon_span: Annotated[Extent, Query(alias="lonSpan")] = None,
) -> Area:
    if lat_span is not None and lon_span is not None:
        half_height, half_width = lat_span / 2, lon_span / 2
        return Area(Box(lat - half_height, lon - half_width, lat + half_height, lon + half_width), (lat, lon), None)
    radius_m = min(radius or DEFAULT_RADIUS_M, MOST_RADIUS_M)
    return Area(box_around((lat, lon), radius_m), (lat, lon), radius_m)


SearchArea = Annotated[Area, Depends(_area)]


def requested_time(text: str | None, now_s: float, name: str = "time") -> float:
    """The requested time, by default now, Unix seconds. Accepts Unix milliseconds or RFC 3339.

    Raises BadParameter where it cannot be parsed or is more than MOST_FROM_NOW from now: each day read stays cached.
    """
    if text is None or not text.strip():
        return now_s
    try:
        at = float(text) / 1000 if text.strip().lstrip("-").isdecimal() else _parse_rfc3339(text)
    except (ValueError, OverflowError) as error:
        raise BadParameter(name, "neither Unix milliseconds nor RFC 3339") from error
    if not abs(at - now_s) <= MOST_FROM_NOW.total_seconds():
        raise BadParameter(name, TOO_FAR_FROM_NOW)
    return at


def _parse_rfc3339(text: str) -> float:
    # An unescaped "+" of an offset arrives as a space.
    at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def requested_day(text: str | None, network: Network, now: datetime) -> date:
    """The requested date, by default today. Accepts YYYY-MM-DD, or any moment of the day in Unix milliseconds.

    Raises BadParameter as `requested_time` does.
    """
    today = now.astimezone(network.zone).date()
    if text is None or not text.strip():
        return today
    if text.strip().lstrip("-").isdecimal():
        return parse_service_day(text, network, now.timestamp())
    try:
        day = date.fromisoformat(text.strip())
    except ValueError as error:
        raise BadParameter("date", "not YYYY-MM-DD") from error
    if abs(day - today) > MOST_FROM_NOW:
        raise BadParameter("date", TOO_FAR_FROM_NOW)
    return day


def parse_service_day(text: str, network: Network, now_s: float) -> date:
    """The service date whose midnight is given, also on a day the clocks change. Raises BadParameter."""
    at = datetime.fromtimestamp(requested_time(text, now_s, "serviceDate"), UTC)
    return (at + HALF_DAY).astimezone(network.zone).date()


def element_limit(count: int | None) -> int:
    """The most elements of a list."""
    return min(count or DEFAULT_COUNT, MOST_COUNT)
