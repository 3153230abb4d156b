"""Loads the rota from a file, whole: what the file no longer says ends now, what it says already stays as it is."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from alerts.record import Entry, record
from models.tables.city import municipalities
from models.tables.duty import escalation_steps, phone_tree, shifts
from services.duty.changes import NoSuchZone, require_zone
from services.duty.rota_file import PhoneText, RotaFile, RotaFileError, ShiftText, read_rota_file
from services.duty.rota_rows import NotAPerson, person_named


@dataclass(frozen=True, slots=True)
class LoadedRota:
    """How much a load changed."""

    shifts: int
    added: int
    ended: int
    steps: int
    phones: int


def load_rota(transaction: Connection, path: Path, *, by: str, now: datetime) -> LoadedRota:
    """Load a file of the rota. Raises RotaFileError with every problem, and then changes nothing."""
    file = read_rota_file(path)
    people = _check_names(transaction, path, file)
    added, ended = _load_shifts(transaction, file, people, by, now)
    steps = _load_steps(transaction, file)
    _load_phones(transaction, file.phones, now)
    loaded = LoadedRota(len(file.shifts), added, ended, steps, len(file.phones))
    details = {"shifts": loaded.shifts, "added": added, "ended": ended, "steps": steps, "phones": loaded.phones}
    record(transaction, Entry("rota.loaded", "rota", by, details), now)
    return loaded


def _check_names(transaction: Connection, path: Path, file: RotaFile) -> dict[str, int]:
    """The people of the file by their name in it. Raises RotaFileError for unknown people, zones, municipalities."""
    problems, people = [], {}
    for number, shift in enumerate(file.shifts, 1):
        try:
            require_zone(transaction, shift.zone)
            people[shift.person] = person_named(transaction, shift.person).id
        except NoSuchZone:
            problems.append(f"{path}: [[shift]] number {number}: zone: the city has no {shift.zone!r}")
        except NotAPerson:
            problems.append(f"{path}: [[shift]] number {number}: person: no account {shift.person!r}: vigia people add")
    known = set(transaction.execute(select(municipalities.c.id)).scalars())
    named = {"step": [one.municipality for one in file.steps], "phone": [one.municipality for one in file.phones]}
    for table, towns in named.items():
        for number, town in enumerate(towns, 1):
            if town not in known:
                problems.append(f"{path}: [[{table}]] number {number}: municipality: the city has no {town!r}")
    if problems:
        raise RotaFileError(problems)
    return people


def _load_shifts(
    transaction: Connection, file: RotaFile, people: dict[str, int], by: str, now: datetime
) -> tuple[int, int]:
    columns = [shifts.c[name] for name in _shift_values(file.shifts[0], 0)] if file.shifts else []
    wanted = [_shift_values(shift, people[shift.person]) for shift in file.shifts]
    rows = transaction.execute(select(shifts.c.id, *columns).where(shifts.c.ended_at.is_(None))).all()
    kept, gone = [], []
    for row in rows:
        values = {column.name: row._mapping[column.name] for column in columns}
        if values in wanted and values not in kept:
            kept.append(values)
        else:
            gone.append(row.id)
    new = [values for values in wanted if values not in kept]
    if gone:
        transaction.execute(update(shifts).where(shifts.c.id.in_(gone)).values(ended_at=now, ended_by=by))
    if new:
        transaction.execute(insert(shifts), [{**values, "created_at": now, "created_by": by} for values in new])
    return len(new), len(gone)


def _shift_values(shift: ShiftText, person: int) -> dict[str, Any]:
    first_day, cycle_days, days = shift.cycle
    from_time, to_time = shift.times
    return {
        "zone": shift.zone,
        "position": shift.position,
        "person_id": person,
        "first_day": first_day,
        "last_day": shift.last_day,
        "cycle_days": cycle_days,
        "days": list(days),
        "from_time": from_time,
        "to_time": to_time,
    }


def _load_steps(transaction: Connection, file: RotaFile) -> int:
    transaction.execute(delete(escalation_steps))
    values = [
        {
            "municipality_id": municipality,
            "nar": int(nar),
            "step": number,
            "after_s": step.after_s,
            "position": step.position,
            "all_answer": step.all_answer,
        }
        for municipality, nar, steps in file.steps_by_colour()
        for number, step in enumerate(steps)
    ]
    if values:
        transaction.execute(insert(escalation_steps), values)
    return len(values)


def _load_phones(transaction: Connection, wanted: tuple[PhoneText, ...], now: datetime) -> None:
    """Entries that were telephoned keep their number where the file still has them."""
    rows = transaction.execute(select(phone_tree).where(phone_tree.c.ended_at.is_(None))).all()
    present = {(row.municipality_id, row.name, row.function, row.number): row.id for row in rows}
    for place, phone in enumerate(wanted):
        known = present.pop((phone.municipality, phone.name, phone.function, phone.number), None)
        if known is None:
            values = {"name": phone.name, "function": phone.function, "number": phone.number}
            transaction.execute(insert(phone_tree).values(municipality_id=phone.municipality, place=place, **values))
        else:
            transaction.execute(update(phone_tree).where(phone_tree.c.id == known).values(place=place))
    if present:
        transaction.execute(update(phone_tree).where(phone_tree.c.id.in_(present.values())).values(ended_at=now))
