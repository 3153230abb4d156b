"""Reader of recorded stop events: CSV files of when vehicles reached and left the stops of their journeys."""

import csv
import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import TextIOBase
from pathlib import Path

from services.replay.recorded_series import RecordError

REQUIRED_COLUMNS = {"trip_id", "start_date", "stop_sequence", "stop_id", "arrival_time", "departure_time"}
MOST_BYTES = 2_000_000_000
MOST_ROWS = 20_000_000

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StopEvent:
    """One vehicle at one stop. Times are Unix seconds; None where the file has none."""

    stop_id: str
    arrived_at: float | None
    left_at: float | None
    observed: bool


@dataclass(frozen=True, slots=True)
class RecordedJourney:
    """A journey as it was made: its events in order of sequence. `name` tells it from the others of its day."""

    name: str
    trip_id: str
    service_date: date
    events: tuple[StopEvent, ...]


def read_stop_events(path: Path) -> list[RecordedJourney]:
    """The journeys of a CSV file, plain or gzip, by date and name.

    Columns: `trip_id,start_date,stop_sequence,stop_id,arrival_time,departure_time` and, where there, `journey_id`,
    `observed` (all, if absent). Times are Unix seconds or ISO 8601, UTC where they carry no zone. Raises RecordError.
    """
    made: dict[tuple[str, str, str], list[tuple[int, StopEvent]]] = {}
    for number, row in _rows(path):
        try:
            key = (row["start_date"].replace("-", ""), row.get("journey_id") or row["trip_id"], row["trip_id"])
            made.setdefault(key, []).append((int(row["stop_sequence"]), _event(row)))
        except (ValueError, AttributeError) as error:
            raise RecordError(f"{path.name}:{number}: {error}") from error
    return [
        _recorded_journey(path, *key, sorted(events, key=lambda pair: pair[0])) for key, events in sorted(made.items())
    ]


def _rows(path: Path) -> Iterator[tuple[int, Row]]:
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise RecordError(f"{path.name}: no file, or one too large")
    try:
        with _open_text(path) as text:
            rows = csv.DictReader(text)
            if missing := REQUIRED_COLUMNS - set(rows.fieldnames or ()):
                raise RecordError(f"{path.name}:1: no column {', '.join(sorted(missing))}")
            for number, row in enumerate(rows, 2):
                if number > MOST_ROWS:
                    raise RecordError(f"{path.name}: more than {MOST_ROWS} rows")
                yield number, row
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path.name}: {error}") from error


def _open_text(path: Path) -> TextIOBase:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _event(row: Row) -> StopEvent:
    observed = (row.get("observed") or "true").strip().lower() in ("true", "1", "t", "yes")
    return StopEvent(row["stop_id"], _timestamp(row["arrival_time"]), _timestamp(row["departure_time"]), observed)


def _timestamp(words: str) -> float | None:
    words = words.strip()
    if not words:
        return None
    if words.replace(".", "", 1).isdigit():
        return float(words)
    whole, dot, rest = words.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    time = datetime.fromisoformat(f"{whole}{dot}{rest[:digits][:6].ljust(6, '0') if dot else ''}{rest[digits:]}")
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _recorded_journey(
    path: Path, day: str, name: str, trip_id: str, events: list[tuple[int, StopEvent]]
) -> RecordedJourney:
    try:
        service_date = date.fromisoformat(day)
    except ValueError as error:
        raise RecordError(f"{path.name}: start_date {day!r}: {error}") from error
    return RecordedJourney(name, trip_id, service_date, tuple(event for _, event in events))
