"""Replay a recorded series as messages of a device. Blank rows stay blank; nothing is interpolated."""

import csv
import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from math import isfinite
from pathlib import Path

import orjson

from models.kinds import KINDS_BY_NAME
from models.place import Device
from simulators.devices.message import SimulatedMessage
from simulators.devices.sensors import device_topic, rfc3339

TIME_COLUMN = "time_utc"
MAX_ROWS = 5_000_000
MAX_INTERVAL_S = 86_400
BLANK_WORDS = {"", "na", "nan", "null", "none"}


@dataclass(frozen=True, slots=True)
class RecordedSeries:
    """Recorded values in time order, and the number of rows without a value."""

    rows: tuple[tuple[datetime, float], ...]
    blank: int


class BadSeries(ValueError):
    """The file is not a valid series. The message names the file and the line."""


def read_series(path: Path, column: str, only: Mapping[str, str]) -> RecordedSeries:
    """Read a series from a CSV file, plain or gzip: a `time_utc` column in ISO 8601 and `column`.

    only: texts by column; other rows are skipped. Blank values are counted and not sent. Raises BadSeries.
    """
    rows: list[tuple[datetime, float]] = []
    blank = 0
    for line, row in _rows(path, {TIME_COLUMN, column, *only}):
        if any(row[name] != word for name, word in only.items()):
            continue
        at = _parse_time(row[TIME_COLUMN], f"{path.name}:{line}")
        if rows and at < rows[-1][0]:
            raise BadSeries(
                f"{path.name}:{line}: {row[TIME_COLUMN]} is earlier than the row before; sort or choose rows"
            )
        if (row[column] or "").strip().lower() in BLANK_WORDS:
            blank += 1
            continue
        rows.append((at, _parse_number(row[column], f"{path.name}:{line}: {column}")))
        if len(rows) > MAX_ROWS:
            raise BadSeries(f"{path.name}:{line}: more than {MAX_ROWS} rows; split the file")
    return RecordedSeries(tuple(rows), blank)


def _rows(path: Path, wanted: set[str]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            reader = csv.DictReader(TextIOWrapper(file, encoding="utf-8-sig", newline=""))
            missing = wanted - set(reader.fieldnames or ())
            if missing:
                there = ", ".join(reader.fieldnames or ())
                raise BadSeries(f"{path.name}:1: no column {', '.join(sorted(missing))}; there are {there or 'none'}")
            for row in reader:
                yield reader.line_num, row
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise BadSeries(f"{path}: {error}") from error


def _parse_time(words: str | None, at: str) -> datetime:
    try:
        moment = datetime.fromisoformat(words or "")
    except ValueError as error:
        raise BadSeries(f"{at}: {words!r} is no time such as 2016-09-01T04:40:00Z") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _parse_number(words: str, at: str) -> float:
    try:
        value = float(words)
    except ValueError as error:
        raise BadSeries(f"{at}: {words!r} is no number") from error
    if not isfinite(value):
        raise BadSeries(f"{at}: {words!r} is not finite")
    return value


def replayed_messages(
    series: RecordedSeries, device: Device, *, start: datetime, pace: float, keep_times: bool
) -> Iterator[SimulatedMessage]:
    """The series as messages of `device` from `start` on, `pace` times as fast as it was recorded.

    The time of a reading is the time of sending or, with `keep_times`, the recorded time.
    """
    kind = KINDS_BY_NAME[device.kind]
    first_at = before = series.rows[0][0] if series.rows else start
    boot = f"replay-{int(start.timestamp())}"
    for seq, (at, value) in enumerate(series.rows):
        due_at = start + (at - first_at) / pace
        said: dict[str, object] = {"observed_at": rfc3339(at if keep_times else due_at), "boot": boot, "seq": seq}
        if kind.signal.source == "rain":
            interval_s = int((at - before).total_seconds()) or device.period_s
            said["interval_s"] = min(interval_s, MAX_INTERVAL_S)
        said[kind.measure] = value
        before = at
        yield SimulatedMessage(created_at=due_at, due_at=due_at, topic=device_topic(device), payload=orjson.dumps(said))
