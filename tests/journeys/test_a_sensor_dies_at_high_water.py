"""A gauge is destroyed by the flood it measures: from its payloads to the operator's messages, without a database."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from alerts.rules import dispatch
from ingest.decode import decode
from ingest.quality.checks import QualityMemory, check_reading
from models.alert import NAR, Transition
from models.kinds import KINDS_BY_NAME
from models.reading import Message, Reading
from models.rule import Fault, Rule, RuleContext, Silence, Stage

DAWN = datetime(2013, 4, 2, 6, tzinfo=UTC)
RISE = [0.5] * 6 + [0.7, 0.95, 1.2, 1.5, 1.8, 2.1, 2.2, 2.2]
RULES = [
    Rule("gato.stage", 1, "river", "gato", Stage(thresholds_m=(1.0, 1.5, 2.0), period_s=300)),
    Rule("gato.fault", 1, "river", "gato", Fault()),
    Rule("gato.silence", 1, "river", "gato", Silence(period_s=300)),
]


class Gauge:
    """One station's road from bytes to transitions, five minutes a step."""

    def __init__(self) -> None:
        self.memory: QualityMemory | None = None
        self.states = {rule.id: dispatch.initial_state(rule.judgement) for rule in RULES}
        self.minute = 0
        self.told: list[tuple[str, Transition]] = []

    def says(self, *levels_m: float) -> None:
        for level_m in levels_m:
            at = DAWN + timedelta(minutes=self.minute)
            payload = json.dumps({"observed_at": at.isoformat(), "seq": self.minute, "level_m": level_m}).encode()
            (reading,) = decode(Message("vigia/v1/la-plata/river/gato", payload, at + timedelta(seconds=1)))
            assert isinstance(reading, Reading)
            kind = KINDS_BY_NAME["river"]
            checked = check_reading(kind.limits, self.memory, reading, kind.measure_index)
            self.memory, flagged = checked.memory, checked.reading
            for rule in RULES:
                self.states[rule.id], move = dispatch.judge(rule, self.states[rule.id], flagged, self.around())
                self.hear(rule, move)
            self.minute += 5

    def is_silent(self, minutes: int) -> None:
        for _ in range(0, minutes, 5):
            self.minute += 5
            for rule in RULES:
                now = DAWN + timedelta(minutes=self.minute)
                self.states[rule.id], move = dispatch.tick(rule, self.states[rule.id], now, self.around())
                self.hear(rule, move)

    def around(self) -> RuleContext:
        return RuleContext(stage_nar=self.states["gato.stage"].nar)

    def hear(self, rule: Rule, move: Transition | None) -> None:
        if move is not None:
            self.told.append((rule.id, move))

    def colour(self, rule: str) -> NAR:
        return self.states[f"gato.{rule}"].nar


@pytest.fixture
def gauge() -> Gauge:
    gauge = Gauge()
    gauge.says(*RISE)
    assert (gauge.colour("stage"), gauge.colour("fault"), gauge.colour("silence")) == (NAR.ROJO, NAR.VERDE, NAR.VERDE)
    return gauge


@pytest.mark.parametrize("last_words", [0.02, -9999.0, 99.0, -7.0])
def test_what_a_dead_sensor_says_eases_nothing_for_a_day_and_is_told_as_a_fault(
    gauge: Gauge, last_words: float
) -> None:
    gauge.says(*[last_words] * (24 * 12))
    assert gauge.colour("stage") is NAR.ROJO
    assert gauge.colour("silence") is NAR.VERDE
    assert ("gato.fault", NAR.AMARILLO) in [(rule, move.after) for rule, move in gauge.told]


def test_when_it_says_nothing_any_more_the_level_is_held_and_silence_is_rojo(gauge: Gauge) -> None:
    gauge.is_silent(24 * 60)
    assert gauge.colour("stage") is NAR.ROJO
    assert gauge.colour("silence") is NAR.ROJO
    rule, move = gauge.told[-1]
    assert (rule, move.decided_at - DAWN) == ("gato.silence", timedelta(minutes=5 * (len(RISE) - 1) + 20))


def test_a_sensor_that_came_through_lets_the_water_fall_in_its_own_time(gauge: Gauge) -> None:
    falling = [2.2 - 0.05 * step for step in range(34)]
    gauge.says(*falling, *[0.5] * 30)
    assert gauge.colour("stage") is NAR.VERDE
    assert "gato.fault" not in [rule for rule, _ in gauge.told]


def test_the_number_for_no_value_never_alarms() -> None:
    gauge = Gauge()
    gauge.says(0.5, -9999.0, 0.5, -999.0, 0.5, -99.0, 0.5)
    assert gauge.told == []
