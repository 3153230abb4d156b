"""What the pipelines wrote of buses since somebody last looked, exact however many write at once."""

from dataclasses import dataclass
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, text

from services.transit.model.prediction import TripPrediction, VehiclePrediction
from services.transit.serving.snapshot import Expected

# Numbers of transactions are given before they commit: above the last number seen would skip what commits late. What
# the last snapshot did not see is exact, and what it calls its oldest running transaction lets the index find it.
_CHANGED = " WHERE changed_in >= pg_snapshot_xmin({s}) AND NOT pg_visible_in_snapshot(changed_in, {s})".format(
    s="CAST(:since AS pg_snapshot)"
)
_OUTLOOKS = "SELECT outlook FROM vehicle_outlooks"
_EXPECTED = "SELECT coming, extract(epoch FROM until)::float8 AS until FROM expected_journeys"

_outlook = msgspec.json.Decoder(VehiclePrediction)
_coming = msgspec.json.Decoder(TripPrediction)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Changes:
    """Outlooks and expectations written since a snapshot, and the snapshot to go on from.

    `unread`: how many rows another version of this software wrote in words this one does not know.
    """

    snapshot: str
    outlooks: tuple[VehiclePrediction, ...]
    expected: tuple[Expected, ...]
    unread: int


def changes(connection: Connection, since: str | None) -> Changes:
    """What changed since the snapshot `since`; everything there is, where it is None.

    `connection`: in a transaction that sees one moment (REPEATABLE READ).
    """
    snapshot = connection.execute(text("SELECT pg_current_snapshot()::text")).scalar_one()
    where, parameters = ("", {}) if since is None else (_CHANGED, {"since": since})
    outlooks = connection.execute(text(_OUTLOOKS + where), parameters).scalars().all()
    expected = connection.execute(text(_EXPECTED + where), parameters).all()
    read = [one for row in outlooks if (one := _read(_outlook, row)) is not None]
    awaited = [Expected(due, row.until) for row in expected if (due := _read(_coming, row.coming)) is not None]
    unread = len(outlooks) + len(expected) - len(read) - len(awaited)
    return Changes(str(snapshot), tuple(read), tuple(awaited), unread)


def _read(decoder: msgspec.json.Decoder[Value], written: str) -> Value | None:
    try:
        return decoder.decode(written)
    except msgspec.DecodeError:
        return None
