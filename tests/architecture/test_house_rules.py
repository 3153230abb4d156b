"""Rules of the code that review asked for twice: sizes, names, clock readings, MQTT."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.repository import FLOORS, ROOT, files, imports, modules

LONGEST_FUNCTION = 70
LISTS = "models/migrations/versions/"  # a step of the schema is a list of what it creates
LARGEST_FILE_BYTES = 1_000_000
CLOCK = "services/runtime/clock.py"
READERS_OF_MQTT = {"ingest/mqtt/receiver.py", "ingest/mqtt/packets.py"}
WRITERS_OF_MQTT = {
    "services/actuators/exchange.py",
    "services/bench/named_parts.py",
    "services/broker_access/running_broker.py",
    "services/runtime/mqtt_client.py",
    "services/self_check/broker_watch.py",
    "services/self_check/unread_topics.py",
    "services/transit/sources/relay.py",
    "simulators/publisher.py",
}
SAYS_NOTHING = {"utils", "util", "common", "base", "manager", "managers", "helpers", "helper", "misc", "tools"}

CLOCK_CALLS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "localtime"),
    ("time", "gmtime"),
}

# Where packages come from and where this was written are nobody's business here. Split so as not to find themselves.
NOT_HERE = re.compile(
    "|".join(
        (
            r"pypi\." + "org",
            "python" + "hosted",
            r"registry\." + "npmjs",
            "--index" + "-url",
            "--extra-index" + "-url",
            "--find" + "-links",
            r"(?<![\w.])/" + "work/",
            r"(?<![\w.])/" + "root/",
            r"(?<![\w.])/" + "home/",
            r"(?<![\w.])/" + r"tmp/\w",
            "/opt/" + "wheels",
        )
    )
)


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in modules(*FLOORS, "tests", "scripts")
        if not path.startswith(LISTS)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []


def test_modules_are_named_for_what_they_hold() -> None:
    assert [path for path, _ in modules(*FLOORS) if SAYS_NOTHING & set(Path(path).with_suffix("").parts)] == []


def test_every_module_says_what_it_is_for() -> None:
    assert [path for path, tree in modules(*FLOORS, "tests") if tree.body and not ast.get_docstring(tree)] == []


def test_only_the_runtime_reads_the_clock() -> None:
    found = {path for path, tree in modules(*FLOORS) for _ in clock_readings(tree)}
    assert found == {CLOCK}


def clock_readings(tree: ast.Module) -> Iterator[int]:
    """The lines where a module reads the clock, under any name of the function."""
    renamed = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"datetime", "time"}
        for alias in node.names
    }
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                if (renamed.get(owner, owner), attribute) in CLOCK_CALLS:
                    yield node.lineno
            case ast.Attribute(value=ast.Attribute(attr=owner), attr=attribute):
                if (owner, attribute) in CLOCK_CALLS:
                    yield node.lineno
            case ast.ImportFrom(module="time", names=names):
                if any(("time", alias.name) in CLOCK_CALLS for alias in names):
                    yield node.lineno


def test_the_search_for_clock_readings_finds_each_way_of_asking() -> None:
    for asking in (
        "import time\ntime.time()",
        "from time import time as what\nwhat()",
        "from datetime import datetime as moment, UTC\nmoment.now(UTC)",
        "import datetime\ndatetime.datetime.now(datetime.UTC)",
        "from datetime import date\nwhen = date.today",
    ):
        assert list(clock_readings(ast.parse(asking))), asking
    assert not list(clock_readings(ast.parse("import time\ntime.monotonic()\nclock.now()")))


def test_mqtt_is_read_in_one_place_and_written_in_one_by_each_side() -> None:
    speakers = {path for path, tree in modules(*FLOORS) if any(name.startswith("paho") for name in imports(tree))}
    assert speakers <= READERS_OF_MQTT | WRITERS_OF_MQTT
    users = {path for path, tree in modules(*FLOORS) if "ingest.mqtt.packets" in imports(tree)}
    assert users <= READERS_OF_MQTT


def test_nothing_names_a_registry_or_a_place_on_some_machine() -> None:
    found = []
    for path in files():
        try:
            lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path}:{number}: {hit[0]}" for number, line in enumerate(lines, 1) if (hit := NOT_HERE.search(line))
        ]
    assert found == []


def test_no_file_is_large() -> None:
    assert [path for path in files() if (ROOT / path).stat().st_size > LARGEST_FILE_BYTES] == []
