"""Position reports from bus readings, as they arrive in the pipeline."""

from models.kinds.bus import BUS
from models.reading import Flag, Reading
from services.transit.model.position_report import PositionReport

NO_FIX_DEGREES = 0.01
"""A position this near to latitude 0, longitude 0 comes from a receiver without a fix."""

_COLUMN = {name: index for index, name in enumerate(BUS.columns)}
_UNUSABLE = int(Flag.FUTURE | Flag.RETAINED | Flag.BACKFILL | Flag.CLOCK_DOUBT)
_LAT, _LON, _START = _COLUMN["lat"], _COLUMN["lon"], _COLUMN["start_time"]
_SHARED = [name for name in PositionReport.__struct_fields__ if name in _COLUMN]
"""Fields that have the same name in a reading and in a report."""


def vehicle_name(reading: Reading) -> str:
    """Name of a vehicle, unique over all municipalities: municipality.device."""
    return f"{reading.municipality}.{reading.device}"


def position_report_of(reading: Reading) -> PositionReport | None:
    """The position report of a bus reading.

    None if the reading has no position, or a position at 0, 0, or is flagged as from the future, retained by the broker
    or backfilled.
    """
    lat, lon = reading.values[_LAT], reading.values[_LON]
    if not isinstance(lat, float) or not isinstance(lon, float) or int(reading.flags) & _UNUSABLE:
        return None
    if abs(lat) < NO_FIX_DEGREES and abs(lon) < NO_FIX_DEGREES:
        return None
    shared = {name: reading.values[_COLUMN[name]] for name in _SHARED}
    return PositionReport(
        vehicle=vehicle_name(reading),
        at=reading.observed_at.timestamp(),
        latitude=lat,
        longitude=lon,
        start_s=_seconds(reading.values[_START]),
        **shared,  # type: ignore[arg-type]  # each of its column's type
    )


def _seconds(clock_time: object) -> int | None:
    """Seconds after the start of the service day, from HH:MM or HH:MM:SS."""
    if not isinstance(clock_time, str):
        return None
    hours, minutes, *seconds = map(int, clock_time.split(":"))
    return 3_600 * hours + 60 * minutes + sum(seconds)
