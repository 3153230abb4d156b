"""Looking into a message's bytes and changing them, whatever form its device writes: objects, arrays or SenML."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from models.kinds import KINDS_BY_NAME
from simulators.devices.message import SimulatedMessage

Record = dict[str, Any]

STATUS_SUFFIX = "/status"
TOPIC_ROOT = "vigia/v1"


def is_reading(message: SimulatedMessage) -> bool:
    """Whether it carries readings, rather than a birth or a will."""
    return not message.topic.endswith(STATUS_SUFFIX)


def is_fixed_sensor(message: SimulatedMessage) -> bool:
    """Whether it carries readings of a sensor that stands somewhere: buses have troubles of their own."""
    return is_reading(message) and message.topic.startswith(f"{TOPIC_ROOT}/") and message.topic.split("/")[3] != "bus"


def is_level(message: SimulatedMessage) -> bool:
    """Whether it carries levels: values that a spike or a drop-out can be told from."""
    return is_fixed_sensor(message) and KINDS_BY_NAME[message.topic.split("/")[3]].limits.spike is not None


def json_records(message: SimulatedMessage) -> list[Record]:
    """The payload's JSON objects; none where it is no longer JSON."""
    try:
        said = orjson.loads(message.payload)
    except orjson.JSONDecodeError:
        return []
    return said if isinstance(said, list) else [said]


def with_records_changed(message: SimulatedMessage, change: Callable[[Record], Record]) -> SimulatedMessage:
    """The message with each of its records changed."""
    changed = [change(record) for record in json_records(message)]
    if not changed:
        return message
    single = message.payload.startswith(b"{")
    return replace(message, payload=orjson.dumps(changed[0] if single else changed))


def _measure_key(message: SimulatedMessage) -> Callable[[Record], str | None]:
    """Under which key a record holds the kind's measure: by its own name, or as the value of a SenML record."""
    kind = KINDS_BY_NAME[message.topic.split("/")[3]]
    labels = {label for label, named in kind.senml.items() if named == kind.measure}

    def key(record: Record) -> str | None:
        if kind.measure in record:
            return kind.measure
        return "v" if record.get("n") in labels else None

    return key


def newest_value(message: SimulatedMessage) -> float | None:
    """The newest value of the kind's measure that the message holds."""
    key = _measure_key(message)
    values = [record[where] for record in json_records(message) if (where := key(record))]
    return values[-1] if values else None


def with_values_changed(message: SimulatedMessage, change: Callable[[float], float]) -> SimulatedMessage:
    """The message with the kind's measure changed in each record that holds it."""
    key = _measure_key(message)

    def changed(record: Record) -> Record:
        where = key(record)
        return record | {where: change(record[where])} if where else record

    return with_records_changed(message, changed)


def with_time_shifted(record: Record, off: timedelta) -> Record:
    """The record with its time moved, in our own form or in SenML."""
    match record:
        case {"observed_at": str(said)}:
            moved = datetime.fromisoformat(said) + off
            return record | {"observed_at": moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        case {"t": float(said) | int(said)}:
            return record | {"t": said + off.total_seconds()}
    return record


def status_message(message: SimulatedMessage, later: timedelta, *, online: bool) -> SimulatedMessage:
    """A birth or a will in the name of the message's device."""
    boot = next((record["boot"] for record in json_records(message) if "boot" in record), None)
    said: Record = {"online": online} | ({"boot": boot} if boot else {})
    topic = message.topic + STATUS_SUFFIX
    return replace(message, topic=topic, payload=orjson.dumps(said), due_at=message.due_at + later, retain=True)


class Reboots:
    """Remembers which devices started anew, and from which `seq` of their first run."""

    def __init__(self) -> None:
        self._runs: dict[str, tuple[int, int]] = {}

    def restart(self, message: SimulatedMessage) -> None:
        """From this message on the device runs anew."""
        seqs = [record["seq"] for record in json_records(message) if "seq" in record]
        if seqs:
            run, _ = self._runs.get(message.topic, (0, 0))
            self._runs[message.topic] = (run + 1, seqs[0])

    def renumbered(self, message: SimulatedMessage) -> SimulatedMessage:
        """The message as the device's present run would write it."""
        if message.topic not in self._runs:
            return message
        run, first = self._runs[message.topic]

        def anew(record: Record) -> Record:
            if "seq" not in record:
                return record
            return record | {"boot": f"{record['boot']}-{run}", "seq": record["seq"] - first}

        return with_records_changed(message, anew)
