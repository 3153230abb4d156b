"""Tests of the messages to people: what they say, what they never say, and their length as a text message."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notices.message_words import MESSAGE_WORDS
from services.notices.messages import Message, Purpose, Setting, write_message
from services.runtime.simulation import Simulation
from services.transit.rider.gsm7 import MOST_SEPTETS, septet_count

ZONE = ZoneInfo("America/Argentina/Buenos_Aires")
ABOUT_AN_INCIDENT = [one for one in Purpose if one not in {Purpose.TEST, Purpose.ANSWER}]
FLOOD: dict[str, Any] = {
    "purpose": "escalation",
    "incident_id": 12,
    "nar": 3,
    "hazard": "flood",
    "place": "Arroyo del Gato",
    "unanswered_since": datetime(2026, 11, 28, 15, 0, tzinfo=UTC),
}


def written(language: str = "es", address: str | None = "https://vigia.example", **more: Any) -> Message:
    """The message of FLOOD."""
    return write_message(FLOOD, 77, Setting(language, ZONE, address), **more)


def test_an_escalation_says_in_one_text_message_what_happens_where_and_what_to_answer() -> None:
    message = written(code="4821")
    assert message.title == "NADIE RESPONDIÓ. ROJO: inundación en Arroyo del Gato"
    assert message.text.splitlines() == [
        "NADIE RESPONDIÓ. ROJO: inundación en Arroyo del Gato",
        "Suceso 12.",
        "Sin respuesta desde las 12:00.",
        "Abrilo y reconocelo: https://vigia.example/suceso/12",
        "Aviso 77.",
    ]
    assert message.short == (
        "NADIE RESPONDIO. ROJO: inundacion en Arroyo del Gato. Suceso 12. Respondé RECONOCER 4821"
        " https://vigia.example/suceso/12"
    )


def test_a_message_is_in_the_language_of_the_person() -> None:
    assert written("en").title == "NOBODY ANSWERED. ROJO (red): flood in Arroyo del Gato"
    assert MESSAGE_WORDS["es"].keys() == MESSAGE_WORDS["en"].keys()


@pytest.mark.parametrize(("exercise", "mark"), [("drill", "SIMULACRO"), ("training", "CAPACITACIÓN")])
@pytest.mark.parametrize("language", ["es", "en"])
def test_an_exercise_is_named_before_all_else(exercise: str, mark: str, language: str) -> None:
    message = written(language, exercise=exercise)
    plain = mark.replace("Ó", "O")
    assert mark in message.title.split(":")[0]
    assert plain in message.short[:30]
    assert message.short.startswith(plain if language == "es" else ("DRILL", "TRAINING"))


def test_a_simulated_city_says_so_before_all_else() -> None:
    setting = Setting("es", ZONE, None, Simulation(60.0, devices=True))
    message = write_message(FLOOD, 77, setting)
    assert message.title.startswith("SIMULACIÓN, 60 veces más rápida · ")
    assert message.short.startswith("SIMULACION NADIE")
    assert message.data["simulation"]


def test_nothing_but_the_known_fields_is_written() -> None:
    secret = {"note": "Casa de Ana Pérez, calle 7", "by": "Ana Pérez", "plate": "AB123CD", "position": [-34.9, -57.9]}
    message = write_message({**FLOOD, **secret}, 77, Setting("es", ZONE))
    for said in (message.title, message.text, message.short, str(message.data)):
        assert "Ana" not in said
        assert "AB123CD" not in said
        assert "57.9" not in said


def test_a_test_says_where_to_enter_its_code() -> None:
    message = write_message({"purpose": "test", "code": "034512"}, 5, Setting("es", ZONE, "https://vigia.example"))
    assert message.short == "Prueba de Vigia. Tu codigo es 034512. Escribilo en https://vigia.example/mis-canales"


def test_an_answer_says_what_came_of_a_text_message() -> None:
    message = write_message({"purpose": "answer", "text": "Suceso 12 reconocido."}, 5, Setting("es", ZONE))
    assert message.short == message.text == "Suceso 12 reconocido."


@given(
    purpose=st.sampled_from(ABOUT_AN_INCIDENT),
    place=st.text(max_size=90),
    hazard=st.sampled_from(["flood", "speed", "equipment", "system", "fallen_tree"]),
    incident=st.integers(1, 10**9),
    exercise=st.sampled_from([None, "drill", "training"]),
    setting=st.builds(
        Setting,
        st.sampled_from(["es", "en"]),
        st.just(ZONE),
        st.sampled_from([None, "https://vigia.example", "https://defensa-civil.municipalidad-de-la-plata.example"]),
        st.sampled_from([None, Simulation(60.0, devices=True)]),
    ),
)
def test_each_text_message_fits_and_keeps_its_mark_and_code(
    purpose: Purpose, place: str, hazard: str, incident: int, exercise: str | None, setting: Setting
) -> None:
    body = {**FLOOD, "purpose": purpose, "place": place, "hazard": hazard, "incident_id": incident}
    message = write_message(body, 77, setting, exercise=exercise, code="4821")
    assert septet_count(message.short) <= MOST_SEPTETS
    assert "RECONOCER 4821" in message.short
    assert str(incident) in message.short
    if exercise:
        assert ("SIMULACRO" if exercise == "drill" else "CAPACITACION") in message.short
