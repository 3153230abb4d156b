"""Read and change the payload of a simulated message, in any format of its device: object, array or SenML."""

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
    """Whether the message holds readings, and not a birth or a will."""
    return not message.topic.endswith(STATUS_SUFFIX)


def is_fixed_sensor(message: SimulatedMessage) -> bool:
    """Whether the message holds readings of a fixed sensor. Buses have faults of their own."""
    return is_reading(message) and message.topic.startswith(f"{TOPIC_ROOT}/") and message.topic.split("/")[3] != "bus"


def is_level(message: SimulatedMessage) -> bool:
    """Whether the message holds water levels, in which spikes and drop-outs can be detected."""
    return is_fixed_sensor(message) and KINDS_BY_NAME[message.topic.split("/")[3]].limits.spike is not None


def json_records(message: SimulatedMessage) -> list[Record]:
    """The JSON objects of the payload; none if it is not JSON (any more)."""
    try:
        fields = orjson.loads(message.payload)
    except orjson.JSONDecodeError:
        return []
    return fields if isinstance(fields, list) else [fields]


def with_records_changed(message: SimulatedMessage, change: Callable[[Record], Record]) -> SimulatedMessage:
    """The message with each of its records changed."""
    changed = [change(record) for record in json_records(message)]
    if not changed:
        return message
    single = message.payload.startswith(b"{")
    return replace(message, payload=orjson.dumps(changed[0] if single else changed))


def _measure_key(message: SimulatedMessage) -> Callable[[Record], str | None]:
    """A function that finds the key of the kind's measure in a record: its own name, or `v` of a SenML record."""
    kind = KINDS_BY_NAME[message.topic.split("/")[3]]
    labels = {label for label, named in kind.senml.items() if named == kind.measure}

    def key(record: Record) -> str | None:
        if kind.measure in record:
            return kind.measure
        return "v" if record.get("n") in labels else None

    return key


def newest_value(message: SimulatedMessage) -> float | None:
    """The newest value of the kind's measure in the message; None if there is none."""
    key = _measure_key(message)
    values = [record[where] for record in json_records(message) if (where := key(record))]
    return values[-1] if values else None


def with_values_changed(message: SimulatedMessage, change: Callable[[float], float]) -> SimulatedMessage:
    """The message with the kind's measure changed in each record that has it."""
    key = _measure_key(message)

    def changed(record: Record) -> Record:
        where = key(record)
        return record | {where: change(record[where])} if where else record

    return with_records_changed(message, changed)


def with_time_shifted(record: Record, offset: timedelta) -> Record:
    """The record with its time shifted, in Vigía's JSON or in SenML."""
    match record:
        case {"observed_at": str(fields)}:
            moved = datetime.fromisoformat(fields) + offset
            return record | {"observed_at": moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        case {"t": float(fields) | int(fields)}:
            return record | {"t": fields + offset.total_seconds()}
    return record


def status_message(message: SimulatedMessage, later: timedelta, *, online: bool) -> SimulatedMessage:
    """A birth or a will of the device of the message."""
    boot = next((record["boot"] for record in json_records(message) if "boot" in record), None)
    fields: Record = {"online": online} | ({"boot": boot} if boot else {})
    topic = message.topic + STATUS_SUFFIX
    return replace(message, topic=topic, payload=orjson.dumps(fields), due_at=message.due_at + later, retain=True)


class Reboots:
    """The devices that rebooted, with the `seq` of their first run at the reboot."""

    def __init__(self) -> None:
        self._runs: dict[str, tuple[int, int]] = {}

    def restart(self, message: SimulatedMessage) -> None:
        """Record that the device rebooted before this message."""
        seqs = [record["seq"] for record in json_records(message) if "seq" in record]
        if seqs:
            run, _ = self._runs.get(message.topic, (0, 0))
            self._runs[message.topic] = (run + 1, seqs[0])

    def renumbered(self, message: SimulatedMessage) -> SimulatedMessage:
        """The message with the `boot` and `seq` of the present run of the device."""
        if message.topic not in self._runs:
            return message
        run, first = self._runs[message.topic]

        def renumber(record: Record) -> Record:
            if "seq" not in record:
                return record
            return record | {"boot": f"{record['boot']}-{run}", "seq": record["seq"] - first}

        return with_records_changed(message, renumber)
