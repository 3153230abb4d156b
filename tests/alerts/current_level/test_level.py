"""The current level of a stream: distances, crossing read off the quantiles, order of danger and the sentence."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from alerts.current_level.level import CurrentLevel, current_level, danger
from alerts.current_level.sentence import sentence
from models.alert import NAR

NOW = datetime(2026, 4, 2, 23, 40, tzinfo=UTC)
LOCAL = timezone(timedelta(hours=-3))
LIMITS = (1.5, 2.0, 2.6)


@dataclass(frozen=True)
class Point:
    """Quantiles of the forecast at one instant."""

    at: datetime
    p10: float
    p50: float
    p90: float


def _point(minutes: int, p10: float, p50: float, p90: float) -> Point:
    return Point(NOW + timedelta(minutes=minutes), p10, p50, p90)


RISE = [_point(15, 2.50, 2.54, 2.60), _point(30, 2.54, 2.63, 2.75), _point(60, 2.65, 2.80, 3.00)]


def _at(
    level: float, rate: float | None = None, forecast: list[Point] | None = None, *, fresh: bool = True
) -> CurrentLevel:
    return current_level(level, NOW, thresholds=LIMITS, rate_m_h=rate, forecast=forecast or [], fresh=fresh)


def test_the_sentence_gives_value_age_rate_thresholds_each_way_and_the_crossing() -> None:
    """The crossing is that of the median, its interval that of the other two quantiles, in local time."""
    text = sentence(_at(2.48, 0.33, RISE), "es", LOCAL, NOW + timedelta(minutes=1))
    assert text == (
        "Ahora 2,48 m, de hace 1 min, +0,33 m/h; 48 cm por encima de naranja; faltan 12 cm para rojo;"
        " lo cruza hacia las 21:05, entre 20:55 y 21:26"
    )


def test_the_sentence_in_english_of_a_falling_level_names_no_crossing() -> None:
    """A level that falls from above a threshold says how far it still is above it."""
    text = sentence(_at(1.92, -0.40), "en", LOCAL, NOW)
    assert text == "Now 1.92 m, 0 s old, −0.40 m/h; 42 cm above yellow; 8 cm below orange"


def test_over_red_there_is_no_next_threshold() -> None:
    """The level that stands over red says by how much, not that it would reach anything."""
    level = _at(4.6, 0.1, RISE)
    assert (level.next_up, level.crossing) == (None, None)
    assert sentence(level, "es", LOCAL, NOW).endswith("; 2,00 m por encima de rojo")


def test_an_old_value_is_called_the_last_one_and_has_no_forecast() -> None:
    """Silence is said as such."""
    text = sentence(_at(2.48, 0.33, RISE, fresh=False), "es", LOCAL, NOW + timedelta(minutes=40))
    assert text == "Último dato 2,48 m, de hace 40 min; 48 cm por encima de naranja; faltan 12 cm para rojo"


def test_without_the_slow_tenth_the_crossing_has_no_latest_time() -> None:
    """Where one forecast in ten does not cross, only the earliest time is said."""
    slow = [_point(30, 2.40, 2.70, 2.80)]
    assert sentence(_at(2.5, 0.3, slow), "es", LOCAL, NOW).endswith("lo cruza hacia las 20:55, no antes de las 20:50")


def test_danger_comes_first() -> None:
    """Over red, then by colour; of one colour what rises and crosses soonest, rain between, and what falls last."""
    later = [_point(60, 2.55, 2.61, 2.70)]
    cases = {
        "falling": (NAR.NARANJA, _at(2.4, -0.3)),
        "rain": (NAR.NARANJA, None),
        "amarillo, rising": (NAR.AMARILLO, _at(1.6, 0.9)),
        "crosses later": (NAR.NARANJA, _at(2.4, 0.2, later)),
        "crosses soon": (NAR.NARANJA, _at(2.48, 0.33, RISE)),
        "over red": (NAR.ROJO, _at(2.7, -0.1)),
        "red by forecast": (NAR.ROJO, _at(2.5, 0.5)),
    }
    assert sorted(cases, key=lambda name: danger(*cases[name])) == [
        "over red",
        "red by forecast",
        "crosses soon",
        "crosses later",
        "rain",
        "falling",
        "amarillo, rising",
    ]
