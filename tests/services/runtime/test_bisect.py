"""Bisection finds all failing items and processes all others once and in their order."""

from collections.abc import Sequence

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.bisect import bisect_failures


@given(st.lists(st.booleans(), max_size=70))
def test_every_culprit_is_set_aside_alone_and_all_others_get_through_in_order(broken: list[bool]) -> None:
    done: list[int] = []
    aside: list[int] = []

    def work(some: Sequence[int]) -> None:
        if any(broken[one] for one in some):
            raise ValueError(some)
        done.extend(some)

    bisect_failures(range(len(broken)), work, lambda one, _: aside.append(one))
    assert aside == [one for one, is_broken in enumerate(broken) if is_broken]
    assert done == [one for one, is_broken in enumerate(broken) if not is_broken]


def test_a_lost_database_is_nobodys_fault() -> None:
    def work(_: Sequence[int]) -> None:
        raise psycopg.OperationalError

    with pytest.raises(psycopg.OperationalError):
        bisect_failures([1, 2], work, lambda one, _: pytest.fail(f"{one} was blamed"))
