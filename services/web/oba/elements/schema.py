"""msgspec structs of OneBusAway answers. No field has a default, so that none can be forgotten.

Times are milliseconds since 1970 unless said otherwise, distances metres, ids `AGENCY_ID`. An unknown string is empty,
not null, wherever the contract wants a string. `frequency` is always null: servers and models of the contract disagree
on its content; `headwaySeconds`, an addition of ours, holds the headway.
"""

from typing import Generic, TypeVar

from msgspec import Struct, field

Data = TypeVar("Data")
Element = TypeVar("Element")


class CamelCaseStruct(Struct, rename="camel", frozen=True, gc=False, kw_only=True):
    """A struct whose fields are written in camel case, as the contract spells them."""


class Agency(CamelCaseStruct, frozen=True):
    """An agency that runs buses."""

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


class Route(CamelCaseStruct, frozen=True):
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


class Stop(CamelCaseStruct, frozen=True):
    """A stop. `direction`: in which buses leave, N to NW, empty where they differ."""

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


class Trip(CamelCaseStruct, frozen=True):
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


class StopTime(CamelCaseStruct, frozen=True):
    """A trip's call at a stop: seconds after midnight of the service date."""

    stop_id: str
    arrival_time: int
    departure_time: int
    distance_along_trip: float
    stop_headsign: str
    historical_occupancy: str


class Words(CamelCaseStruct, frozen=True):
    """Text in one language."""

    lang: str
    value: str


class Window(CamelCaseStruct, frozen=True):
    """A period; `to` 0 where no end is known."""

    start: int = field(name="from")
    to: int


class Affected(CamelCaseStruct, frozen=True):
    """What a situation concerns: all fields that are not empty must match."""

    agency_id: str
    application_id: str
    direction_id: str
    route_id: str
    stop_id: str
    trip_id: str


class Path(CamelCaseStruct, frozen=True):
    """An encoded polyline; `length` is its number of points."""

    length: int
    levels: str
    points: str


class Conditions(CamelCaseStruct, frozen=True):
    """Details of a consequence. No detour is known."""

    diversion_path: Path
    diversion_stop_ids: list[str]


class Consequence(CamelCaseStruct, frozen=True):
    """The effect of a situation on the service."""

    condition: str
    condition_details: Conditions


class Situation(CamelCaseStruct, frozen=True):
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


class References(CamelCaseStruct, frozen=True):
    """Every element the answer refers to by id, each once."""

    agencies: list[Agency]
    routes: list[Route]
    situations: list[Situation]
    stops: list[Stop]
    stop_times: list[StopTime]
    trips: list[Trip]


class Location(CamelCaseStruct, frozen=True):
    """WGS 84 degrees."""

    lat: float
    lon: float


class Coverage(CamelCaseStruct, frozen=True):
    """The area of an agency's stops: centre and extent, degrees."""

    agency_id: str
    lat: float
    lon: float
    lat_span: float
    lon_span: float


class CurrentTime(CamelCaseStruct, frozen=True):
    """The server's clock."""

    time: int
    readable_time: str


class Name(CamelCaseStruct, frozen=True):
    """The name of a group of stops."""

    name: str
    names: list[str]
    type: str


class StopGroup(CamelCaseStruct, frozen=True):
    """The stops of one direction, in the order buses reach them."""

    id: str
    name: Name
    polylines: list[Path]
    stop_ids: list[str]
    sub_groups: list[str]


class StopGrouping(CamelCaseStruct, frozen=True):
    """Directions. The contract's flat fields describe the whole route; apps read `stopGroups`."""

    type: str
    ordered: bool
    stop_groups: list[StopGroup]
    id: str
    name: Name
    polylines: list[Path]
    stop_ids: list[str]


class StopsForRoute(CamelCaseStruct, frozen=True):
    """The stops and shapes of a route."""

    route_id: str
    stop_ids: list[str]
    stop_groupings: list[StopGrouping]
    polylines: list[Path]


class Entry(CamelCaseStruct, Generic[Element], frozen=True):
    """One element and its references."""

    entry: Element
    references: References


class Listing(CamelCaseStruct, Generic[Element], frozen=True):
    """A list, whether there was more, and whether the requested area has no agency."""

    list: list[Element]
    limit_exceeded: bool
    out_of_range: bool
    references: References


class Nothing(CamelCaseStruct, frozen=True):
    """No data."""


class Answer(CamelCaseStruct, Generic[Data], frozen=True):
    """The wrapper of every answer. `code` is also the HTTP status."""

    code: int
    current_time: int
    text: str
    version: int
    data: Data


class Refused(CamelCaseStruct, frozen=True):
    """An error. `data` null, except for bad parameters, which `fieldErrors` names."""

    code: int
    current_time: int
    text: str
    version: int
    data: "Faults | None"


class Faults(CamelCaseStruct, frozen=True):
    """What is wrong with each parameter."""

    field_errors: dict[str, list[str]]
