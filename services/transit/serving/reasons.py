"""Texts for the basis of an arrival: one sentence in Spanish and in English."""

from typing import assert_never

from services.transit.model.prediction import Basis
from services.transit.model.service_alert import Translated

NOT_COMING = {
    "cancelled": Translated("Cancelado: no pasa", "Cancelled: it does not come"),
    "off_route": Translated(
        "Salió de su recorrido: probablemente no pase", "It left its route: it probably does not come"
    ),
    "no_vehicle": Translated(
        "Ningún micro lo hace: probablemente no pase", "No bus makes it: it probably does not come"
    ),
}


def basis_text(basis: Basis, reason: str = "", buses: int = 0, headway_s: int | None = None) -> Translated:
    """The text for a basis. `reason` and `buses` as in `TripPrediction`; `headway_s` as in `Arrival`."""
    match basis:
        case Basis.LIVE:
            return Translated("En vivo: este micro informa dónde está", "Live: this bus says where it is")
        case Basis.RECENT if buses == 1:
            return Translated("En vivo, según el último micro que pasó", "Live, from the last bus that passed")
        case Basis.RECENT:
            return Translated(f"En vivo, según los últimos {buses} micros", f"Live, from the last {buses} buses")
        case Basis.SCHEDULE if headway_s is not None:
            minutes = max(1, round(headway_s / 60))
            return Translated(f"Según el horario, cada {minutes} min", f"By the timetable, every {minutes} min")
        case Basis.SCHEDULE:
            return Translated("Según el horario: todavía sin micro", "By the timetable: no bus yet")
        case Basis.NOT_REPORTING:
            return Translated("El micro dejó de informar dónde está", "The bus stopped saying where it is")
        case Basis.NOT_COMING:
            return NOT_COMING.get(reason, Translated("Probablemente no pase", "It probably does not come"))
        case _:
            assert_never(basis)
