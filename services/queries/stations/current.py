"""Current state of stations with their devices, and measured values by interval; many stations in one query."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, func, literal, select, true

from models.alert import NAR
from models.kind import SensorKind
from models.kinds import KINDS, KINDS_BY_NAME
from models.reading import NO_LEVEL_NOW, NOT_SHOWN, Flag
from models.rule import ColourThresholds, Silence
from models.tables.city import basins, devices, municipalities, stations
from models.tables.readings import READINGS, device_memories
from models.tables.rules import rules, subject_states

MAX_STATIONS = 500
MAX_BINS = 1000
_MICROSECOND = timedelta(microseconds=1)
_HEALTH_RULES = frozenset({"silence", "fault"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentDevice:
    """A device and its newest reading, trusted or not. Times are None where it never sent one."""

    id: int
    code: str
    online: bool | None
    online_since: datetime | None
    observed_at: datetime | None
    received_at: datetime | None
    latest: Mapping[str, Any]
    flags: Flag


@dataclass(frozen=True, slots=True)
class DoubtfulValue:
    """A newest reading that is not taken as the present value, as the device sent it. `flags` say why."""

    value: float
    at: datetime
    flags: Flag

    @property
    def waiting(self) -> bool:
        """Whether the next reading will confirm it or show it to be an isolated peak."""
        return bool(self.flags & Flag.JUMP)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentStation:
    """The current state of a station. `value`: its newest trusted value, in the kind's unit; `value_at`: its time.

    `doubtful`: a newer reading that is not trusted, or a sudden rise that the next reading has yet to confirm.

    `confirmed_nar`: the part of its colour `nar` that more than a single value supports.

    `thresholds`: amarillo, naranja and rojo in the kind's unit, where a rule has them for its measure. `silent_after`:
    the age of the newest reading beyond which the station counts as silent.
    """

    id: str
    kind: SensorKind
    name: str
    latitude: float
    longitude: float
    municipality: str
    basin: str | None
    street: str | None
    note: str
    active: bool
    nar: NAR
    confirmed_nar: NAR
    thresholds: ColourThresholds | None
    silent_after: timedelta
    devices: tuple[CurrentDevice, ...]
    value: float | None
    value_at: datetime | None
    doubtful: DoubtfulValue | None = None

    def measured_beside(self, device: CurrentDevice) -> dict[str, Any]:
        """What the newest reading of a device says beside the judged measure, in the order of the kind's fields."""
        beside = (name for name in self.kind.columns if name != self.kind.measure)
        return {name: device.latest[name] for name in beside if device.latest.get(name) is not None}


@dataclass(frozen=True, slots=True)
class Bin:
    """Statistics of the trusted values of one device in the interval that starts at `at`."""

    at: datetime
    count: int
    least: float
    mean: float
    greatest: float
    total: float


def current_stations(transaction: Connection, only: str | Sequence[str] | None = None) -> tuple[CurrentStation, ...]:
    """All active stations, or the named ones active or not, with devices and newest trusted value."""
    ids_asked = [only] if isinstance(only, str) else only
    condition = stations.c.active if ids_asked is None else stations.c.id.in_(ids_asked)
    rows = transaction.execute(
        select(stations, basins.c.name.label("basin_name"), municipalities.c.name.label("municipality_name"))
        .select_from(stations.join(municipalities).outerjoin(basins, stations.c.basin_id == basins.c.id))
        .where(condition)
        .order_by(stations.c.name)
        .limit(MAX_STATIONS)
    ).all()
    ids = [row.id for row in rows]
    station_devices = _station_devices(transaction, ids)
    judgements = _station_judgements(transaction, ids)
    colours = _measured_levels(transaction, ids)
    values = _newest_values(transaction, station_devices)
    return tuple(
        _current_station(row, station_devices.get(row.id, ()), judgements.get(row.id, ()), colours, values)
        for row in rows
        if row.kind in KINDS_BY_NAME
    )


def _current_station(
    row: Row[Any],
    station_devices: Sequence[CurrentDevice],
    judgements: Sequence[Mapping[str, Any]],
    colours: Mapping[str, tuple[NAR, NAR]],
    values: Mapping[int, tuple[datetime, float | None]],
) -> CurrentStation:
    kind = KINDS_BY_NAME[row.kind]
    newest = [values[device.id] for device in station_devices if device.id in values]
    nar, confirmed_nar = colours.get(row.id, (NAR.VERDE, NAR.VERDE))
    value_at, value = max(newest, key=itemgetter(0), default=(None, None))
    return CurrentStation(
        id=row.id,
        kind=kind,
        name=row.name,
        latitude=row.latitude,
        longitude=row.longitude,
        municipality=row.municipality_name,
        basin=row.basin_name,
        street=row.street,
        note=row.note,
        active=row.active,
        nar=nar,
        confirmed_nar=confirmed_nar,
        thresholds=_thresholds(judgements),
        silent_after=_silent_after(kind, judgements),
        devices=tuple(station_devices),
        value=value,
        value_at=value_at,
        doubtful=_doubtful_value(kind, station_devices, value_at),
    )


def _doubtful_value(
    kind: SensorKind, station_devices: Sequence[CurrentDevice], value_at: datetime | None
) -> DoubtfulValue | None:
    """The newest flagged reading of a device since the station's value; None where there is none."""
    found = [
        DoubtfulValue(float(value), device.observed_at, device.flags)
        for device in station_devices
        if device.observed_at is not None
        and (value_at is None or device.observed_at > value_at)
        and device.flags & (NOT_SHOWN | Flag.JUMP)
        and isinstance(value := device.latest.get(kind.measure), int | float)
    ]
    return max(found, key=lambda one: one.at, default=None)


def _thresholds(judgements: Iterable[Mapping[str, Any]]) -> ColourThresholds | None:
    for judgement in judgements:
        match judgement.get("thresholds_m"):
            case [amarillo, naranja, rojo]:
                return float(amarillo), float(naranja), float(rojo)
    return None


def _silent_after(kind: SensorKind, judgements: Iterable[Mapping[str, Any]]) -> timedelta:
    """The limit of the station's own silence rule; without one, that of its kind."""
    default = next((rule for rule in kind.judgements if isinstance(rule, Silence)), Silence(period_s=kind.period_s))
    own = next((rule for rule in judgements if "least_s" in rule), {})
    period_s, least_s = own.get("period_s", default.period_s), own.get("least_s", default.least_s)
    return timedelta(seconds=max(3 * period_s, least_s))


def _station_devices(transaction: Connection, station_ids: Sequence[str]) -> dict[str, tuple[CurrentDevice, ...]]:
    rows = transaction.execute(
        select(devices, device_memories.c.observed_at, device_memories.c.received_at, device_memories.c.latest)
        .add_columns(device_memories.c.flags)
        .select_from(devices.outerjoin(device_memories))
        .where(devices.c.station_id.in_(station_ids))
        .order_by(devices.c.code)
    )
    found: dict[str, tuple[CurrentDevice, ...]] = {}
    for row in rows:
        device = CurrentDevice(
            id=row.id,
            code=row.code,
            online=row.online,
            online_since=row.online_since,
            observed_at=row.observed_at,
            received_at=row.received_at,
            latest=row.latest or {},
            flags=Flag(row.flags or 0),
        )
        found[row.station_id] = (*found.get(row.station_id, ()), device)
    return found


def _station_judgements(transaction: Connection, station_ids: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    rows = transaction.execute(
        select(rules.c.subject, rules.c.judgement).where(rules.c.active, rules.c.subject.in_(station_ids))
    )
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row.subject, []).append(row.judgement)
    return found


def _measured_levels(transaction: Connection, station_ids: Sequence[str]) -> dict[str, tuple[NAR, NAR]]:
    """The highest level that a measurement holds at each station, and the highest confirmed one.

    Rules of silence and faults do not count.
    """
    rows = transaction.execute(
        select(subject_states.c.subject, subject_states.c.colours).where(subject_states.c.subject.in_(station_ids))
    )
    return {row.subject: (_highest(row.colours), _highest(_confirmed(row.colours))) for row in rows}


def _confirmed(colours: Mapping[str, int]) -> Mapping[str, int]:
    """The colours without that of the level, but for its confirmed part. Earlier versions stored no such part."""
    return {rule: nar for rule, nar in colours.items() if rule != "stage" or "stage_proven" not in colours}


def _highest(colours: Mapping[str, int]) -> NAR:
    return NAR(max((int(nar) for rule, nar in colours.items() if rule not in _HEALTH_RULES), default=0))


def _has_none_of(table: Table, flags: Flag) -> ColumnElement[bool]:
    return table.c.flags.op("&")(int(flags)) == 0


def _waits_for_the_next(table: Table) -> ColumnElement[bool]:
    """Whether a reading is its device's newest and a sudden change, which the next one confirms or not."""
    newest = table.c.observed_at == device_memories.c.observed_at
    return func.coalesce(newest & (table.c.flags.op("&")(int(Flag.JUMP)) != 0), literal(value=False))


def _newest_values(
    transaction: Connection, station_devices: Mapping[str, Sequence[CurrentDevice]]
) -> dict[int, tuple[datetime, float | None]]:
    """Newest trusted value and time of each device, one index look-up a device. None where a device only counts.

    A sudden rise counts from the next reading on, which confirms it or shows it to be an isolated peak.
    """
    ids = [device.id for several in station_devices.values() for device in several]
    found: dict[int, tuple[datetime, float | None]] = {}
    for kind in KINDS:
        table = READINGS[kind.name]
        newest = (
            select(table.c.observed_at, table.c[kind.measure].label("value"), table.c.flags)
            .where(table.c.device_id == devices.c.id, _has_none_of(table, NO_LEVEL_NOW))
            .order_by(table.c.observed_at.desc())
            .limit(2)
            .lateral()
        )
        rows = transaction.execute(
            select(devices.c.id, newest.c.observed_at, newest.c.value, newest.c.flags)
            .select_from(devices.join(newest, true()))
            .where(devices.c.id.in_(ids), devices.c.kind == kind.name)
            .order_by(devices.c.id, newest.c.observed_at)
        )
        for row in rows:  # of each device the one before the newest, then the newest
            _, before = found.get(row.id, (None, None))
            waits = row.flags & Flag.JUMP and before is not None and row.value is not None and row.value > before
            if not waits:
                found[row.id] = (row.observed_at, row.value)
    return found


LARGEST_SHOWN = 1e9
"""Beyond this a value is no measurement. Only a person who writes to the tables can store one, or an infinite one."""


def read_bins(
    transaction: Connection,
    kind: SensorKind,
    device_ids: Sequence[int],
    *,
    start: datetime,
    end: datetime,
    length: timedelta,
    without: Flag = NOT_SHOWN,
) -> dict[int, list[Bin]]:
    """Statistics of trusted values by device in intervals of `length`, oldest first, between `start` and `end`.

    Without isolated peaks, and without a sudden change that the next reading has yet to confirm. `without`: flags of
    the readings left out; NO_LEVEL_NOW for what says how a level changes now.

    Each interval excludes its start and includes its end, as rain gauges report amounts. Raises ValueError for more
    than MAX_BINS intervals a device.
    """
    if (end - start) / length > MAX_BINS:
        raise ValueError(f"more than {MAX_BINS} intervals of {length} between {start} and {end}")
    table = READINGS[kind.name]
    measure = table.c[kind.measure]
    at = func.date_bin(length, table.c.observed_at - _MICROSECOND, start)
    rows = transaction.execute(
        select(
            table.c.device_id,
            at.label("at"),
            func.count().label("count"),
            func.min(measure),
            func.avg(measure),
            func.max(measure),
            func.sum(measure),
        )
        .select_from(table.outerjoin(device_memories, device_memories.c.device_id == table.c.device_id))
        .where(table.c.device_id.in_(device_ids), table.c.observed_at > start, table.c.observed_at <= end)
        .where(
            _has_none_of(table, without), measure.between(-LARGEST_SHOWN, LARGEST_SHOWN), ~_waits_for_the_next(table)
        )
        .group_by(table.c.device_id, at)
        .order_by(table.c.device_id, at)
    )
    found: dict[int, list[Bin]] = {}
    for device_id, *rest in rows:
        found.setdefault(device_id, []).append(Bin(*rest))
    return found
