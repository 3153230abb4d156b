"""Periods asked for: what they are where nothing is said, and how long they may be."""

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
    """From `start` up to but not at `end`."""

    start: datetime
    end: datetime


def period(*, usual: timedelta, longest: timedelta) -> Callable[..., Period]:
    """A dependency that reads `from` and `to`: until now and `usual` long, unless said. It raises BadPeriod."""

    def asked(now: Now, start: From = None, to: To = None) -> Period:
        end = to or now
        begin = start or end - usual
        if begin >= end:
            raise BadPeriod("`from` debe ser anterior a `to`. / `from` must be before `to`.")
        if end - begin > longest:
            raise BadPeriod(f"Hasta {longest.days} días por pedido. / Up to {longest.days} days at once.")
        return Period(begin, end)

    return asked
