"""What is announced to the operators: once an incident, what makes it graver, and each station's own rise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incidents.announcing import OWN_CAUSES, Announced, Before, Reason, reason_to_announce
from models.alert import NAR, Cause, Change, Transition
from models.incident import Membership
from tests.alerts.town import NOON

V, A, N, R = NAR
QUIET = Before(others=False, worst=V, waiting=False)
STREAM, RAIN = Membership.STREAM, Membership.RAIN


def move(before: NAR, after: NAR, cause: Cause = Cause.LEVEL, *, confirmed: bool = True) -> Transition:
    """A transition at noon."""
    change = Change.RAISED if after > before else Change.CONFIRMED if after == before else Change.EASED
    return Transition(before, after, change, cause, NOON, NOON, confirmed)


def reason(
    before: Before,
    transition: Transition,
    membership: Membership = STREAM,
    *,
    rule: str = "puente.stage",
    raised_by: Cause | None = None,
) -> Reason | None:
    """Why the transition is announced."""
    return reason_to_announce(before, rule, membership, transition, raised_by=raised_by or transition.cause)


def told(nar: NAR, rule: str = "puente.stage", *, sure: bool = True, own: bool = True) -> Announced:
    """Something announced a moment ago."""
    return Announced(rule, nar, sure, own)


RED = Before(others=True, worst=R, waiting=True, announced=[told(R, "plaza.rainfall", own=False)])
"""An incident that is red by rain, which nobody has answered."""


@pytest.mark.parametrize(
    ("what", "before", "transition", "membership", "expected"),
    [
        ("the first alert", QUIET, move(V, A, Cause.RAIN), RAIN, Reason.OPENED),
        ("the first alert, in doubt", QUIET, move(V, R, confirmed=False), STREAM, Reason.OPENED),
        ("a second gauge under the same rain", RED, move(V, R, Cause.RAIN), RAIN, None),
        ("a stream that is red only by rain", RED, move(V, R, Cause.RAIN), STREAM, None),
        ("a stream that is red only by one upstream", RED, move(V, R, Cause.UPSTREAM, confirmed=False), STREAM, None),
        ("a stream's own rise", RED, move(V, A), STREAM, Reason.OWN_RISE),
        ("a stream's own rise by forecast", RED, move(V, R, Cause.FORECAST), STREAM, Reason.OWN_RISE),
        ("a stream's own rise, in doubt", RED, move(A, R, confirmed=False), STREAM, None),
        ("a gauge lost at high water", RED, move(V, R, Cause.SILENCE), Membership.LOST_GAUGE, Reason.LOST_GAUGE),
        ("a colour that eases", RED, move(R, N, Cause.RECESSION), STREAM, None),
        ("an end", RED, move(A, V, Cause.RECESSION), STREAM, None),
        ("one more silent sensor", RED, move(V, A, Cause.SILENCE), Membership.SAME_EQUIPMENT, None),
        ("one more dead part of Vigía", RED, move(V, N, Cause.PROCESS), Membership.ITSELF, Reason.OWN_FAULT),
    ],
)
def test_what_is_announced(
    what: str, before: Before, transition: Transition, membership: Membership, expected: Reason | None
) -> None:
    assert reason(before, transition, membership) == expected, what


def test_a_graver_colour_is_announced_even_in_doubt_and_again_when_the_doubt_is_removed() -> None:
    yellow = Before(others=True, worst=A, waiting=True, announced=[told(A, "plaza.rainfall", own=False)])
    assert reason(yellow, move(A, R, confirmed=False)) == Reason.GRAVER
    doubtful = Before(others=True, worst=R, waiting=True, announced=[told(R, sure=False)])
    assert reason(doubtful, move(R, R, Cause.RAIN), raised_by=Cause.LEVEL) == Reason.OWN_RISE
    assert reason(doubtful, move(R, R, Cause.RAIN), raised_by=Cause.UPSTREAM) == Reason.CONFIRMED
    sure = Before(others=True, worst=R, waiting=True, announced=[told(R, sure=False), told(R)])
    assert reason(sure, move(R, R)) is None


def test_a_doubt_nobody_was_told_of_is_announced_as_a_rise_when_it_is_confirmed() -> None:
    assert reason(RED, move(R, R, Cause.RAIN), raised_by=Cause.RISE) == Reason.OWN_RISE
    assert reason(RED, move(R, R, Cause.RAIN), raised_by=Cause.UPSTREAM) is None


def test_a_stream_announced_by_rain_is_announced_again_when_its_own_level_reaches_the_colour() -> None:
    by_rain = Before(others=True, worst=R, waiting=True, announced=[told(R, own=False)])
    assert reason(by_rain, move(R, R)) == Reason.OWN_RISE


def test_flapping_is_announced_once() -> None:
    assert reason(Before(False, V, False, [told(A)]), move(V, A)) is None
    assert reason(Before(False, A, True, [told(R)]), move(A, R)) is None
    assert reason(Before(False, V, False, [told(A)]), move(V, R)) == Reason.OPENED


def test_what_joins_an_incident_that_was_answered_asks_again() -> None:
    answered = Before(others=True, worst=A, waiting=False)
    assert reason(answered, move(V, A, Cause.SILENCE), Membership.SAME_EQUIPMENT) == Reason.ASKS_AGAIN
    assert reason(answered, move(V, A, Cause.RAIN), RAIN) == Reason.ASKS_AGAIN


colours = st.sampled_from(NAR)
announced = st.builds(
    Announced, st.sampled_from(["puente.stage", "plaza.rainfall"]), colours, st.booleans(), st.booleans()
)
befores = st.builds(Before, st.booleans(), colours, st.booleans(), st.lists(announced, max_size=4))


@given(befores, colours, colours, st.sampled_from(sorted(OWN_CAUSES)), st.booleans())
def test_a_streams_own_rise_is_never_hidden_once_it_is_confirmed(
    before: Before, first: NAR, second: NAR, cause: Cause, confirmed: bool
) -> None:
    """Unless exactly this was announced within the time that bounds flapping."""
    low, high = sorted((first, second))
    transition = move(low, high, cause, confirmed=confirmed)
    known = any(one.rule_id == "puente.stage" and one.nar >= high and one.sure and one.own for one in before.announced)
    if high and confirmed and not known:
        assert reason(before, transition) is not None


@given(befores, colours, colours, st.sampled_from(Membership), st.sampled_from(Cause), st.booleans())
def test_nothing_that_eases_is_announced(
    before: Before, first: NAR, second: NAR, membership: Membership, cause: Cause, confirmed: bool
) -> None:
    low, high = sorted((first, second))
    if low < high:
        assert reason(before, move(high, low, cause, confirmed=confirmed), membership) is None
