"""What a OneBusAway answer is made of. No field has a default, so that none can be forgotten.

Times are milliseconds since 1970 unless said otherwise, distances metres, ids `AGENCY_ID`. An empty string, not null,
stands for what is not known wherever the contract wants a string. `frequency` is null always: servers and models of
the contract disagree on what it holds; `headwaySeconds`, an addition of ours, says it.
"""

from typing import Generic, TypeVar

from msgspec import Struct, field

Data = TypeVar("Data")
Element = TypeVar("Element")


class Shaped(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """Fields in the contract's spelling."""


class Agency(Shaped, frozen=True):
    """Who runs buses."""

    id: str
    name: str
    url: str
    timezone: str
    lang: str
    phone: str
    email: str
    fare_url: str
    disclaimer: str
    private_service: bool


class Route(Shaped, frozen=True):
    """A line. `type`: GTFS route_type."""

    id: str
    agency_id: str
    short_name: str
    long_name: str
    null_safe_short_name: str
    description: str
    type: int
    url: str
    color: str
    text_color: str


class Stop(Shaped, frozen=True):
    """Where a rider waits. `direction`: whither buses leave, N to NW, empty where they differ."""

    id: str
    code: str
    name: str
    lat: float
    lon: float
    direction: str
    location_type: int
    parent: str
    route_ids: list[str]
    static_route_ids: list[str]
    wheelchair_boarding: str


class Trip(Shaped, frozen=True):
    """A trip of the timetable."""

    id: str
    route_id: str
    service_id: str
    shape_id: str
    block_id: str
    direction_id: str
    trip_headsign: str
    trip_short_name: str
    route_short_name: str
    time_zone: str
    peak_offpeak: int


class StopTime(Shaped, frozen=True):
    """A trip's call at a stop: seconds after midnight of the service date."""

    stop_id: str
    arrival_time: int
    departure_time: int
    distance_along_trip: float
    stop_headsign: str
    historical_occupancy: str


class Words(Shaped, frozen=True):
    """Text in one language."""

    lang: str
    value: str


class Window(Shaped, frozen=True):
    """From when to when; `to` 0 where no end is known."""

    start: int = field(name="from")
    to: int


class Affected(Shaped, frozen=True):
    """Whom a situation concerns: all that is not empty must fit at once."""

    agency_id: str
    application_id: str
    direction_id: str
    route_id: str
    stop_id: str
    trip_id: str


class Path(Shaped, frozen=True):
    """An encoded polyline; `length` is its number of points."""

    length: int
    levels: str
    points: str


class Conditions(Shaped, frozen=True):
    """More of a consequence: nothing is known of the way round."""

    diversion_path: Path
    diversion_stop_ids: list[str]


class Consequence(Shaped, frozen=True):
    """What a situation does to the service."""

    condition: str
    condition_details: Conditions


class Situation(Shaped, frozen=True):
    """A service alert."""

    id: str
    creation_time: int
    reason: str
    severity: str
    summary: Words
    description: Words
    url: Words
    active_windows: list[Window]
    publication_windows: list[Window]
    all_affects: list[Affected]
    consequences: list[Consequence]
    consequence_message: str


class References(Shaped, frozen=True):
    """Every element the answer names by id, each once."""

    agencies: list[Agency]
    routes: list[Route]
    situations: list[Situation]
    stops: list[Stop]
    stop_times: list[StopTime]
    trips: list[Trip]


class Location(Shaped, frozen=True):
    """WGS 84 degrees."""

    lat: float
    lon: float


class Coverage(Shaped, frozen=True):
    """Where an agency's stops lie: the middle and the extent, degrees."""

    agency_id: str
    lat: float
    lon: float
    lat_span: float
    lon_span: float


class CurrentTime(Shaped, frozen=True):
    """The server's clock."""

    time: int
    readable_time: str


class Name(Shaped, frozen=True):
    """What a group of stops is called."""

    name: str
    names: list[str]
    type: str


class StopGroup(Shaped, frozen=True):
    """The stops of one direction in the order buses come to them."""

    id: str
    name: Name
    polylines: list[Path]
    stop_ids: list[str]
    sub_groups: list[str]


class StopGrouping(Shaped, frozen=True):
    """Directions. The contract's flat fields speak of the whole route; apps read `stopGroups`."""

    type: str
    ordered: bool
    stop_groups: list[StopGroup]
    id: str
    name: Name
    polylines: list[Path]
    stop_ids: list[str]


class StopsForRoute(Shaped, frozen=True):
    """The stops and ways of a route."""

    route_id: str
    stop_ids: list[str]
    stop_groupings: list[StopGrouping]
    polylines: list[Path]


class Entry(Shaped, Generic[Element], frozen=True):
    """One element and what it refers to."""

    entry: Element
    references: References


class Listing(Shaped, Generic[Element], frozen=True):
    """A list, whether there would have been more, and whether it was asked for where no agency runs."""

    list: list[Element]
    limit_exceeded: bool
    out_of_range: bool
    references: References


class Nothing(Shaped, frozen=True):
    """No more to say."""


class Answer(Shaped, Generic[Data], frozen=True):
    """What every answer is wrapped in. `code` is also the HTTP status."""

    code: int
    current_time: int
    text: str
    version: int
    data: Data


class Refused(Shaped, frozen=True):
    """Why nothing is told. `data` null but for faulty parameters, which `fieldErrors` names."""

    code: int
    current_time: int
    text: str
    version: int
    data: "Faults | None"


class Faults(Shaped, frozen=True):
    """What is wrong with each parameter."""

    field_errors: dict[str, list[str]]
