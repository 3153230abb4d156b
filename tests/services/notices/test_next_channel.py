"""Tests of the choice of a person's next channel."""

from hypothesis import given
from hypothesis import strategies as st

from services.notices.next_channel import (
    ADDITIONS,
    MAX_IN_ROW,
    Candidate,
    counting_channels,
    failures_of,
    plan,
    wait_s,
)
from services.notices.outcomes import Refused, Retry, Sent, Unknown

SMS, MAIL = Candidate(1, "sms"), Candidate(2, "apprise")
CONSOLE, PUSH = Candidate(3, "console"), Candidate(4, "webpush")


def order(channels: list[Candidate], attempts: int, refusing: frozenset[int] = frozenset()) -> list[int]:
    """The channels of so many attempts that all fail."""
    failures: dict[int, int] = {}
    used = []
    for _ in range(attempts):
        main = plan(channels, failures, ()).main
        assert main is not None
        outcome = Refused("no") if main in refusing else Retry("later")
        failures[main] = failures.get(main, 0) + failures_of(outcome)
        used.append(main)
    return used


def test_the_next_channel_is_tried_after_two_failures_and_the_first_again_after_the_last() -> None:
    assert order([SMS, MAIL], 7) == [1, 1, 2, 2, 1, 1, 2]


def test_a_channel_that_refuses_is_passed_over_at_once() -> None:
    assert order([SMS, MAIL], 5, frozenset({1})) == [1, 2, 2, 1, 2]


def test_a_channel_not_tried_yet_does_not_wait() -> None:
    assert wait_s([SMS, MAIL], {1: 1}) == 2.0
    assert wait_s([SMS, MAIL], {1: 2}) == 0.0
    assert wait_s([SMS, MAIL], {1: 2, 2: 1}) == 2.0
    assert wait_s([SMS, MAIL], {1: 2, 2: 2}) == 5.0
    assert wait_s([SMS, MAIL], {1: 40, 2: 40}) == 60.0


def test_console_and_web_push_are_used_beside_the_others_once() -> None:
    channels = [CONSOLE, PUSH, SMS]
    first = plan(channels, {}, ())
    assert (first.main, first.additions) == (1, (3, 4))
    again = plan(channels, {1: 1}, {1, 3, 4})
    assert (again.main, again.additions) == (1, ())


def test_the_console_counts_where_there_is_nothing_else_and_web_push_never() -> None:
    assert (plan([PUSH, CONSOLE], {}, ()).main, plan([PUSH, CONSOLE], {}, ()).additions) == (3, (4,))
    assert (plan([PUSH], {}, ()).main, plan([PUSH], {}, ()).additions) == (None, (4,))
    assert plan([], {}, ()).main is None


def test_only_success_speaks_for_a_channel() -> None:
    assert [failures_of(one) for one in (Sent(), Retry(""), Unknown(""), Refused(""))] == [0, 1, 1, MAX_IN_ROW]


@given(st.lists(st.sampled_from(["sms", "apprise", "webhook", "console", "webpush"]), max_size=8), st.integers(1, 60))
def test_every_channel_that_counts_is_tried_again_and_again(names: list[str], attempts: int) -> None:
    channels = [Candidate(number, name) for number, name in enumerate(names)]
    counting = counting_channels(channels)
    if not counting:
        assert {one.channel for one in channels} <= ADDITIONS
        return
    used = order(channels, attempts + MAX_IN_ROW * len(counting))
    assert set(used) == set(counting)
    assert max(used.count(one) for one in counting) - min(used.count(one) for one in counting) <= MAX_IN_ROW
