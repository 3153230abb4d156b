"""Query of the sums of prediction errors, by line and horizon, over whole days."""

from collections.abc import Collection
from datetime import date

from sqlalchemy import Connection, func, select

from models.tables.vehicles import estimate_scores
from services.transit.accuracy.statistics import BinSums
from services.transit.fleet.accuracy_counts import SUM_COLUMNS, ErrorSums, sums_of


def sums_between(
    transaction: Connection, first: date, last: date, route_ids: Collection[str] | None = None
) -> list[BinSums]:
    """The sums from one day to another, both included, of all lines or of some."""
    scores = estimate_scores.c
    query = select(
        scores.route_id, scores.eta_bin, scores.mbta_bin, *(func.sum(scores[name]).label(name) for name in SUM_COLUMNS)
    ).where(scores.day.between(first, last))
    if route_ids is not None:
        query = query.where(scores.route_id.in_(route_ids))
    rows = transaction.execute(query.group_by(scores.route_id, scores.eta_bin, scores.mbta_bin))
    return [BinSums(row.route_id, row.eta_bin, row.mbta_bin, ErrorSums(*sums_of(row))) for row in rows]
