"""Limits of an alert's life: how long an acknowledgement and a shelf last, and when an alert flaps. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from models.alert import NAR

ACKNOWLEDGEMENT_MIN: Final[Mapping[NAR, int]] = {NAR.AMARILLO: 240, NAR.NARANJA: 60, NAR.ROJO: 30}
"""Minutes after which an acknowledged alert that still fires asks again, where the seed says nothing else."""
ACKNOWLEDGEMENT_KEY: Final = "acknowledgement_min"
"""Where the configured city holds its own minutes by the colour's name."""
MAX_ACKNOWLEDGEMENT_MIN = 1_440
MAX_SHELF = timedelta(hours=24)
"""A shelf ends with the next day's watch at the latest: what must be silent for longer is out of service."""
FLAPPING_CHANGES = 6
"""More changes of colour than this within FLAPPING_WINDOW are flapping. A storm that comes and goes once makes six."""
FLAPPING_WINDOW = timedelta(hours=1)
CALM_AFTER = timedelta(minutes=30)
"""Without a change for so long, an alert flaps no more: more than six an hour are less than ten minutes apart."""
_LIFE_SAFETY = frozenset({"stage", "rainfall"})
_LOST_GAUGE = "silence"


def acknowledged_until(acknowledged_at: datetime, nar: NAR, minutes: Mapping[NAR, int]) -> datetime | None:
    """When an acknowledgement of this colour expires; None of verde, which asks for nothing."""
    return None if nar == NAR.VERDE else acknowledged_at + timedelta(minutes=minutes[nar])


def acknowledgement_minutes(configured: Mapping[str, int]) -> dict[NAR, int]:
    """Minutes by colour. `configured`: those of the city, by the colour's name."""
    return {nar: configured.get(nar.name.lower(), minutes) for nar, minutes in ACKNOWLEDGEMENT_MIN.items()}


def holds_for_a_person(judgement: str, nar: NAR, *, confirmed: bool) -> bool:
    """Whether this colour shows until a person confirms that it goes down.

    Naranja and rojo of streams and rain do. A colour of a stream that nothing ever confirmed does not: a single value,
    such as a spike that the next reading refuted, eases with its rule.
    """
    return judgement in _LIFE_SAFETY and nar >= NAR.NARANJA and (confirmed or judgement == "rainfall")


def may_be_shelved(judgement: str, nar: NAR) -> bool:
    """Whether an alert of this colour may be put aside. Rojo of a stream, of rain or of a lost gauge never."""
    return nar < NAR.ROJO or judgement not in _LIFE_SAFETY | {_LOST_GAUGE}


def flaps(changes: int) -> bool:
    """Whether so many changes of colour within FLAPPING_WINDOW are flapping."""
    return changes > FLAPPING_CHANGES
