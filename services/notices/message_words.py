"""What messages to people say, in Argentine Spanish and English. Short: a text message holds 160 characters.

The texts are here and not in the dictionaries of the pages, because each is chosen for its length.
"""

from collections.abc import Mapping

MESSAGE_WORDS: Mapping[str, Mapping[str, str]] = {
    "es": {
        "raised": "{colour}: {hazard} en {place}",
        "graver": "SUBE a {colour}: {hazard} en {place}",
        "eased": "Baja a {colour}: {hazard} en {place}",
        "escalation": "NADIE RESPONDIÓ. {colour}: {hazard} en {place}",
        "all_answer": "FALTA TU RESPUESTA. {colour}: {hazard} en {place}",
        "over": "Terminó: {hazard} en {place}",
        "test": "Prueba de Vigía. Tu código es {code}",
        "incident": "Suceso {number}.",
        "notice": "Aviso {number}.",
        "reply": "Respondé RECONOCER {code}",
        "unanswered": "Sin respuesta desde las {at}.",
        "open": "Abrilo y reconocelo: {url}",
        "test_open": "Escribilo en {url}",
        "drill": "SIMULACRO",
        "training": "CAPACITACIÓN",
        "flood": "inundación",
        "speed": "velocidad",
        "equipment": "equipos",
        "system": "Vigía misma",
        "0": "VERDE",
        "1": "AMARILLO",
        "2": "NARANJA",
        "3": "ROJO",
    },
    "en": {
        "raised": "{colour}: {hazard} in {place}",
        "graver": "RISES to {colour}: {hazard} in {place}",
        "eased": "Down to {colour}: {hazard} in {place}",
        "escalation": "NOBODY ANSWERED. {colour}: {hazard} in {place}",
        "all_answer": "YOUR ANSWER IS MISSING. {colour}: {hazard} in {place}",
        "over": "Over: {hazard} in {place}",
        "test": "Test of Vigia. Your code is {code}",
        "incident": "Incident {number}.",
        "notice": "Notice {number}.",
        "reply": "Reply RECONOCER {code}",
        "unanswered": "Unanswered since {at}.",
        "open": "Open and acknowledge it: {url}",
        "test_open": "Enter it at {url}",
        "drill": "DRILL (SIMULACRO)",
        "training": "TRAINING (CAPACITACIÓN)",
        "flood": "flood",
        "speed": "speed",
        "equipment": "equipment",
        "system": "Vigía itself",
        "0": "VERDE (green)",
        "1": "AMARILLO (yellow)",
        "2": "NARANJA (orange)",
        "3": "ROJO (red)",
    },
}
"""By language and key. What a person wrote or where somebody lives never stands in a message."""
