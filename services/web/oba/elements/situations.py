"""Service alerts as OneBusAway situations. Windows are in seconds, as servers send and apps read them."""

from services.transit.model.service_alert import ActivePeriod, Effect, InformedEntity, ServiceAlert
from services.web.oba.elements import schema as oba
from services.web.oba.elements.index import Index

LANGUAGE = "es"
SEVERITY = {
    Effect.NO_SERVICE: "severe",
    Effect.SIGNIFICANT_DELAYS: "severe",
    Effect.NO_EFFECT: "noImpact",
    Effect.ADDITIONAL_SERVICE: "noImpact",
    Effect.UNKNOWN_EFFECT: "unknown",
}
"""Any other effect is "normal"."""


def situation_element(index: Index, alert: ServiceAlert) -> oba.Situation:
    """A service alert in Spanish: the contract has room for one language."""
    windows = [_window(period) for period in alert.periods]
    no_path = oba.Path(length=0, levels="", points="")
    conditions = oba.Conditions(diversion_path=no_path, diversion_stop_ids=[])
    return oba.Situation(
        id=index.situation_id(alert.id),
        creation_time=round(alert.changed_at * 1000),
        reason=alert.cause.value.upper(),
        severity=SEVERITY.get(alert.effect, "normal"),
        summary=oba.Words(lang=LANGUAGE, value=alert.header.es),
        description=oba.Words(lang=LANGUAGE, value=alert.description.es),
        url=oba.Words(lang=LANGUAGE, value=alert.url),
        active_windows=windows,
        publication_windows=windows,
        all_affects=[_affected(index, one) for one in alert.informed],
        consequences=[oba.Consequence(condition=alert.effect.value, condition_details=conditions)],
        consequence_message="",
    )


def _window(period: ActivePeriod) -> oba.Window:
    return oba.Window(start=int(period.start or 0), to=int(period.end or 0))


def _affected(index: Index, one: InformedEntity) -> oba.Affected:
    network = index.network
    return oba.Affected(
        agency_id=index.agency_id(one.agency_id) if one.agency_id else "",
        application_id="",
        direction_id="" if one.direction_id is None else str(one.direction_id),
        route_id=index.route_id(one.route_id) if one.route_id in network.routes else one.route_id,
        stop_id=index.stop_id(one.stop_id) if one.stop_id in network.stops else one.stop_id,
        trip_id="",
    )
