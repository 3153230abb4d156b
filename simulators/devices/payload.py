"""Looking into a parcel's bytes and changing them, whatever form its device writes: objects, arrays or SenML."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from models.kinds import KINDS_BY_NAME
from simulators.devices.message import Parcel

Record = dict[str, Any]

STATUS = "/status"
ROOT = "vigia/v1"


def is_reading(parcel: Parcel) -> bool:
    """Whether it carries readings, rather than a birth or a will."""
    return not parcel.topic.endswith(STATUS)


def is_standing(parcel: Parcel) -> bool:
    """Whether it carries readings of a sensor that stands somewhere: buses have troubles of their own."""
    return is_reading(parcel) and parcel.topic.startswith(f"{ROOT}/") and parcel.topic.split("/")[3] != "bus"


def is_gauge(parcel: Parcel) -> bool:
    """Whether it carries levels: values that a spike or a drop-out can be told from."""
    return is_standing(parcel) and KINDS_BY_NAME[parcel.topic.split("/")[3]].limits.spike is not None


def records(parcel: Parcel) -> list[Record]:
    """The payload's JSON objects; none where it is no longer JSON."""
    try:
        said = orjson.loads(parcel.payload)
    except orjson.JSONDecodeError:
        return []
    return said if isinstance(said, list) else [said]


def rewritten(parcel: Parcel, change: Callable[[Record], Record]) -> Parcel:
    """The parcel with each of its records changed."""
    changed = [change(record) for record in records(parcel)]
    if not changed:
        return parcel
    single = parcel.payload.startswith(b"{")
    return replace(parcel, payload=orjson.dumps(changed[0] if single else changed))


def _measured(parcel: Parcel) -> Callable[[Record], str | None]:
    """Under which key a record holds the kind's measure: by its own name, or as the value of a SenML record."""
    kind = KINDS_BY_NAME[parcel.topic.split("/")[3]]
    labels = {label for label, named in kind.senml.items() if named == kind.measure}

    def key(record: Record) -> str | None:
        if kind.measure in record:
            return kind.measure
        return "v" if record.get("n") in labels else None

    return key


def newest_value(parcel: Parcel) -> float | None:
    """The newest value of the kind's measure that the parcel holds."""
    key = _measured(parcel)
    values = [record[where] for record in records(parcel) if (where := key(record))]
    return values[-1] if values else None


def revalued(parcel: Parcel, change: Callable[[float], float]) -> Parcel:
    """The parcel with the kind's measure changed in each record that holds it."""
    key = _measured(parcel)

    def changed(record: Record) -> Record:
        where = key(record)
        return record | {where: change(record[where])} if where else record

    return rewritten(parcel, changed)


def shifted(record: Record, off: timedelta) -> Record:
    """The record with its time moved, in our own form or in SenML."""
    match record:
        case {"observed_at": str(said)}:
            moved = datetime.fromisoformat(said) + off
            return record | {"observed_at": moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        case {"t": float(said) | int(said)}:
            return record | {"t": said + off.total_seconds()}
    return record


def status(parcel: Parcel, later: timedelta, *, online: bool) -> Parcel:
    """A birth or a will in the name of the parcel's device."""
    boot = next((record["boot"] for record in records(parcel) if "boot" in record), None)
    said: Record = {"online": online} | ({"boot": boot} if boot else {})
    topic = parcel.topic + STATUS
    return replace(parcel, topic=topic, payload=orjson.dumps(said), due_at=parcel.due_at + later, retain=True)


class Boots:
    """Remembers which devices started anew, and from which `seq` of their first run."""

    def __init__(self) -> None:
        self._runs: dict[str, tuple[int, int]] = {}

    def start(self, parcel: Parcel) -> None:
        """From this parcel on the device runs anew."""
        seqs = [record["seq"] for record in records(parcel) if "seq" in record]
        if seqs:
            run, _ = self._runs.get(parcel.topic, (0, 0))
            self._runs[parcel.topic] = (run + 1, seqs[0])

    def renumbered(self, parcel: Parcel) -> Parcel:
        """The parcel as the device's present run would write it."""
        if parcel.topic not in self._runs:
            return parcel
        run, first = self._runs[parcel.topic]

        def anew(record: Record) -> Record:
            if "seq" not in record:
                return record
            return record | {"boot": f"{record['boot']}-{run}", "seq": record["seq"] - first}

        return rewritten(parcel, anew)
