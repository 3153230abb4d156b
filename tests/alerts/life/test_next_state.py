"""The alert after a transition: what is held, what asks, what flaps, what ends by itself. Pure."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.life.limits import FLAPPING_CHANGES, acknowledgement_minutes, may_be_shelved
from alerts.life.next_state import AlertState, Because, NextState, OpenAlert, RuleChange, calm_state, next_state
from models.alert import NAR

VERDE, AMARILLO, NARANJA, ROJO = NAR


def fires(nar: NAR, judgement: str = "stage", *, confirmed: bool = True, changes: int = 1) -> RuleChange:
    """What a rule says."""
    return RuleChange(judgement, nar, confirmed, changes, nar)


def story(*changes: RuleChange, acknowledged: bool = False) -> OpenAlert | None:
    """The alert after these changes, one after the other. Acknowledged after the first one."""
    alert: OpenAlert | None = None
    for change in changes:
        after = next_state(alert, change)
        if after.state is AlertState.CLOSED:
            return None
        highest = max(after.nar, VERDE if alert is None else alert.highest_nar)
        still = (acknowledged and alert is None) or (alert is not None and alert.acknowledged and after.asks is None)
        alert = OpenAlert(
            after.state,
            after.nar,
            after.rule_nar,
            after.held_nar,
            highest,
            acknowledged=still,
            shelved_nar=None if alert is None or after.unshelved else alert.shelved_nar,
            flapping=after.flapping,
        )
    return alert


def last(alert: OpenAlert | None, change: RuleChange) -> NextState:
    """What becomes of an alert."""
    return next_state(alert, change)


@pytest.mark.parametrize("judgement", ["stage", "rainfall"])
def test_naranja_and_rojo_of_water_show_until_a_person_confirms(judgement: str) -> None:
    eased = last(story(fires(ROJO, judgement)), fires(AMARILLO, judgement))
    assert (eased.nar, eased.rule_nar, eased.state) == (ROJO, AMARILLO, AlertState.FIRING)
    over = last(story(fires(NARANJA, judgement), acknowledged=True), fires(VERDE, judgement))
    assert (over.nar, over.rule_nar, over.state) == (NARANJA, VERDE, AlertState.CLEARED)


def test_amarillo_and_other_rules_ease_by_themselves() -> None:
    assert last(story(fires(AMARILLO), acknowledged=True), fires(VERDE)).state is AlertState.CLOSED
    eased = last(story(fires(ROJO, "silence")), fires(AMARILLO, "silence"))
    assert (eased.nar, eased.rule_nar) == (AMARILLO, AMARILLO)


def test_a_lone_spike_eases_by_itself_and_what_was_held_before_it_stays() -> None:
    spike = fires(ROJO, confirmed=False)
    assert last(story(spike), fires(NARANJA, confirmed=False)).nar == NARANJA
    before = story(fires(NARANJA), spike)
    assert last(before, fires(NARANJA, confirmed=True)).nar == NARANJA
    assert last(before, fires(AMARILLO, confirmed=True)).nar == NARANJA


def test_a_rise_after_an_easing_asks_again_although_the_colour_was_shown_all_the_time() -> None:
    eased = story(fires(ROJO), fires(AMARILLO), acknowledged=True)
    assert eased is not None
    assert eased.acknowledged
    again = last(eased, fires(ROJO))
    assert (again.asks, again.announced, again.nar) == (Because.GRAVER, True, ROJO)


def test_a_confirmation_and_an_easing_keep_the_acknowledgement() -> None:
    alert = story(fires(NARANJA), acknowledged=True)
    assert last(alert, fires(NARANJA)).asks is None
    assert last(alert, fires(AMARILLO)).asks is None
    assert last(alert, fires(ROJO)).asks is Because.GRAVER
    assert last(story(fires(NARANJA), fires(VERDE), acknowledged=True), fires(NARANJA)).asks is Because.FIRED_AGAIN


def test_more_changes_than_a_storm_makes_are_flapping_at_the_highest_level_and_without_a_sound() -> None:
    silent = story(fires(AMARILLO, "silence"), acknowledged=True)
    flapping = last(silent, fires(VERDE, "silence", changes=FLAPPING_CHANGES + 1))
    assert (flapping.flapping, flapping.state, flapping.nar, flapping.rule_nar) == (
        True,
        AlertState.FIRING,
        AMARILLO,
        VERDE,
    )
    assert silent is not None
    held = replace(silent, flapping=True, held_nar=AMARILLO, rule_nar=VERDE)
    again = last(held, fires(AMARILLO, "silence", changes=FLAPPING_CHANGES + 2))
    assert (again.asks, again.announced) == (None, False)
    graver = last(held, fires(ROJO, "silence", changes=FLAPPING_CHANGES + 2))
    assert (graver.asks, graver.announced, graver.nar) == (Because.GRAVER, True, ROJO)
    assert not last(silent, fires(VERDE, "silence", changes=FLAPPING_CHANGES)).flapping


def test_a_calm_alert_is_what_it_would_have_been() -> None:
    flapping = OpenAlert(AlertState.FIRING, ROJO, AMARILLO, ROJO, ROJO, acknowledged=True, flapping=True)
    assert calm_state(flapping, "silence").nar == AMARILLO
    assert calm_state(flapping, "stage").nar == ROJO
    over = replace(flapping, nar=AMARILLO, rule_nar=VERDE, held_nar=AMARILLO, highest_nar=AMARILLO)
    assert calm_state(over, "silence").state is AlertState.CLOSED
    assert calm_state(replace(over, acknowledged=False), "silence").state is AlertState.CLEARED


def test_a_shelved_alert_is_not_announced_until_it_is_graver_than_what_was_shelved() -> None:
    fault = story(fires(AMARILLO, "fault"))
    assert fault is not None
    shelved = replace(fault, shelved_nar=AMARILLO)
    same = last(shelved, fires(AMARILLO, "fault"))
    assert (same.unshelved, same.announced) == (False, False)
    graver = last(shelved, fires(NARANJA, "fault"))
    assert (graver.unshelved, graver.announced, graver.asks) == (True, True, Because.GRAVER)


def test_rojo_of_water_is_never_shelved() -> None:
    assert [may_be_shelved(rule, ROJO) for rule in ("stage", "rainfall", "silence", "extreme_speed")] == [
        False,
        False,
        False,
        True,
    ]
    assert may_be_shelved("stage", NARANJA)


def test_an_acknowledgement_lasts_as_the_city_says() -> None:
    assert acknowledgement_minutes({}) == {AMARILLO: 240, NARANJA: 60, ROJO: 30}
    assert acknowledgement_minutes({"rojo": 10})[ROJO] == 10


CHANGES = st.builds(
    RuleChange,
    st.sampled_from(["stage", "rainfall", "silence"]),
    st.sampled_from(NAR),
    st.booleans(),
    st.integers(1, 12),
    st.sampled_from(NAR),
)


@given(st.lists(CHANGES, max_size=12))
def test_what_is_shown_is_never_below_the_rule_nor_below_what_is_held(changes: list[RuleChange]) -> None:
    alert: OpenAlert | None = None
    for change in changes:
        after = next_state(alert, change)
        assert after.nar == max(after.rule_nar, after.held_nar)
        if alert is not None and after.state is not AlertState.CLOSED:
            assert after.held_nar >= alert.held_nar
        if change.nar > (VERDE if alert is None else alert.nar):
            assert after.asks is not None
        alert = (
            None
            if after.state is AlertState.CLOSED
            else OpenAlert(after.state, after.nar, after.rule_nar, after.held_nar, after.nar, flapping=after.flapping)
        )
