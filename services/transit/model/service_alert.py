"""Service alerts for riders, in the terms of GTFS-realtime."""

from enum import StrEnum

from msgspec import Struct


class Cause(StrEnum):
    """Causes of GTFS-realtime, in lower case."""

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
    """Effects on the service, of GTFS-realtime, in lower case."""

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
    """One text in both languages; `en` may be empty."""

    es: str
    en: str = ""


class InformedEntity(Struct, frozen=True, omit_defaults=True):
    """Which part of the service it concerns: all fields that are set must fit at once. `direction_id` needs a route."""

    agency_id: str = ""
    route_id: str = ""
    stop_id: str = ""
    direction_id: int | None = None


class ActivePeriod(Struct, frozen=True, omit_defaults=True):
    """A period, Unix seconds: from `start` up to, not including, `end`; open where None."""

    start: float | None = None
    end: float | None = None

    def contains(self, at: float) -> bool:
        """Whether an instant lies in the period."""
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)


class ServiceAlert(Struct, frozen=True):
    """A published service alert. Without periods it is active while published. `changed_at`: Unix seconds."""

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
        """Whether it is active at an instant."""
        return not self.periods or any(period.contains(at) for period in self.periods)
