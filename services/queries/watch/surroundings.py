"""What lies around a station: the streams above and below it, and the rain of its catchment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from models.tables.rules import rules
from services.queries.stations.current import CurrentStation, current_stations
from services.queries.watch.page import RainCard, rain_cards


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Stations as their rules name them: whose water comes here, where it flows next, and gauges of the rain above."""

    above: tuple[CurrentStation, ...]
    below: tuple[CurrentStation, ...]
    rain: Sequence[RainCard]


def surroundings(transaction: Connection, station: str, now: datetime) -> Surroundings:
    """The surroundings of a station; empty for what is no stream."""
    above: set[str] = set()
    gauges: set[str] = set()
    below: set[str] = set()
    query = select(rules.c.subject, rules.c.judgement["upstream"], rules.c.judgement["rain"]).where(
        rules.c.active, rules.c.judgement["judgement"].astext == "stage"
    )
    for subject, upstream, rain in transaction.execute(query):
        if subject == station:
            above, gauges = set(upstream or ()), set(rain or ())
        elif station in (upstream or ()):
            below.add(subject)
    if not (above or below or gauges):
        return Surroundings((), (), ())
    known = current_stations(transaction)
    return Surroundings(
        above=tuple(one for one in known if one.id in above),
        below=tuple(one for one in known if one.id in below),
        rain=rain_cards(transaction, [one for one in known if one.id in gauges], now),
    )
