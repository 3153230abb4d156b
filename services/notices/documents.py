"""The body of a notice as a webhook receives it: what the transition stored, and where to read the alert."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from models.alert import Cause, Change
from models.incident import EXERCISE_WORDS, Exercise
from models.reading import evidence_in_words
from services.runtime.simulation import Simulation

EARLIER = 0
"""Sequence of a notice that a version of Vigía without sequences queued."""


class AlertNotice(BaseModel):
    """A change of an alert, posted as JSON. Attention levels: 0 verde, 1 amarillo, 2 naranja, 3 rojo.

    Notices may come twice, and out of order after a failure: keep the highest `sequence` of each `alert_id`, and ignore
    a notice whose sequence is not above it.
    """

    alert_id: int = Field(examples=[7])
    incident_id: int | None = Field(
        default=None,
        description="The incident of the alert; null where an earlier version queued the notice",
        examples=[4],
    )
    sequence: int = Field(
        description="Grows with each change of this alert, with gaps; 0 where an earlier version queued the notice",
        examples=[3],
    )
    alert_url: str | None = Field(
        description="The alert's page; null where the API's port is chosen at its start",
        examples=["https://vigia.example/alerta/7"],
    )
    api_url: str | None = Field(description="The alert as JSON", examples=["https://vigia.example/api/v1/alerts/7"])
    simulation: str | None = Field(
        description="What is not real in this city, in both languages; null in a real one. The name says so too",
        examples=["SIMULACIÓN, 60 veces más rápida / SIMULATION, 60 times as fast"],
    )
    station: str = Field(description="The station, or what else the alert is about", examples=["gato-143-524"])
    name: str = Field(examples=["Arroyo del Gato, 143 y 524"])
    judgement: str = Field(description="What the rule judges", examples=["stage"])
    before: Annotated[int, Field(ge=0, le=3, examples=[1])]
    after: Annotated[int, Field(ge=0, le=3, examples=[2])]
    nar: Annotated[int, Field(ge=0, le=3)] | None = Field(
        default=None,
        description="The level that the alert shows after it: above `after` while a person has yet to confirm the lower"
        " one, or while it is flapping; null where an earlier version queued the notice",
        examples=[2],
    )
    change: str = Field(json_schema_extra={"enum": list(Change)}, examples=["escalated"])
    cause: str = Field(json_schema_extra={"enum": list(Cause)}, examples=["level"])
    confirmed: bool
    observed_at: datetime = Field(description="When the reading that decided was measured")
    decided_at: datetime | None = Field(
        default=None, description="When the rule decided; null where an earlier version queued the notice"
    )
    evidence: dict[str, Any] = Field(
        description="What decided; its fields depend on `judgement`", examples=[{"level_m": 1.7, "threshold_m": 1.6}]
    )


def marked_body(body: Mapping[str, Any], simulation: Simulation | None) -> dict[str, Any]:
    """The body of a notice with the marks of a simulated city and of an exercise, before the name of the place too."""
    body = {**body, "evidence": evidence_in_words(body.get("evidence", {})), "simulation": None}
    if simulation is not None:
        body |= {"simulation": simulation.text, "name": simulation.marked_name(body["name"])}
    return body if body.get("exercise") is None else body | {"name": exercise_name(body["exercise"], body["name"])}


def exercise_name(exercise: str, name: str) -> str:
    """The name of a place as a message of an exercise says it: what it is comes first, in both languages."""
    words = EXERCISE_WORDS[Exercise(exercise)]
    return f"{words['es']} / {words['en']}: {name}"


def notice_document(body: Mapping[str, Any], address: str | None) -> dict[str, Any]:
    """The body to post. `body`: as stored; `address`: where people reach Vigía, without a slash at the end."""
    number = body["alert_id"]
    return {
        "sequence": EARLIER,
        **body,
        "alert_url": None if address is None else f"{address}/alerta/{number}",
        "api_url": None if address is None else f"{address}/api/v1/alerts/{number}",
    }
