"""What one line says of an incident: its worst colour, what drives it, and how long its oldest alert waits. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from alerts.current_level.level import CurrentLevel, danger
from models.alert import NAR


class Member(Protocol):
    """An open alert of an incident. `station_id`: None where its subject is no station."""

    @property
    def id(self) -> int: ...
    @property
    def station_id(self) -> str | None: ...
    @property
    def state(self) -> str: ...
    @property
    def nar(self) -> int: ...
    @property
    def rule_nar(self) -> int: ...
    @property
    def opened_at(self) -> datetime: ...
    @property
    def acknowledged_at(self) -> datetime | None: ...
    @property
    def waiting_since(self) -> datetime | None: ...
    @property
    def shelved_until(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Summary:
    """An incident in one line. `driver`: the open alert that is the most dangerous now; None without one.

    `nar`: the worst colour shown now; `rule_nar`: the worst that a rule holds now; `proposed`: for how many alerts the
    lower one is proposed. `rising`, `falling`: how many of its streams do. `unanswered`: how many alerts ask to be
    acknowledged; `unanswered_since`: the oldest of them. `shelved`: how many are put aside, and do not ask.
    """

    nar: NAR
    rule_nar: NAR
    proposed: int
    driver: int | None
    stations: int
    rising: int
    falling: int
    unanswered: int
    unanswered_since: datetime | None
    shelved: int


def asks(alert: Member) -> bool:
    """Whether an open alert asks to be acknowledged: nobody did, and it is not put aside."""
    return alert.acknowledged_at is None and alert.shelved_until is None


def summarise(members: Sequence[Member], levels: Mapping[str, CurrentLevel]) -> Summary:
    """The summary of an incident's open alerts. `levels`: the current levels of streams, by station."""
    driver = min(members, key=lambda one: (danger_of(one, levels), one.id), default=None)
    waiting = [one.waiting_since or one.opened_at for one in members if asks(one)]
    stations = {one.station_id for one in members if one.station_id is not None}
    streams = [levels[station] for station in stations if station in levels]
    return Summary(
        nar=NAR(max((one.nar for one in members), default=0)),
        rule_nar=NAR(max((one.rule_nar for one in members), default=0)),
        proposed=sum(one.nar > one.rule_nar for one in members),
        driver=None if driver is None else driver.id,
        stations=len(stations),
        rising=sum(level.rising for level in streams),
        falling=sum(level.falling for level in streams),
        unanswered=len(waiting),
        unanswered_since=min(waiting, default=None),
        shelved=sum(one.shelved_until is not None for one in members),
    )


def danger_of(member: Member, levels: Mapping[str, CurrentLevel]) -> tuple[object, ...]:
    """Sort key of an alert, the most dangerous now first; those that no rule holds any more last."""
    level = None if member.station_id is None else levels.get(member.station_id)
    return (member.state == "cleared", *danger(NAR(member.nar), level))
