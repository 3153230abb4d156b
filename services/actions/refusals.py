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


class AlertNotAcknowledged(HttpProblem):
    """Nadie tiene reconocida esta alerta. / Nobody holds an acknowledgement of this alert."""

    status = 409


class NothingToConfirm(HttpProblem):
    """No hay ninguna baja propuesta como la que viste. / No lower level is proposed as you saw it."""

    status = 409


class MayNotBeShelved(HttpProblem):
    """Un rojo de nivel o lluvia no se aparta. / A red alert of level or rain is not shelved: answer it."""

    status = 409


class AlertAlreadyShelved(HttpProblem):
    """Esta alerta ya está apartada. / This alert is shelved already."""

    status = 409


class AlertNotShelved(HttpProblem):
    """Esta alerta no está apartada. / This alert is not shelved."""

    status = 409


class ReasonMissing(HttpProblem):
    """Escribí el motivo. / Write the reason."""


class IncidentClosed(HttpProblem):
    """Este suceso ya se cerró. / This incident was closed earlier."""

    status = 409


class JustEscalated(HttpProblem):
    """Este suceso se acaba de escalar. / This incident was escalated moments ago."""

    status = 409


class NoSuchIncident(NotFound):
    """No hay un suceso con ese número. / There is no incident of that number."""


class IncidentChanged(HttpProblem):
    """El suceso cambió desde que lo viste: miralo de nuevo. / The incident changed since you saw it: look again."""

    status = 409


class IncidentAlreadyAcknowledged(IncidentChanged):
    """Todo este suceso ya está reconocido. / All of this incident is acknowledged already."""


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
