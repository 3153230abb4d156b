"""Evidence of a rule as text."""

from datetime import timedelta, timezone
from typing import Any

import pytest

from models.alert import NAR
from models.reading import Flag
from services.web.pages.evidence import MAX_LINES, MAX_VALUE_CHARS, evidence_lines, headline
from services.web.pages.language import Words

ES = Words("es", timezone(timedelta(hours=-3)))


LEVELS = [1.0, 1.3, 2.0]


@pytest.mark.parametrize(
    ("cause", "evidence", "nar", "said"),
    [
        ("level", {"level_m": 1.42, "thresholds_m": LEVELS}, NAR.NARANJA, "1,42 m, umbral 1,30 m"),
        ("rise", {"level_m": 1.1, "thresholds_m": LEVELS, "rain_15_min_mm": 9.0}, NAR.NARANJA, "1,10 m, umbral 1,30 m"),
        ("recession", {"level_m": 0.6, "thresholds_m": LEVELS}, NAR.VERDE, "0,60 m"),
        ("rain", {"level_m": 0.3, "thresholds_m": LEVELS, "rain_15_min_mm": 26.0}, NAR.ROJO, "26,0 mm en 15 min"),
        ("rain", {"rain_1_h_mm": 47, "in_1_h_mm": [30, 45, 60]}, NAR.NARANJA, "47,0 mm, umbral 45,0 mm en 1 h"),
        (
            "rain",
            {"rain_15_min_mm": 1, "in_15_min_mm": [10, 18, 25], "rain_1_h_mm": 31, "in_1_h_mm": [30, 45, 60]},
            NAR.AMARILLO,
            "31,0 mm, umbral 30,0 mm en 1 h",
        ),
        (
            "rain",
            {"rain": 3, "rain_15_min_mm": 11, "rain_limit": {"rain_mm": 120.4, "threshold_mm": 100, "window_s": 10800}},
            NAR.ROJO,
            "120,4 mm, umbral 100,0 mm en 3 h",
        ),
        ("rain", {"rain": 3, "rain_15_min_mm": 11.0}, NAR.ROJO, None),
        ("rain", {}, NAR.ROJO, None),
        ("upstream", {"level_m": 0.3, "thresholds_m": LEVELS}, NAR.AMARILLO, None),
        ("speed", {"fastest_over_kmh": 63.0, "limit_kmh": 60.0}, NAR.NARANJA, "123 km/h, umbral 60 km/h"),
        ("level", {"level_m": "high", "thresholds_m": "none"}, NAR.ROJO, None),
    ],
)  # fmt: skip
def test_the_headline_is_the_evidence_of_the_level(
    cause: str, evidence: dict[str, Any], nar: NAR, said: str | None
) -> None:
    assert headline(ES, nar, cause, evidence) == said


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("risen_m", 0.31, ("Crecida", "0,31 m")),
        ("rise_window_s", 900, ("En", "15 min")),
        ("chances", [1.0, 0.71, 0.3], ("Probabilidad de alcanzarlos", "100 % · 71 % · 30 %")),
        ("upstream", 2, ("Aguas arriba", "naranja")),
        ("flags", int(Flag.SPIKE | Flag.LATE), ("Observaciones de calidad", "pico aislado, llegó tarde")),
        ("flags", ["SPIKE"], ("Observaciones de calidad", "pico aislado")),
        ("flags", 0, ("Observaciones de calidad", "sin observaciones")),
        ("heard_at", "2013-04-02T20:27:00+00:00", ("Último dato", "2/4/2013 17:27")),
        ("heard_at", "yesterday", ("Último dato", "yesterday")),
        ("share_recent", 0.283, ("Sobre el límite, últimos días", "28 %")),
        ("something_new", {"a_m": 1.0, "b": True}, ("something_new", "a_m: 1,00 m; b: sí")),
        ("something_new", float("nan"), ("something_new", "nan")),
    ],
)  # fmt: skip
def test_each_number_has_its_name_and_unit(key: str, value: object, line: tuple[str, str]) -> None:
    assert evidence_lines(ES, {key: value}) == [line]


def test_long_evidence_is_cut() -> None:
    found = evidence_lines(ES, {f"key_{number}": "x" * 10_000 for number in range(1000)})
    assert len(found) == MAX_LINES
    assert all(len(text) <= MAX_VALUE_CHARS for _, text in found)


def test_the_least_chance_is_a_percentage_with_a_name() -> None:
    (line,) = evidence_lines(ES, {"least_chance": 0.4321})
    assert line == ("Y si falta más de lo que ya creció, con esta o más", "43 %")
