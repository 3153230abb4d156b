"""What is out of the ordinary on the lines, as riders are told: a service alert in the terms of GTFS-realtime."""

from enum import StrEnum

from msgspec import Struct


class Cause(StrEnum):
    """Why: GTFS-realtime's causes, in lower case."""

    UNKNOWN_CAUSE = "unknown_cause"
    OTHER_CAUSE = "other_cause"
    TECHNICAL_PROBLEM = "technical_problem"
    STRIKE = "strike"
    DEMONSTRATION = "demonstration"
    ACCIDENT = "accident"
    HOLIDAY = "holiday"
    WEATHER = "weather"
    MAINTENANCE = "maintenance"
    CONSTRUCTION = "construction"
    POLICE_ACTIVITY = "police_activity"
    MEDICAL_EMERGENCY = "medical_emergency"


class Effect(StrEnum):
    """What it does to the service: GTFS-realtime's effects, in lower case."""

    NO_SERVICE = "no_service"
    REDUCED_SERVICE = "reduced_service"
    SIGNIFICANT_DELAYS = "significant_delays"
    DETOUR = "detour"
    ADDITIONAL_SERVICE = "additional_service"
    MODIFIED_SERVICE = "modified_service"
    OTHER_EFFECT = "other_effect"
    UNKNOWN_EFFECT = "unknown_effect"
    STOP_MOVED = "stop_moved"
    NO_EFFECT = "no_effect"
    ACCESSIBILITY_ISSUE = "accessibility_issue"


class Translated(Struct, frozen=True):
    """The same words for people in both languages."""

    es: str
    en: str = ""


class InformedEntity(Struct, frozen=True, omit_defaults=True):
    """Whom it concerns: all that is named must fit at once. `direction_id` needs a route."""

    agency_id: str = ""
    route_id: str = ""
    stop_id: str = ""
    direction_id: int | None = None


class ActivePeriod(Struct, frozen=True, omit_defaults=True):
    """A period, Unix seconds: from `start` up to but not at `end`; open where None."""

    start: float | None = None
    end: float | None = None

    def contains(self, at: float) -> bool:
        """Whether an instant lies in it."""
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)


class ServiceAlert(Struct, frozen=True):
    """A published service alert. Without periods it holds as long as it is published. `changed_at`: Unix seconds."""

    id: str
    cause: Cause
    effect: Effect
    header: Translated
    description: Translated
    informed: tuple[InformedEntity, ...]
    periods: tuple[ActivePeriod, ...] = ()
    url: str = ""
    changed_at: float = 0.0

    def is_active(self, at: float) -> bool:
        """Whether it holds at an instant."""
        return not self.periods or any(period.contains(at) for period in self.periods)
