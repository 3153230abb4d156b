"""The current level of a stream as one sentence, in es-AR or English."""

from datetime import datetime, tzinfo
from typing import Literal

from alerts.current_level.level import Crossing, CurrentLevel
from models.alert import NAR

Language = Literal["es", "en"]
MINUTE_S = 60

_WORDS = {
    "es": {
        "now": "Ahora {level} m",
        "last": "Último dato {level} m",
        "age_s": "de hace {age} s",
        "age_min": "de hace {age} min",
        "rate": "{rate} m/h",
        "above": "{distance} por encima de {colour}",
        "missing": "faltan {distance} para {colour}",
        "less": "menos de 1 cm",
        "cross": "lo cruza hacia las {expected}{interval}",
        "between": ", entre {earliest} y {latest}",
        "from": ", no antes de las {earliest}",
    },
    "en": {
        "now": "Now {level} m",
        "last": "Last value {level} m",
        "age_s": "{age} s old",
        "age_min": "{age} min old",
        "rate": "{rate} m/h",
        "above": "{distance} above {colour}",
        "missing": "{distance} below {colour}",
        "less": "less than 1 cm",
        "cross": "expected to cross it about {expected}{interval}",
        "between": ", between {earliest} and {latest}",
        "from": ", not before {earliest}",
    },
}
_COLOURS = {
    "es": ("verde", "amarillo", "naranja", "rojo"),
    "en": ("green", "yellow", "orange", "red"),
}


def sentence(current: CurrentLevel, language: Language, zone: tzinfo, now: datetime) -> str:
    """The value, its age, its rate, the thresholds each way, and the expected crossing with its interval."""
    words = _WORDS[language]
    age_s = max(int((now - current.at).total_seconds()), 0)
    age = words["age_s"].format(age=age_s) if age_s < MINUTE_S else words["age_min"].format(age=age_s // MINUTE_S)
    level = _number(current.level_m, language)
    measured = [words["now" if current.fresh else "last"].format(level=level), age]
    if current.rate_m_h is not None:
        measured.append(words["rate"].format(rate=_number(current.rate_m_h, language, signed=True)))
    parts = [", ".join(measured)]
    if current.above_m is not None:
        parts.append(_distance("above", current.above_m, current.reached, language))
    if current.missing_m is not None and current.next_up is not None:
        parts.append(_distance("missing", current.missing_m, current.next_up, language))
    if current.crossing:
        parts.append(_crossing(current.crossing, language, zone))
    return "; ".join(parts)


def short_sentence(current: CurrentLevel, language: Language) -> str:
    """The value, its rate, and the distance from the threshold that it reached, or else from the next one."""
    level = _WORDS[language]["now" if current.fresh else "last"].format(level=_number(current.level_m, language))
    if current.rate_m_h is not None:
        level = f"{level}, {_WORDS[language]['rate'].format(rate=_number(current.rate_m_h, language, signed=True))}"
    if current.above_m is not None:
        return f"{level}; {_distance('above', current.above_m, current.reached, language)}"
    if current.missing_m is not None and current.next_up is not None:
        return f"{level}; {_distance('missing', current.missing_m, current.next_up, language)}"
    return level


def _distance(key: str, metres: float, colour: NAR, language: Language) -> str:
    if metres < 0.01:
        text = _WORDS[language]["less"]
    else:
        text = f"{round(100 * metres)} cm" if metres < 1 else f"{_number(metres, language)} m"
    return _WORDS[language][key].format(distance=text, colour=_COLOURS[language][colour])


def _crossing(crossing: Crossing, language: Language, zone: tzinfo) -> str:
    words = _WORDS[language]
    earliest = f"{crossing.earliest.astimezone(zone):%H:%M}"
    if crossing.latest is None:
        interval = words["from"].format(earliest=earliest)
    else:
        latest = f"{crossing.latest.astimezone(zone):%H:%M}"
        interval = "" if latest == earliest else words["between"].format(earliest=earliest, latest=latest)
    return words["cross"].format(expected=f"{crossing.expected.astimezone(zone):%H:%M}", interval=interval)


def _number(value: float, language: Language, *, signed: bool = False) -> str:
    text = (f"{value:+.2f}" if signed else f"{value:.2f}").replace("-", "−")
    return text.replace(".", ",") if language == "es" else text
