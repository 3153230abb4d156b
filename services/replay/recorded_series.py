"""Reader of recorded series: CSV, plain or gzip, with `time_utc`, columns of numbers, and `site` for several sites."""

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import TextIOWrapper
from math import isfinite
from pathlib import Path

TIME_COLUMN = "time_utc"
SITE_COLUMN = "site"
MAX_ROWS = 5_000_000
BLANKS = frozenset({"", "na", "nan", "null", "none"})


class RecordError(ValueError):
    """A file that is no recorded series. The message has the file and the line."""


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """The rows of one site in order of time. `columns`: a number for each row, None for a blank."""

    times: list[datetime] = field(default_factory=list)
    columns: dict[str, list[float | None]] = field(default_factory=dict)


def read_records(path: Path, columns: Sequence[str]) -> dict[str, SiteRecord]:
    """The records of a file by site. A file without a `site` column is one site, named "". Raises RecordError."""
    records: dict[str, SiteRecord] = {}
    for line, row in _lines(path, {TIME_COLUMN, *columns}):
        if line > MAX_ROWS:
            raise RecordError(f"{path.name}:{line}: more than {MAX_ROWS} rows; split the file")
        record = records.setdefault(row.get(SITE_COLUMN) or "", SiteRecord(columns={name: [] for name in columns}))
        time = _time(row[TIME_COLUMN], f"{path.name}:{line}")
        if record.times and time <= record.times[-1]:
            raise RecordError(f"{path.name}:{line}: {row[TIME_COLUMN]} is not later than the row before; sort the file")
        record.times.append(time)
        for name in columns:
            record.columns[name].append(_number(row[name], f"{path.name}:{line}: {name}"))
    return records


def _lines(path: Path, columns: set[str]) -> Iterator[tuple[int, dict[str, str | None]]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            reader = csv.DictReader(TextIOWrapper(file, encoding="utf-8-sig", newline=""))
            header = reader.fieldnames or ()
            if missing := columns - set(header):
                raise RecordError(
                    f"{path.name}:1: no column {', '.join(sorted(missing))}; there are {', '.join(header)}"
                )
            for row in reader:
                yield reader.line_num, row
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path}: {error}") from error


def _time(text: str | None, at: str) -> datetime:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        raise RecordError(f"{at}: {text!r} is no time such as 2016-09-01T04:40:00Z") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _number(text: str | None, at: str) -> float | None:
    """A finite number, or None for a blank."""
    if text is None or text.strip().lower() in BLANKS:
        return None
    try:
        number = float(text)
    except ValueError:
        raise RecordError(f"{at}: {text!r} is no number") from None
    if not isfinite(number):
        raise RecordError(f"{at}: {text!r} is not finite")
    return number
