"""Choose the channel by which a person is told next, and when. Pure.

Channels are tried in the person's order, each MAX_IN_ROW times, then all again: there is no end. The console and web
push are additions: each notice is shown there too, and the console alone counts where the person has nothing else.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from models.alert import CONSOLE, WEB_PUSH
from services.notices.outcomes import Outcome, Refused, Sent, retry_wait_s

MAX_IN_ROW = 2
"""Attempts on one channel that fail before the next channel is tried."""
ADDITIONS = frozenset({CONSOLE, WEB_PUSH})
"""Channels that are used beside the others, since nobody may be looking at them."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A channel of a person, in the person's order."""

    id: int
    channel: str


@dataclass(frozen=True, slots=True)
class Plan:
    """By which channel to tell a person now, and which to use beside it. `main`: None without a channel that counts."""

    main: int | None
    additions: tuple[int, ...]


def plan(channels: Sequence[Candidate], failures: Mapping[int, int], tried: Collection[int]) -> Plan:
    """The next attempt of a notice. `failures`: by channel, of this notice; `tried`: the channels used for it."""
    counting = counting_channels(channels)
    main = min(counting, key=lambda one: (failures.get(one, 0) // MAX_IN_ROW, counting.index(one)), default=None)
    beside = (one.id for one in channels if one.channel in ADDITIONS and one.id != main and one.id not in tried)
    return Plan(main, tuple(beside))


def failures_of(outcome: Outcome) -> int:
    """How much an outcome speaks against its channel: one that refuses is not asked twice in a row."""
    match outcome:
        case Sent():
            return 0
        case Refused():
            return MAX_IN_ROW
        case _:
            return 1


def counting_channels(channels: Sequence[Candidate]) -> list[int]:
    """The channels whose success means that the person was told; web push never does."""
    reliable = [one.id for one in channels if one.channel not in ADDITIONS]
    return reliable or [one.id for one in channels if one.channel == CONSOLE]


def wait_s(channels: Sequence[Candidate], failures: Mapping[int, int]) -> float:
    """The wait before the next attempt, after one that failed: none before a channel that was not tried yet."""
    following = plan(channels, failures, ()).main
    failed = 0 if following is None else failures.get(following, 0)
    return 0.0 if following is not None and failed == 0 else retry_wait_s(max(failed, 1))
