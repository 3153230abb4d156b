"""Declared levels: how a proposal differs from them, whom it leaves behind, and when an end is announced."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.declared.level import Difference, declared_below, difference, warn_at
from models.alert import NAR

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
CITY, BASIN, BARRIO = "municipality:azul", "basin:gato", "barrio:tolosa"


@pytest.mark.parametrize(
    ("proposed", "declared", "expected"),
    [
        (None, None, Difference.NONE),
        (NAR.VERDE, None, Difference.NONE),
        (NAR.AMARILLO, None, Difference.UNDECLARED),
        (NAR.ROJO, NAR.ROJO, Difference.NONE),
        (NAR.ROJO, NAR.NARANJA, Difference.GRAVER),
        (None, NAR.NARANJA, Difference.MILDER),
        (NAR.NARANJA, NAR.VERDE, Difference.GRAVER),
    ],
)
def test_the_difference_says_which_of_the_two_is_graver(
    proposed: NAR | None, declared: NAR | None, expected: Difference
) -> None:
    assert difference(proposed, declared) is expected


@pytest.mark.parametrize(
    ("declared", "left_behind"),
    [
        ({}, [BASIN]),
        ({CITY: NAR.ROJO}, []),
        ({CITY: NAR.AMARILLO}, [BASIN]),
        ({CITY: NAR.AMARILLO, BASIN: NAR.NARANJA}, []),
        ({CITY: NAR.ROJO, BASIN: NAR.VERDE}, [BASIN]),
        ({BASIN: NAR.NARANJA, BARRIO: NAR.AMARILLO}, [BARRIO]),
        ({BARRIO: NAR.ROJO}, [BASIN]),
    ],
)
def test_a_proposal_leaves_behind_the_areas_where_less_or_nothing_is_declared(
    declared: dict[str, NAR], left_behind: list[str]
) -> None:
    assert declared_below(BASIN, NAR.NARANJA, declared) == left_behind


def test_the_end_is_announced_half_an_hour_before_and_of_a_short_declaration_in_its_last_quarter() -> None:
    assert warn_at(NOON, NOON + timedelta(hours=6)) == NOON + timedelta(hours=5, minutes=30)
    assert warn_at(NOON, NOON + timedelta(minutes=40)) == NOON + timedelta(minutes=30)
