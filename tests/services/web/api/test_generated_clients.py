"""An integrator generates a client from the OpenAPI document, and reads stations, series, alerts and arrivals."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.transit.timetable.versions import store
from tests.services.web.api.conftest import NOON, RIVER, City
from tests.services.web.api.transit_town import SEVEN, moment
from tests.transit_city import network
from tests.waiting import wait_until

WEEK = timedelta(days=7)
STOP = "T1"
TYPESCRIPT = os.environ.get("VIGIA_TEST_TYPESCRIPT")
"""A folder in which `npm ci` installed what typescript/package.json names."""

PYTHON_PROGRAM = """
import json, sys
from datetime import datetime
from client import Client
from client.api.alerts import alert, alerts
from client.api.stations import latest, series, stations
from client.api.transit import arrivals
from client.models import Problem, StationHealth

address, river, stop, start, end = sys.argv[1:]
client = Client(base_url=address, raise_on_unexpected_status=True)
told = alerts.sync(client=client, station=river).items
found = series.sync(river, client=client, from_=datetime.fromisoformat(start), to=datetime.fromisoformat(end))
coming = arrivals.sync(stop, client=client)
now = latest.sync(client=client)
missing = arrivals.sync("nowhere", client=client)
print(json.dumps({
    "stations": [one.id for one in stations.sync(client=client, limit=1000).items],
    "series": [[one.at.isoformat(), one.value, one.flags] for one in found.readings],
    "alerts": [[one.id, one.nar, alert.sync(one.id, client=client).alert.subject] for one in told],
    "arrivals": [[one.trip, one.scheduled_arrival.isoformat(), one.basis] for one in coming.arrivals],
    "are_enums": all(isinstance(one.health, StationHealth) for one in now.stations),
    "missing": [isinstance(missing, Problem), missing.type_],
}))
"""

TYPESCRIPT_PROGRAM = """
import type { components, operations } from "./api";

type Answer<Name extends keyof operations> =
  operations[Name] extends { responses: { 200: { content: { "application/json": infer Body } } } } ? Body : never;

async function read<Name extends keyof operations>(path: string): Promise<Answer<Name>> {
  const answer = await fetch(process.argv[2] + path);
  if (!answer.ok) throw new Error(((await answer.json()) as components["schemas"]["Problem"]).detail);
  return (await answer.json()) as Answer<Name>;
}

async function main(): Promise<void> {
  const [river, stop, start, end] = process.argv.slice(3);
  const period = new URLSearchParams({ from: start, to: end });
  const stations = await read<"stations">("/api/v1/stations?limit=1000");
  const series = await read<"series">(`/api/v1/stations/${river}/series?${period}`);
  const alerts = await read<"alerts">(`/api/v1/alerts?station=${river}`);
  const arrivals = await read<"arrivals">(`/api/v1/transit/stops/${stop}/arrivals`);
  const health: components["schemas"]["FleetHealth"] = arrivals.data;
  console.log(JSON.stringify({
    stations: stations.items.map((one) => one.id),
    series: series.readings.map((one) => [one.at, one.value, one.flags]),
    alerts: alerts.items.map((one) => [one.id, one.nar, one.subject]),
    arrivals: arrivals.arrivals.map((one) => [one.trip, one.scheduled_arrival, one.basis]),
    data: health,
  }));
}

main();
"""


@pytest.fixture
def arguments(city: City) -> list[str]:
    """The city with an alert, flagged readings and a timetable: what a program is told on its command line."""
    city.flood()
    city.send(7, -9999)
    with city.database.begin() as transaction:
        store(transaction, network(), "town", NOON)
    seven = moment(SEVEN)
    while seven < NOON:
        seven += WEEK
    city.clock.now = seven
    wait_until(lambda: city.client.get(f"/api/v1/transit/stops/{STOP}/arrivals").status_code == 200)
    start, end = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
    return [str(city.client.base_url).rstrip("/"), RIVER, STOP, start.isoformat(), end.isoformat()]


def expected(city: City) -> dict[str, Any]:
    """The same, read without a generated client."""
    period = {"from": (NOON - timedelta(hours=1)).isoformat(), "to": (NOON + timedelta(hours=1)).isoformat()}
    series = city.get(f"/stations/{RIVER}/series", **period)["readings"]
    alerts = city.get("/alerts", station=RIVER)["items"]
    arrivals = city.get(f"/transit/stops/{STOP}/arrivals")["arrivals"]
    assert series
    assert alerts
    assert arrivals
    return {
        "stations": [one["id"] for one in city.get("/stations", limit=1000)["items"]],
        "series": [[one["at"], one["value"], one["flags"]] for one in series],
        "alerts": [[one["id"], one["nar"], one["subject"]] for one in alerts],
        "arrivals": [[one["trip"], one["scheduled_arrival"], one["basis"]] for one in arrivals],
    }


def run(command: list[str], folder: Path) -> str:
    """What a command prints. Fails with its messages where it fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_packages_named_after_the_description_have_names_that_can_be_typed(city: City) -> None:
    for path in ("/api/v1/openapi.json", "/api/where/openapi.json"):
        assert city.client.get(path).json()["info"]["title"].isascii()


def test_a_python_client_reads_the_api_as_it_was_generated(city: City, arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_bytes(city.client.get("/api/v1/openapi.json").content)
    generator = str(Path(sys.executable).with_name("openapi-python-client"))
    options = ["--path", "openapi.json", "--meta", "none", "--output-path", "client", "--fail-on-warning"]
    run([generator, "generate", *options], tmp_path)
    read = json.loads(run([sys.executable, "-c", PYTHON_PROGRAM, *arguments], tmp_path))
    for name, position in (("series", 0), ("arrivals", 1)):
        for row in read[name]:
            row[position] = row[position].replace("+00:00", "Z")
    assert read == expected(city) | {
        "are_enums": True,
        "missing": [True, "urn:vigia:problem:no-such-stop"],
    }


@pytest.mark.skipif(TYPESCRIPT is None, reason="VIGIA_TEST_TYPESCRIPT names no folder with openapi-typescript")
def test_a_typescript_client_reads_the_api_as_it_was_generated(
    city: City, arguments: list[str], tmp_path: Path
) -> None:
    programs = Path(TYPESCRIPT or "").resolve() / "node_modules" / ".bin"
    (tmp_path / "openapi.json").write_bytes(city.client.get("/api/v1/openapi.json").content)
    (tmp_path / "read.ts").write_text(TYPESCRIPT_PROGRAM)
    (tmp_path / "node.d.ts").write_text("declare const process: { argv: string[] };")
    run([str(programs / "openapi-typescript"), "openapi.json", "--output", "api.d.ts"], tmp_path)
    options = ["--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "commonjs", "--outDir", "built"]
    run([str(programs / "tsc"), *options, "read.ts", "node.d.ts"], tmp_path)
    read = json.loads(run(["node", "built/read.js", *arguments], tmp_path))
    assert read == expected(city) | {"data": "silent"}
