"""What follows from many stations together: the colour of basins and municipalities, and outages of a whole class."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from alerts import transition_log
from alerts.rulebook import Rulebook, Station
from models.alert import NAR, Cause, Change, Transition
from models.rows import driver
from models.rule import Rainfall, Rule, Silence, Stage

OUTAGE = "outage"
OUTAGE_LEAST = 3
"""Fewer silent stations than this are so many single faults."""
OUTAGE_SHARE = 0.2
OUTAGE_OVER_SHARE = 0.1

StationClass = tuple[str, str]
"""Municipality and kind."""


def update_area_levels(
    transaction: Connection, book: Rulebook, moved: Iterable[Rule], now: datetime
) -> set[StationClass]:
    """Bring basins, municipalities and outages up to date after these rules moved.

    Returns the classes in outage: one alert speaks for all their silent stations.
    """
    moved = list(moved)
    water = {book.stations[rule.subject] for rule in moved if isinstance(rule.judgement, Stage | Rainfall)}
    for basin in sorted({place.basin for place in water if place.basin is not None}):
        _update_basin(transaction, book, basin, now)
    for municipality in sorted({place.municipality for place in water}):
        _update_municipality(transaction, book, municipality, now)
    silent = {book.stations[rule.subject] for rule in moved if isinstance(rule.judgement, Silence)}
    classes = sorted({(place.municipality, place.kind) for place in silent})
    return {one for one in classes if _update_outage(transaction, book, one, now)}


def recheck_area_levels(transaction: Connection, book: Rulebook, now: datetime) -> None:
    """Look again at every area and class above verde: stations may have gone that gave them their colour."""
    with driver(transaction).cursor() as cursor:
        cursor.execute("SELECT subject FROM attention WHERE nar > 0 ORDER BY subject")
        raised = [str(subject).split(":") for (subject,) in cursor]
    for subject in raised:
        match subject:
            case ["basin", basin]:
                _update_basin(transaction, book, basin, now)
            case ["municipality", municipality]:
                _update_municipality(transaction, book, municipality, now)
            case [_, municipality, kind]:
                _update_outage(transaction, book, (municipality, kind), now)


def _update_basin(transaction: Connection, book: Rulebook, basin: str, now: datetime) -> None:
    stations = [place.id for place in book.stations.values() if place.basin == basin]
    _update_from_worst_station(transaction, f"basin:{basin}", stations, now)


def _update_municipality(transaction: Connection, book: Rulebook, municipality: str, now: datetime) -> None:
    stations = [place.id for place in book.stations.values() if place.municipality == municipality]
    _update_from_worst_station(transaction, f"municipality:{municipality}", stations, now)


def _update_from_worst_station(transaction: Connection, subject: str, stations: list[str], now: datetime) -> None:
    """The colour of an area is that of its worst station: a proposal to the authority that sets the official one.

    One lone value colours its station and alerts the watch; the area waits until something else speaks for it too.
    """
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT subject, greatest(coalesce(colours -> 'stage_proven', colours -> 'stage')::int,"
            " (colours -> 'rainfall')::int, 0)"
            " FROM subject_states WHERE subject = ANY(%s)",
            [stations],
        )
        colours = {station: nar for station, nar in cursor if nar > NAR.VERDE}
    before, after = _current_level(transaction, subject), NAR(max(colours.values(), default=0))
    if after != before:
        transition_log.log_area_level(
            transaction, subject, before, after, {"cause": Cause.WORST, "stations": colours}, now
        )


def _current_level(transaction: Connection, subject: str) -> NAR:
    with driver(transaction).cursor() as cursor:
        row = cursor.execute("SELECT nar FROM attention WHERE subject = %s FOR UPDATE", [subject]).fetchone()
    return NAR(row[0]) if row else NAR.VERDE


def _update_outage(transaction: Connection, book: Rulebook, one: StationClass, now: datetime) -> bool:
    """Whether so many of a class are silent that the network, not the sensors, is the likely cause."""
    municipality, kind = one
    stations = [place.id for place in book.stations.values() if (place.municipality, place.kind) == one]
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM subject_states WHERE subject = ANY(%s) AND (colours -> 'silence')::int > 0",
            [stations],
        )
        silent = int(cursor.fetchall()[0][0])
    subject = f"outage:{municipality}:{kind}"
    before = _current_level(transaction, subject)
    share = OUTAGE_OVER_SHARE if before else OUTAGE_SHARE
    after = NAR.NARANJA if silent >= OUTAGE_LEAST and silent >= share * len(stations) else NAR.VERDE
    if after != before:
        evidence = {"silent": silent, "stations": len(stations), "share": share, "least": OUTAGE_LEAST}
        transition_log.log_area_level(transaction, subject, before, after, evidence, now)
        _log_outage(transaction, one, before, after, evidence, now)
    return after > NAR.VERDE


def _log_outage(
    transaction: Connection, one: StationClass, before: NAR, after: NAR, evidence: Mapping[str, object], now: datetime
) -> None:
    municipality, kind = one
    place = Station(f"municipality:{municipality}", kind, municipality, None, municipality)
    moved = Transition(
        before=before,
        after=after,
        change=Change.RAISED if after else Change.CLEARED,
        cause=Cause.SILENCE if after else Cause.RESUMED,
        observed_at=now,
        decided_at=now,
        evidence=evidence,
    )
    origin = transition_log.Origin(f"{municipality}/{kind}/{OUTAGE}", 1, OUTAGE)
    transition_log.log_transition(transaction, place, origin, moved, tell=True)
