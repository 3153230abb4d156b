"""Responses of the HTTP API and pages on a database, at the end of the simulated morning, long lists shortened."""

import json
from typing import Any

import httpx
from sqlalchemy import Engine, text

from services.people.api_keys import add_api_key
from services.runtime.database import open_database
from services.runtime.settings import Settings
from services.web.app import create_app
from tests.compatibility import simulated_buses, simulated_morning
from tests.serving import listening

MAX_ELEMENTS = 2
"""Elements of a list that are kept. The others have the same fields."""
PATHS = (
    *("/api/v1/alerts?limit=3", "/api/v1/alerts/{alert}", "/api/v1/transitions?station=gato-143-524&limit=3"),
    *("/api/v1/attention", "/api/v1/basins/gato", "/api/v1/municipalities", "/api/v1/devices?limit=3"),
    *("/api/v1/latest", "/api/v1/rejections?limit=3", "/api/v1/speeds?station=radar-7-50"),
    *("/api/v1/stations/gato-143-524", "/api/v1/stations/gato-143-524/forecast", "/api/v1/stations/radar-13-60"),
    *(
        "/api/v1/stations/gato-143-524/series?resolution=raw&from=2026-03-02T10:55:00Z",
        "/api/v1/stations/perez-31-520/latest",
    ),
    "/api/v1/stations/perez-31-520/series?resolution=1h&from=2026-02-27T00:00:00Z&to=2026-03-02T11:00:00Z",
    *("/api/v1/transit/lines", "/api/v1/transit/lines/307", "/api/v1/transit/stops/{stop}"),
    *("/api/v1/transit/stops/{stop}/arrivals", "/api/v1/transit/trips/307-2-ida-habil-0719?service_date=20260302"),
    *("/api/v1/transit/vehicles.geojson", "/api/v1/transit/accuracy", "/api/v1/transit/service-alerts"),
    "/api/where/arrivals-and-departures-for-stop/siete_{stop}.json",
    *("/api/where/vehicles-for-agency/siete.json", "/api/where/trip-details/siete_307-2-ida-habil-0719.json"),
    *("/gtfs-rt/trip-updates.json", "/gtfs-rt/vehicle-positions.json", "/gtfs-rt/alerts.json"),
    *("/p/{code}.txt", "/estacion/gato-143-524.csv?horas=6"),
)
STOP_POSITION = 15
"""Position in its pattern of a stop that buses approach at the end of the simulated morning."""


def http_responses(database: Engine) -> dict[str, Any]:
    """The status and body of each path."""
    clock, settings = simulated_morning.Clock(simulated_morning.ENDS), Settings(api_port=0, statement_timeout_s=30)
    network = simulated_buses.timetable()
    stop = network.stops[network.patterns[simulated_buses.OUT].stop_ids[STOP_POSITION]]
    with database.connect() as connection:
        query = text("SELECT id FROM alerts WHERE rule_id = 'gato-143-524.stage'")
        alert = connection.execute(query).scalar_one()
    with database.begin() as transaction:
        token = add_api_key(transaction, "Beatriz", simulated_morning.ENDS)
    url = database.url.render_as_string(hide_password=False)
    engine = open_database(url, name="test-api", statement_timeout_s=30, pool_size=5)
    app = create_app(settings, engine, clock)
    responses = {}
    with listening(app, settings) as address, _client(address, token) as client:
        for path in PATHS:
            response = client.get(path.format(alert=alert, stop=stop.id, code=stop.code))
            responses[path] = {"status": response.status_code, "body": _shortened(_body(response))}
    engine.dispose()
    return responses


def _client(address: str, token: str) -> httpx.Client:
    """A client with an operator's token: names and notes are shown to operators only."""
    return httpx.Client(base_url=address, timeout=30, headers={"Authorization": f"Bearer {token}"})


def _body(response: httpx.Response) -> Any:
    if "json" in response.headers["content-type"]:
        return response.json(parse_float=lambda digits: round(float(digits), 3))
    return response.text.splitlines()


def _shortened(value: Any) -> Any:
    match value:
        case dict():
            return {name: _shortened(inner) for name, inner in value.items()}
        case list() if len(value) > MAX_ELEMENTS and json.dumps(value[0])[0] in '{["':
            return [*map(_shortened, value[:MAX_ELEMENTS]), f"and {len(value) - MAX_ELEMENTS} more"]
        case list():
            return [_shortened(inner) for inner in value]
    return value
