"""Reader of recorded vehicle positions: CSV files of what trackers reported, and when."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from zoneinfo import ZoneInfo

from services.replay.recorded_series import RecordError
from services.transit.model.position_report import PositionReport

MOST_BYTES = 2_000_000_000
MOST_ROWS = 20_000_000
SHORTEST_LINE_SIGN = 3
"""A sign code of fewer digits names no line: the bus is not in service. Code 0 says nothing."""

Row = Mapping[str, str | None]
REQUIRED_COLUMNS = ({"vehicle_id", "timestamp", "lat", "lon"}, {"vid", "timestamp", "lat", "lon"})


def read_positions(path: Path, zone: ZoneInfo, *, by_time: bool = True) -> list[PositionReport]:
    """The reports of a CSV file, plain or gzip, ordered by time, or with `by_time` False as in the file.

    Columns: `vehicle_id,timestamp,lat,lon` and optionally `trip_id,route_id,direction_id,block_id,speed_ms,bearing`; or
    those of traces from on-board computers: `vid,timestamp,lat,lon` with `dsc` (sign code), `assigned_run_id` and
    `reported_run_id` (line and duty, joined by a hyphen). A timestamp is Unix seconds or a local time of `zone`,
    YYYY-MM-DD HH:MM:SS. Rows without a position are left out. Raises RecordError with the line.
    """
    try:
        with _open_text(path) as text:
            rows = csv.DictReader(line for line in text if line.strip())
            if not any(needed <= set(rows.fieldnames or ()) for needed in REQUIRED_COLUMNS):
                raise RecordError(f"{path.name}: needs vehicle_id (or vid), timestamp, lat, lon")
            reports = list(_reports(rows, path.name, zone))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path.name}: {error}") from error
    return sorted(reports, key=lambda report: report.at) if by_time else reports


def _open_text(path: Path) -> io.TextIOBase:
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise RecordError(f"{path.name}: no file, or one too large")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline=None)
    return path.open(encoding="utf-8-sig", newline=None)


def _reports(rows: Iterable[Row], name: str, zone: ZoneInfo) -> Iterator[PositionReport]:
    for number, row in enumerate(rows, 2):
        if number > MOST_ROWS:
            raise RecordError(f"{name}: more than {MOST_ROWS} rows")
        try:
            report = _report(row, zone)
        except ValueError as error:
            raise RecordError(f"{name}, row {number}: {error}") from error
        if report is not None:
            yield report


def _report(row: Row, zone: ZoneInfo) -> PositionReport | None:
    if not row["lat"] or not row["lon"]:
        return None
    vehicle = row.get("vehicle_id") or row.get("vid")
    if not vehicle:
        raise ValueError("no vehicle")
    sign = row.get("dsc") or None
    line = (row.get("assigned_run_id") or row.get("reported_run_id") or "").partition("-")[0]
    direction = row.get("direction_id")
    return PositionReport(
        vehicle=vehicle,
        at=_timestamp(row["timestamp"] or "", zone),
        latitude=_coordinate(row["lat"], 90.0),
        longitude=_coordinate(row["lon"], 180.0),
        trip_id=row.get("trip_id") or None,
        route_id=row.get("route_id") or None,
        direction_id=int(direction) if direction else None,
        block_id=row.get("block_id") or None,
        line=line if line.strip("0") else None,
        speed_ms=_optional_number(row.get("speed_ms")),
        bearing_deg=_optional_number(row.get("bearing")),
        sign=sign,
        in_service=False if sign and sign != "0" and len(sign) < SHORTEST_LINE_SIGN else None,
    )


def _timestamp(words: str, zone: ZoneInfo) -> float:
    if words[4:5] != "-":
        return _finite_number(words)
    return datetime.fromisoformat(words[:19].strip()).replace(tzinfo=zone).astimezone(UTC).timestamp()


def _coordinate(words: str, limit: float) -> float:
    value = _finite_number(words)
    if abs(value) > limit:
        raise ValueError(f"{words} is no coordinate")
    return value


def _optional_number(words: str | None) -> float | None:
    return _finite_number(words) if words else None


def _finite_number(words: str) -> float:
    value = float(words)
    if not isfinite(value):
        raise ValueError(f"{words} is no number")
    return value
