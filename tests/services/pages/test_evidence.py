"""A rule's numbers in words."""

from datetime import timedelta, timezone
from typing import Any

import pytest

from models.alert import NAR
from models.reading import Flag
from services.pages.evidence import MOST_LETTERS, MOST_LINES, headline, lines
from services.pages.language import Words

ES = Words("es", timezone(timedelta(hours=-3)))


@pytest.mark.parametrize(
    ("evidence", "nar", "said"),
    [
        ({"level_m": 1.42, "thresholds_m": [1.0, 1.3, 2.0]}, NAR.NARANJA, "1,42 m, umbral 1,30 m"),
        ({"level_m": 1.42}, NAR.NARANJA, "1,42 m"),
        ({"rain_15_min_mm": 19.4, "in_15_min_mm": [10, 18, 25]}, NAR.NARANJA, "19,4 mm, umbral 18,0 mm en 15 min"),
        (
            {"rain_15_min_mm": 1, "in_15_min_mm": [10, 18, 25], "rain_1_h_mm": 31, "in_1_h_mm": [30, 45, 60]},
            NAR.AMARILLO,
            "31,0 mm, umbral 30,0 mm en 1 h",
        ),
        ({"level_m": "high", "thresholds_m": "none"}, NAR.ROJO, None),
        ({}, NAR.ROJO, None),
    ],
)
def test_the_headline_is_the_value_against_its_threshold(evidence: dict[str, Any], nar: NAR, said: str | None) -> None:
    assert headline(ES, nar, evidence) == said


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
def test_each_number_is_told_with_its_name_and_unit(key: str, value: object, line: tuple[str, str]) -> None:
    assert lines(ES, {key: value}) == [line]


def test_evidence_without_end_is_cut() -> None:
    found = lines(ES, {f"key_{number}": "x" * 10_000 for number in range(1000)})
    assert len(found) == MOST_LINES
    assert all(len(text) <= MOST_LETTERS for _, text in found)
