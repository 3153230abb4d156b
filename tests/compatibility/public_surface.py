"""The public interface, computed from the running code: what other programs and people may depend on.

`surface.toml` is the approved list. `python -m tests.compatibility.public_surface` rewrites it; review the diff.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from fastapi.routing import iter_route_contexts
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, Engine, create_engine, text
from starlette.routing import Mount

from alerts.rulebook import JUDGEMENTS
from ingest.lanes import lane_topics
from models.alert import NAR, Cause, Change
from models.kind import Lane
from models.kinds import KINDS
from models.migrations import upgrade
from models.reading import Flag, Reason
from services.__main__ import parser
from services.asyncapi import document
from services.city.seed_files import BASINS_FILE, CITY_FILE, BasinsFile, CityFile
from services.embedded.mqtt_broker import embedded_broker
from services.embedded.postgres import embedded_postgres
from services.people.tokens import KEY_PREFIX
from services.runtime.clock import wall_clock
from services.runtime.database import open_database
from services.runtime.settings import Settings, secret_names
from services.web.app import create_app
from services.web.http.credentials import OPERATOR_COOKIE
from services.web.pages.static_files import FILES
from tests.compatibility import lists, schema_lines
from tests.compatibility.running_processes import observe_city
from tests.databases import new_database, plain_database

Surface = dict[str, list[str]]
"""The sorted items of each section."""

LIST = Path(__file__).with_name("surface.toml")
REWRITE_COMMAND = "python -m tests.compatibility.public_surface"
HEADER = f"""\
# The public interface: URLs, fields, commands, settings, tables, metrics, topics and codes, one a line.
# `{REWRITE_COMMAND}` rewrites this file from the running code. A removed or changed line breaks a client.
"""
_COLUMNS = text(
    "SELECT c.relname, CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END AS relation, a.attname,"
    " format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull, a.attidentity <> '' AS identity,"
    " pg_get_expr(d.adbin, d.adrelid) AS usual"
    " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum"
    " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')"
)
_KEYS = text(
    "SELECT conrelid::regclass::text AS relation, pg_get_constraintdef(oid) AS definition FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f', 'c')"
)


def code_surface() -> Surface:
    """What the code says without a database or a broker."""
    app = create_app(Settings(_env_file=None), create_engine("postgresql+psycopg://"), wall_clock)
    found = _web(app)
    found["commands"] = sorted(_commands(parser(), "vigia"))
    found["settings"] = sorted(_settings())
    found["seed"] = sorted(_seed())
    found["judgements"] = sorted(_judgements())
    found["mqtt"] = sorted(_mqtt())
    found["codes"] = sorted(_codes())
    return found


def _schema_surface(engine: Engine) -> Surface:
    """Tables, views, columns and constraints of an empty database after all migrations."""
    with engine.begin() as transaction:
        upgrade(transaction)
        return {"columns": sorted(_columns(transaction)), "constraints": sorted(_constraints(transaction))}


def running_surface(database_url: str, mqtt_url: str) -> Surface:
    """What only running processes publish: metrics with labels, live events with fields, the columns of a CSV."""
    with new_database(database_url) as city:
        observed = observe_city(city, mqtt_url)
    events = {
        f"{name} {path}"
        for name, published in observed.events.items()
        for data in published
        for path in _field_paths(data, "")
    }
    return {
        "metrics": sorted(_metrics(observed.metrics)),
        "live_events": sorted(events | {observed.resync_event}),
        "csv": [observed.csv.splitlines()[0]],
    }


def database_surface(database_url: str) -> Surface:
    """The schema of a new database on this server, after all migrations."""
    with plain_database(database_url) as url:
        engine = open_database(url, name="test")
        try:
            return _schema_surface(engine)
        finally:
            engine.dispose()


# ---------------------------------------------------------------- web


def _web(app: Any) -> Surface:
    description, onebusaway = app.openapi(), {mount.path: mount.app.openapi() for mount in _mounts(app)}
    statuses, answers = schema_lines.answers(description)
    found = {
        "routes": sorted({*_routes(app), *(f"GET /static/{name}" for name in FILES)}),
        "other_parameters": sorted(set(_parameters(app, {name for name, _ in schema_lines.operations(description)}))),
        "openapi_parameters": schema_lines.parameters(description),
        "openapi_statuses": statuses,
        "openapi_answers": answers,
        "openapi_refusals": schema_lines.refusals(description),
        "openapi_schema_names": sorted(description["components"]["schemas"]),
        "openapi_security": sorted(description["components"].get("securitySchemes", ())),
        "tokens": sorted({f"cookie {OPERATOR_COOKIE}", f"a token begins with {KEY_PREFIX}"}),
    }
    for prefix, mounted in onebusaway.items():
        found |= _onebusaway(mounted, prefix)
    return found


def _onebusaway(description: schema_lines.Json, prefix: str) -> Surface:
    """The OneBusAway API. Its references are the same in every answer, so they are listed once."""
    statuses, answers = schema_lines.answers(description, prefix)
    shared = {line.partition("data.references.")[2] for line in answers} - {""}
    return {
        "onebusaway_parameters": schema_lines.parameters(description, prefix),
        "onebusaway_statuses": statuses,
        "onebusaway_answers": [line for line in answers if "data.references." not in line],
        "onebusaway_references": sorted(shared),
        "onebusaway_refusals": schema_lines.refusals(description),
    }


def _mounts(app: Any) -> Iterator[Any]:
    return (route for route in app.routes if isinstance(route, Mount))


def _routes(app: Any, prefix: str = "") -> Iterator[str]:
    """Every method and path, also of routes that are not in the OpenAPI description."""
    for route in iter_route_contexts(app.routes):
        if not isinstance(route.original_route, Mount):
            yield from (f"{method} {prefix}{route.path}" for method in route.methods or ())
    for mount in _mounts(app):
        yield from _routes(mount.app, mount.path)


def _parameters(app: Any, described: set[str]) -> Iterator[str]:
    """Every parameter and form field of the routes that are not in the OpenAPI description, such as pages."""
    for route in iter_route_contexts(app.routes):
        if (dependant := getattr(route, "dependant", None)) is not None:
            names = {f"{method} {route.path}" for method in route.methods or ()} - described
            yield from (f"{name} {parameter}" for name in names for parameter in _request_parameters(dependant))


def _request_parameters(dependant: Any) -> Iterator[str]:
    """The parameters of an endpoint and of its dependencies."""
    for place in ("path", "query", "header", "cookie", "body"):
        yield from (f"{place} {parameter.alias}" for parameter in getattr(dependant, f"{place}_params"))
    for dependency in dependant.dependencies:
        yield from _request_parameters(dependency)


# ---------------------------------------------------------------- commands, settings, seed


def _commands(command: argparse.ArgumentParser, name: str) -> Iterator[str]:
    yield name
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subcommand, subparser in action.choices.items():
                yield from _commands(subparser, f"{name} {subcommand}")
        elif not isinstance(action, argparse._HelpAction):
            yield f"{name} {_option(action)}"


def _option(action: argparse.Action) -> str:
    words = [" ".join(action.option_strings) or f"<{action.dest}>"]
    if action.nargs is not None:
        words.append(f"nargs {action.nargs}")
    if action.choices is not None:
        words.append("one of " + "|".join(map(str, action.choices)))
    if action.required and action.option_strings:
        words.append("required")
    if action.default not in (None, argparse.SUPPRESS):
        shown = action.default.name if isinstance(action.default, Path) else action.default
        words.append(f"default {shown}")
    return ", ".join(words)


def _settings() -> Iterator[str]:
    prefix = Settings.model_config["env_prefix"]
    schema = Settings.model_json_schema()
    for name, field in schema["properties"].items():
        yield f"{prefix}{name}".upper() + f": {schema_lines.described(field, schema.get('$defs', {}))}"
    yield from (f"{name}_FILE: path" for name in secret_names())


def _seed() -> Iterator[str]:
    for file, model in ((CITY_FILE, CityFile), (BASINS_FILE, BasinsFile)):
        schema = model.model_json_schema()
        yield from (f"{file} {line}" for line in schema_lines.properties(schema, schema["$defs"]))


def _judgements() -> Iterator[str]:
    """The fields of every judgement type, which seeds set and the API shows."""
    _, definitions = msgspec.json.schema_components(JUDGEMENTS.values())
    for name, judgement in JUDGEMENTS.items():
        schema = definitions[judgement.__name__]
        for field, field_schema in schema["properties"].items():
            yield f"{name}.{field}: {schema_lines.described(field_schema, definitions)}"


# ---------------------------------------------------------------- MQTT and codes


def _mqtt() -> Iterator[str]:
    wire = document()
    definitions = wire["components"]["schemas"]
    for lane in (None, *Lane):
        yield from (f"{lane or 'pipeline'} subscribes to {topic}" for topic in lane_topics(lane, foreign=True))
    for name, channel in wire["channels"].items():
        yield f"channel {name}: {channel['address']}"
        yield from (f"channel {name} carries {message}" for message in channel["messages"])
    for name, message in wire["components"]["messages"].items():
        if message["payload"].get("type") != "array":
            yield from (f"{name} {line}" for line in schema_lines.properties(message["payload"], definitions))
    for kind in KINDS:
        yield from (f"senml {kind.name} {name}: {column}" for name, column in kind.senml.items())


def _codes() -> Iterator[str]:
    """Numbers and words with a fixed meaning in rows and answers."""
    yield from (f"flag {flag.name}: {int(flag)}" for flag in Flag)
    yield from (f"reason {reason.value}" for reason in Reason)
    yield from (f"attention level {nar.name}: {int(nar)}" for nar in NAR)
    yield from (f"cause {cause.value}" for cause in Cause)
    yield from (f"change {change.value}" for change in Change)
    yield from (f"kind {kind.name}, lane {kind.lane.value}, measure {kind.measure}" for kind in KINDS)


# ---------------------------------------------------------------- database and running processes


def _columns(transaction: Connection) -> Iterator[str]:
    for row in transaction.execute(_COLUMNS):
        words = [f"{row.relation} {row.relname}.{row.attname} {row.type}"]
        words += ["not null"] if row.attnotnull else []
        words += ["identity"] if row.identity else [f"default {row.usual}"] if row.usual is not None else []
        yield " ".join(words)


def _constraints(transaction: Connection) -> Iterator[str]:
    return (f"{row.relation} {row.definition}" for row in transaction.execute(_KEYS))


def _metrics(exposition: str) -> Iterator[str]:
    for family in text_string_to_metric_families(exposition):
        yield from {f"{sample.name}{{{','.join(sorted(sample.labels))}}} {family.type}" for sample in family.samples}
        for sample in family.samples:
            if "what" in sample.labels:
                yield f"{sample.name}{{process={sample.labels['process']},what={sample.labels['what']}}}"


def _field_paths(value: Any, path: str) -> Iterator[str]:
    """The paths of all fields of an event. Fields below `evidence` depend on the rule and are left out."""
    match value:
        case Mapping():
            for name, inner in value.items():
                place = f"{path}.{name}" if path else name
                yield place
                if name != "evidence":
                    yield from _field_paths(inner, place)
        case list():
            for inner in value:
                yield from _field_paths(inner, f"{path}[]")


def main() -> None:
    """Rewrite the list, with an embedded PostgreSQL and broker."""
    with (
        TemporaryDirectory(prefix="vigia-") as folder,
        embedded_postgres(Path(folder)) as database,
        embedded_broker(Path(folder), port=0) as broker,
    ):
        found = code_surface() | database_surface(database.url) | running_surface(database.url, broker.url)
    for line in lists.differences(lists.read(LIST), found):
        print(line)
    lists.write(LIST, HEADER, found)
    print(f"{LIST.name}: {sum(map(len, found.values()))} items")


if __name__ == "__main__":
    main()
