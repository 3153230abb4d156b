"""What a person is told when an action on an alert or an incident is refused."""

from services.runtime.problem import HttpProblem, NotFound


class NoSuchAlert(NotFound):
    """No hay una alerta con ese número. / There is no alert of that number."""


class AlertAlreadyClosed(HttpProblem):
    """Esta alerta ya se cerró; si hay otra, está en la lista. / This alert was closed earlier."""

    status = 409


class AlertAlreadyAcknowledged(HttpProblem):
    """Otra persona ya tomó esta alerta. / This alert was acknowledged earlier."""

    status = 409


class AlertChanged(HttpProblem):
    """La alerta cambió desde que la viste: mirala de nuevo. / The alert changed since you saw it: look again."""

    status = 409


class NoSuchIncident(NotFound):
    """No hay un suceso con ese número. / There is no incident of that number."""


class IncidentChanged(HttpProblem):
    """El suceso cambió desde que lo viste: miralo de nuevo. / The incident changed since you saw it: look again."""

    status = 409


class UnwritableNote(HttpProblem):
    """La nota tiene caracteres que no se pueden guardar. / The note holds characters that cannot be kept."""


class NoSuchNote(NotFound):
    """No hay una nota con ese número. / There is no note of that number."""


class NoteAlreadyRedacted(HttpProblem):
    """Esa nota ya se quitó. / This note was redacted earlier."""

    status = 409


class AlertStillHeld(HttpProblem):
    """La regla todavía mantiene esta alerta; se cierra cuando ceda. / Its rule still holds this alert."""

    status = 409
