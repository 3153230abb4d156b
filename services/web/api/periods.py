"""Periods requested by `from` and `to`, with a default and a maximum length."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.runtime.problem import HttpProblem
from services.web.api.parameters import From, To
from services.web.context import Now


class BadPeriod(HttpProblem):
    """El período está al revés o es demasiado largo. / The period is upside down or too long."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `start`, inclusive, to `end`, exclusive."""

    start: datetime
    end: datetime


def period(*, default: timedelta, longest: timedelta) -> Callable[..., Period]:
    """A dependency that reads `from` and `to`. Without them: the last `default`. It raises BadPeriod."""

    def requested(now: Now, start: From = None, to: To = None) -> Period:
        end = to or now
        begin = start or end - default
        if begin >= end:
            raise BadPeriod("`from` debe ser anterior a `to`. / `from` must be before `to`.")
        if end - begin > longest:
            raise BadPeriod(f"Hasta {longest.days} días por pedido. / Up to {longest.days} days at once.")
        return Period(begin, end)

    return requested
