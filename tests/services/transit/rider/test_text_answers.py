"""Any text of a rider gets an answer in one message, and texts with the same meaning get the same answer."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transit.rider.gsm7 import MOST_SEPTETS, septet_count
from services.transit.rider.text_answers import answer
from services.transit.serving.snapshot import empty_snapshot, with_changes
from tests.services.transit.serving.test_departure_board import NETWORK, SEVEN, trip_prediction, vehicle_prediction

NOW = SEVEN - 120
SNAPSHOT = with_changes(empty_snapshot(NETWORK), [vehicle_prediction("7", NOW, trip_prediction("10-0700", late_s=60))])
T3 = "LP3 06:58 10: 5-7min y 07:12(hor) y 07:22(hor)"


@pytest.mark.parametrize(
    "text",
    [
        "LP3 10",
        "lp3 10",
        "10 LP3",
        "LP 3 10",
        "¿Cuándo viene el 10 a LP3?",
        "PARADA LP3, LINEA 10",
        "3 10",
        "LP3 porfa 10 gracias",
    ],
)
def test_a_stop_and_a_line_are_understood_however_they_are_written(text: str) -> None:
    assert answer(SNAPSHOT, text, NOW) == T3


def test_a_stop_alone_tells_all_its_lines() -> None:
    assert answer(SNAPSHOT, "LP1", NOW).startswith("LP1 06:58 10:")
    assert answer(SNAPSHOT, "LP1 gracias", NOW) == answer(SNAPSHOT, "LP1", NOW)
    assert " 20:cada 10min(hor)" in answer(SNAPSHOT, "LP1", NOW)


def test_a_corner_is_one_stop_or_says_which_there_are() -> None:
    assert answer(SNAPSHOT, "parada t3 10", NOW).startswith("No hay parada")
    names = {"T3": "7 y 50", "R3": "7 y 50", "T4": "7 y 51"}
    stops = {key: replace(stop, name=names.get(key, stop.name)) for key, stop in NETWORK.stops.items()}
    snapshot = replace(SNAPSHOT, network=replace(NETWORK, stops=stops))
    assert answer(snapshot, "7 y 51 10", NOW).startswith("LP4 06:58 10:")
    assert answer(snapshot, "7 y 50", NOW) == "Hay varias, manda el codigo: LP10 a Centro; LP3 a Norte;"


def test_what_is_no_question_gets_help_with_a_stop_that_there_is() -> None:
    for text in ("", "hola", "AYUDA", "???"):
        assert answer(SNAPSHOT, text, NOW).endswith("Ej: LP1 10")
    assert answer(SNAPSHOT, "LP999 10", NOW).startswith("No hay parada LP999")
    assert answer(SNAPSHOT, "LP3 20", NOW) == "20 no para en LP3. Paran: 10"


def test_without_a_timetable_nothing_is_claimed() -> None:
    assert "no hay datos" in answer(None, "LP3 10", NOW)


words = st.sampled_from(["LP3", "lp1", "10", "20", "307", "7", "y", "50", "parada", "¿", "LP", "3", "\n", "😀", "á"])


@given(st.text(max_size=600) | st.lists(words).map(" ".join))
def test_whatever_is_written_is_answered_in_one_message(text: str) -> None:
    assert 0 < septet_count(answer(SNAPSHOT, text, NOW)) <= MOST_SEPTETS
