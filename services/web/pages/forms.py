"""What the forms of alerts and incidents send, checked, and where each leads back to."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Form, Path, Response
from fastapi.responses import RedirectResponse
from pydantic import StringConstraints

from models.tables.erasures import MAX_REASON_CHARS
from services.actions import MAX_NOTE_CHARS
from services.web.access import Operator
from services.web.context import Now, Transaction

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL cannot store NUL in a text."""

AlertId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Note = Annotated[str, Form(max_length=MAX_NOTE_CHARS, pattern=NO_NUL)]
ActionId = Annotated[int, Form(ge=1, le=2**63 - 1)]
Reason = Annotated[str, Form(max_length=MAX_REASON_CHARS, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
SeenAlert = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,17}:[0-3]$")]
"""The number of an alert and the colour that it held, as the form shows them: `7:2`."""
Version = Annotated[int, Form(ge=0, le=2**31 - 1)]


@dataclass(frozen=True, slots=True)
class AlertForm:
    """A form by which an operator acts on an alert."""

    operator: Operator
    transaction: Transaction
    now: Now
    alert_id: AlertId
    note: Note = ""
    back: Annotated[str, Form()] = ""
    next: Annotated[int | None, Form(ge=1, le=2**63 - 1)] = None
    """The alert that the list shows after this one."""

    @property
    def note_text(self) -> str:
        """The note without surrounding blanks."""
        return self.note.strip()

    def redirect_back(self) -> Response:
        """Redirect to the next alert of the list, or to the alert's page. Never to an address from the form."""
        if self.back == "lista":
            return redirect("/#sucesos" if self.next is None else f"/#alerta-{self.next}")
        return redirect(f"/alerta/{self.alert_id}")


@dataclass(frozen=True, slots=True)
class IncidentForm:
    """A form by which an operator acts on an incident."""

    operator: Operator
    transaction: Transaction
    now: Now
    incident_id: AlertId
    note: Note = ""
    back: Annotated[str, Form(pattern=r"^[a-z]{0,20}$|^alerta:[1-9]\d{0,17}$")] = ""

    @property
    def note_text(self) -> str:
        """The note without surrounding blanks."""
        return self.note.strip()

    def redirect_back(self) -> Response:
        """Redirect to the list, the alert or the incident from which it was sent."""
        if self.back == "lista":
            return redirect("/#sucesos")
        page, _, alert = self.back.partition(":")
        return redirect(f"/alerta/{alert}" if page == "alerta" else f"/suceso/{self.incident_id}")


SentIncidentForm = Annotated[IncidentForm, Depends()]
SentAlertForm = Annotated[AlertForm, Depends()]


def redirect(address: str) -> Response:
    """Lead to another page after a form was sent."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)
