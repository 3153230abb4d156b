"""Area levels: the colour of basins and municipalities from their stations, and outages of a kind of station."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from alerts import transition_log
from alerts.alert_log import Origin
from alerts.declared.declaration_log import announce_graver_proposal
from alerts.incidents.grouping import OUTAGE
from alerts.rulebook import Rulebook, Station
from models.alert import NAR, Cause, Change, Transition
from models.rows import driver
from models.rule import Rainfall, Rule, Silence, Stage

OUTAGE_MIN_STATIONS = 3
"""Fewer silent stations than this are single faults, not an outage."""
OUTAGE_SHARE = 0.2
"""An outage begins when this share of the stations of a class is silent."""
OUTAGE_END_SHARE = 0.1
"""An outage ends when less than this share, or fewer than `OUTAGE_MIN_STATIONS`, is silent."""

StationClass = tuple[str, str]
"""Municipality and kind."""


def update_area_levels(
    transaction: Connection, book: Rulebook, changed: Iterable[Rule], now: datetime
) -> set[StationClass]:
    """Update the levels of basins, municipalities and outages after the states of these rules changed.

    Returns the station classes in outage. One outage alert covers all silent stations of a class.
    """
    changed = list(changed)
    flood_stations = {book.stations[rule.subject] for rule in changed if isinstance(rule.judgement, Stage | Rainfall)}
    for basin in sorted({station.basin for station in flood_stations if station.basin is not None}):
        _update_basin(transaction, book, basin, now)
    for municipality in sorted({station.municipality for station in flood_stations}):
        _update_municipality(transaction, book, municipality, now)
    silence_stations = {book.stations[rule.subject] for rule in changed if isinstance(rule.judgement, Silence)}
    classes = sorted({(station.municipality, station.kind) for station in silence_stations})
    return {station_class for station_class in classes if _update_outage(transaction, book, station_class, now)}


def recheck_area_levels(transaction: Connection, book: Rulebook, now: datetime) -> None:
    """Recompute every area and class above verde, because the stations that raised it may have been removed."""
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
    stations = [station.id for station in book.stations.values() if station.basin == basin]
    _update_from_worst_station(transaction, f"basin:{basin}", stations, now)


def _update_municipality(transaction: Connection, book: Rulebook, municipality: str, now: datetime) -> None:
    stations = [station.id for station in book.stations.values() if station.municipality == municipality]
    _update_from_worst_station(transaction, f"municipality:{municipality}", stations, now)


def _update_from_worst_station(transaction: Connection, subject: str, stations: list[str], now: datetime) -> None:
    """Set the colour of an area to that of its worst station. It is a proposal: the authority sets the official level.

    A single value colours its station and alerts the watch. The colour of an area needs a confirmed colour.
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
        evidence = {"cause": Cause.WORST, "stations": colours}
        transition_log.log_area_level(transaction, subject, before, after, evidence, now)
        announce_graver_proposal(transaction, subject, before, after, now)


def _current_level(transaction: Connection, subject: str) -> NAR:
    with driver(transaction).cursor() as cursor:
        row = cursor.execute("SELECT nar FROM attention WHERE subject = %s FOR UPDATE", [subject]).fetchone()
    return NAR(row[0]) if row else NAR.VERDE


def _update_outage(transaction: Connection, book: Rulebook, station_class: StationClass, now: datetime) -> bool:
    """Update the outage of a class; returns whether it is in outage.

    So many silent stations point to the network, not to single sensors.
    """
    municipality, kind = station_class
    stations = [
        station.id for station in book.stations.values() if (station.municipality, station.kind) == station_class
    ]
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM subject_states WHERE subject = ANY(%s) AND (colours -> 'silence')::int > 0",
            [stations],
        )
        silent = int(cursor.fetchall()[0][0])
    subject = f"outage:{municipality}:{kind}"
    before = _current_level(transaction, subject)
    share = OUTAGE_END_SHARE if before else OUTAGE_SHARE
    after = NAR.NARANJA if silent >= OUTAGE_MIN_STATIONS and silent >= share * len(stations) else NAR.VERDE
    if after != before:
        evidence = {"silent": silent, "stations": len(stations), "share": share, "least": OUTAGE_MIN_STATIONS}
        transition_log.log_area_level(transaction, subject, before, after, evidence, now)
        _log_outage(transaction, station_class, before, after, evidence, now)
    return after > NAR.VERDE


def _log_outage(
    transaction: Connection,
    station_class: StationClass,
    before: NAR,
    after: NAR,
    evidence: Mapping[str, object],
    now: datetime,
) -> None:
    municipality, kind = station_class
    station = Station(f"municipality:{municipality}", kind, municipality, None, municipality)
    transition = Transition(
        before=before,
        after=after,
        change=Change.RAISED if after else Change.CLEARED,
        cause=Cause.SILENCE if after else Cause.RESUMED,
        observed_at=now,
        decided_at=now,
        evidence=evidence,
    )
    origin = Origin(f"{municipality}/{kind}/{OUTAGE}", 1, OUTAGE)
    transition_log.log_transition(transaction, station, origin, transition, notify=True)
