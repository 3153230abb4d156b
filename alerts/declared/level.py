"""A level declared for an area, the level proposed for it, and their difference. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from models.alert import NAR

MUNICIPALITY, BASIN, BARRIO = "municipality", "basin", "barrio"
AREAS = (MUNICIPALITY, BASIN, BARRIO)
"""The nouns of areas for which a level is declared, the widest first."""
WARN_BEFORE = timedelta(minutes=30)
"""How long before a declared level ends its end is announced, so that a person can extend it."""
WARN_SHARE = 4
"""A declaration shorter than this many times WARN_BEFORE is announced in its last part of as many."""


class Act(StrEnum):
    """What a person, or the end of the time, did about the level declared for an area."""

    DECLARED = "declared"
    EXTENDED = "extended"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Difference(StrEnum):
    """How the proposed level of an area differs from the declared one."""

    NONE = "none"
    GRAVER = "graver"
    """The proposal is graver than what is declared."""
    MILDER = "milder"
    """The proposal is milder than what is declared."""
    UNDECLARED = "undeclared"
    """A level is proposed and none is declared."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared level in force. `since`: when this level was first declared; `at`: when it was last extended.

    `by` and `reason`: None for the public.
    """

    id: int
    area: str
    nar: NAR
    since: datetime
    at: datetime
    until: datetime
    by: str | None = None
    reason: str | None = None


def difference(proposed: NAR | None, declared: NAR | None) -> Difference:
    """How the proposal differs. `proposed`: None where no level was ever proposed for the area."""
    level = proposed or NAR.VERDE
    if declared is None:
        return Difference.UNDECLARED if level else Difference.NONE
    if level == declared:
        return Difference.NONE
    return Difference.GRAVER if level > declared else Difference.MILDER


def declared_below(area: str, proposed: NAR, declared: Mapping[str, NAR]) -> list[str]:
    """The areas that a new proposal of an area leaves behind: what is declared there is milder, or nothing is.

    `declared`: the levels in force of the area, of its municipality and of its barrios. An area without a level of its
    own has that of its municipality; a barrio without one has that of its basin, and is not told of.
    """
    of_municipality = next((nar for one, nar in declared.items() if one.startswith(f"{MUNICIPALITY}:")), None)
    held = declared.get(area, of_municipality)
    found = [area] if held is None or held < proposed else []
    return found + [one for one, nar in declared.items() if one.startswith(f"{BARRIO}:") and nar < proposed]


def warn_at(declared_at: datetime, until: datetime) -> datetime:
    """When the coming end of a declaration is announced."""
    return until - min(WARN_BEFORE, (until - declared_at) / WARN_SHARE)
