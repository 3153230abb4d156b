"""Query of the city's landmarks: the places of the seed that riders name when they look for a stop."""

from typing import Any

from sqlalchemy import Connection, select

from models.place import Landmark
from models.tables.city import configuration


def read_landmarks(connection: Connection) -> tuple[Landmark, ...]:
    """The landmarks of the loaded seed, in its order; none where it has none or no seed was loaded."""
    rows: list[dict[str, Any]] | None = connection.execute(select(configuration.c.city["landmarks"])).scalar()
    return tuple(Landmark(name=row["name"], latitude=row["latitude"], longitude=row["longitude"]) for row in rows or ())
