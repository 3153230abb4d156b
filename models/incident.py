"""Incidents: the alerts of one hazard, one area and one time, which people answer together."""

from dataclasses import dataclass
from enum import StrEnum


class Hazard(StrEnum):
    """What threatens, or what fails. Alerts of different hazards are never in one incident."""

    FLOOD = "flood"
    """Streams and the rain above them."""
    SPEED = "speed"
    """Vehicles on an avenue."""
    EQUIPMENT = "equipment"
    """Sensors of one kind that are silent, faulty or send too much."""
    SYSTEM = "system"
    """Vigía itself."""


class Membership(StrEnum):
    """Why an alert belongs to its incident."""

    STREAM = "stream"
    """A stream of the incident's basin holds a colour."""
    RAIN = "rain"
    """It rains on the incident's basin."""
    LOST_GAUGE = "lost_gauge"
    """A stream's gauge fell silent while its stream held a colour: the flood may have taken it."""
    SAME_STREET = "same_street"
    """A radar of the same municipality."""
    SAME_NETWORK = "same_network"
    """So many sensors of one kind in one municipality are silent that their network is the likely cause."""
    SAME_EQUIPMENT = "same_equipment"
    """A sensor of the same kind in the same municipality."""
    ITSELF = "itself"
    """A part of Vigía."""


class Exercise(StrEnum):
    """What an incident is part of, where it is no real event."""

    DRILL = "drill"
    """A drill (simulacro): people act as in an emergency."""
    TRAINING = "training"
    """Training (capacitación): people learn to use Vigía."""


EXERCISE_WORDS = {
    Exercise.DRILL: {"es": "SIMULACRO", "en": "DRILL"},
    Exercise.TRAINING: {"es": "CAPACITACIÓN", "en": "TRAINING"},
}
"""The first words of each message of an exercise, by language."""
EXERCISE_RULE = "exercise/"
"""The first part of the id of every rule that raises an exercise's alerts. Such an id belongs to no real rule."""


@dataclass(frozen=True, slots=True)
class IncidentKey:
    """What an open incident is found by. `area`: basin:ID, municipality:ID or `system`.

    `kind`: the kind of sensor where the incident is about equipment, else empty. Each kind is written by one process,
    so that two processes do not wait for one incident. `exercise`: None for a real event; it never shares an
    incident with an exercise.
    """

    hazard: Hazard
    area: str
    kind: str = ""
    exercise: Exercise | None = None
