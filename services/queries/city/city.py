"""The city as a whole: its name and time zone, and attention levels of areas."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, literal, select

from models.alert import NAR
from models.tables.alerts import attention
from models.tables.city import basins, configuration, municipalities

MAX_AREAS = 500


@dataclass(frozen=True, slots=True)
class Area:
    """A municipality or basin and the attention level proposed for it. `since`: None where the level never changed."""

    id: str
    name: str
    nar: NAR
    since: datetime | None


@dataclass(frozen=True, slots=True)
class CurrentCity:
    """The configured city, named as its municipality, and its time zone (IANA name)."""

    id: str
    name: str
    zone_name: str
    advice: Mapping[str, str] = field(default_factory=dict)
    """What the city tells its operators at a colour, by its name, or by hazard and colour, as `rain.rojo`."""
    authority: str | None = None
    """Who sets the attention level; None where the seed names nobody."""

    def advice_for(self, hazard: str | None, nar: NAR) -> str | None:
        """What the city says of this hazard at a colour; where it says nothing of it, what it says of the colour."""
        colour = nar.name.lower()
        return self.advice.get(f"{hazard}.{colour}") or self.advice.get(colour)

    @property
    def zone(self) -> tzinfo:
        """The time zone. Where the system does not know it: UTC-3, Argentina's offset since 2009."""
        try:
            return ZoneInfo(self.zone_name)
        except (KeyError, ValueError, OSError):
            return timezone(timedelta(hours=-3))


DEFAULT_CITY = CurrentCity("laplata", "La Plata", "America/Argentina/Buenos_Aires")
"""The city where no seed was loaded."""


def current_city(transaction: Connection) -> CurrentCity:
    """The city of the configuration, or DEFAULT_CITY."""
    row = transaction.execute(select(configuration.c.city)).scalar()
    if not row:
        return DEFAULT_CITY
    return CurrentCity(row["id"], row["name"], row["zone"], row.get("advice", {}), row.get("authority"))


def areas(transaction: Connection, table: Table, noun: str) -> tuple[Area, ...]:
    """All municipalities or basins with their proposed level. `noun`: as in `attention.subject`."""
    at_level = attention.c.subject == literal(f"{noun}:") + table.c.id
    rows = transaction.execute(
        select(table.c.id, table.c.name, attention.c.nar, attention.c.since)
        .select_from(table.outerjoin(attention, at_level))
        .order_by(table.c.name)
        .limit(MAX_AREAS)
    )
    return tuple(Area(row.id, row.name, NAR(row.nar or 0), row.since) for row in rows)


def municipality_areas(transaction: Connection, first: str) -> tuple[Area, ...]:
    """All municipalities, `first` before the others."""
    found = areas(transaction, municipalities, "municipality")
    return tuple(sorted(found, key=lambda area: (area.id != first, area.name)))


def basin_areas(transaction: Connection) -> tuple[Area, ...]:
    """All basins, highest level first."""
    return tuple(sorted(areas(transaction, basins, "basin"), key=lambda area: (-area.nar, area.name)))
