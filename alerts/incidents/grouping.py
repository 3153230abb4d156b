"""The incident that an alert belongs to, and whether an incident still accepts alerts. Pure functions."""

from datetime import datetime, timedelta

from alerts.rulebook import Station
from models.alert import NAR
from models.incident import Hazard, IncidentKey, Membership
from models.kinds.radar import RADAR

QUIET_AFTER = timedelta(hours=6)
"""An incident of which no alert has changed for so long, and none fires, accepts no new alert: the next one begins.

Six hours is the usual least dry time between two storms of one rain record (inter-event time definition).
"""
SYSTEM = "system"
"""The subject and the kind of the alerts about Vigía itself, and the first part of their rules' ids."""
OUTAGE = "outage"
"""The judgement that so many sensors of a class are silent that their network is the likely cause."""
_SILENCE = "silence"
_SPEED = frozenset({"extreme_speed", "speed_trend"})
_FLOOD = {"stage": Membership.STREAM, "rainfall": Membership.RAIN}


def membership(station: Station, judgement: str, nar: NAR) -> tuple[IncidentKey, Membership]:
    """The incident of an alert of this rule on this station, and why it belongs there.

    judgement: the name of the sort of rule, or of a check of Vigía itself. nar: the colour that is raised.
    """
    if station.kind == SYSTEM:
        return IncidentKey(Hazard.SYSTEM, SYSTEM), Membership.ITSELF
    municipality = f"municipality:{station.municipality}"
    flood_area = f"basin:{station.basin}" if station.basin else municipality
    if judgement in _FLOOD:
        return IncidentKey(Hazard.FLOOD, flood_area), _FLOOD[judgement]
    if judgement == _SILENCE and nar >= NAR.ROJO:  # a gauge is silent at rojo only where its stream holds a colour
        return IncidentKey(Hazard.FLOOD, flood_area), Membership.LOST_GAUGE
    if judgement in _SPEED:
        return IncidentKey(Hazard.SPEED, municipality, RADAR.name), Membership.SAME_STREET
    why = Membership.SAME_NETWORK if judgement == OUTAGE else Membership.SAME_EQUIPMENT
    return IncidentKey(Hazard.EQUIPMENT, municipality, station.kind), why


def accepts(*, firing: bool, changed_at: datetime, now: datetime) -> bool:
    """Whether an incident takes a new alert in: one of its alerts fires, or changed within QUIET_AFTER."""
    return firing or now - changed_at < QUIET_AFTER
