"""Messages between Vigía and sirens and signs, and what an answer makes of an order. Pure; the wire is docs/wire.md."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

PREFIX = "vigia/actuators/v1"
STATES = f"{PREFIX}/+/+/+/state"
"""What Vigía reads. Each device may write its own only: the broker's rules keep it so."""
MAX_PAYLOAD_BYTES = 2_000
MAX_DETAIL_CHARS = 200
_TOPIC = re.compile(rf"{PREFIX}/([a-z0-9-]{{1,64}})/(siren|sign)/([a-z0-9-]{{1,64}})/state")


class State(StrEnum):
    """Where an order stands."""

    ORDERED = "ordered"
    """Sent again and again until the device answers or the order ends."""
    ACCEPTED = "accepted"
    SOUNDING = "sounding"
    """The siren sounds, or the sign shows its text."""
    DONE = "done"
    REFUSED = "refused"
    NO_ANSWER = "no_answer"
    """The order ended, and the device did not say that it is done."""


OVER = frozenset({State.DONE, State.REFUSED, State.NO_ANSWER})
_PLACES = {State.ORDERED: 0, State.ACCEPTED: 1, State.SOUNDING: 2}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device says of an order, or of a self-test."""

    device: str
    order: int | None = None
    test: int | None = None
    state: State | None = None
    passed: bool | None = None
    detail: str = ""


def command_topic(municipality: str, kind: str, device: str) -> str:
    """The topic on which a device gets its orders."""
    return f"{PREFIX}/{municipality}/{kind}/{device}/command"


def order_payload(order: int, shows: str, ends_at: datetime) -> bytes:
    """An order. A device that gets it after `ends_at` must not follow it."""
    return json.dumps({"order": order, "shows": shows, "ends_at": ends_at.isoformat()}, ensure_ascii=False).encode()


def test_payload(test: int, ends_at: datetime) -> bytes:
    """A silent self-test: the device checks itself and makes no sound."""
    return json.dumps({"test": test, "silent": True, "ends_at": ends_at.isoformat()}).encode()


def read_answer(topic: str, payload: bytes) -> Answer | None:
    """The answer of a device; None for what is none."""
    match = _TOPIC.fullmatch(topic)
    if match is None or len(payload) > MAX_PAYLOAD_BYTES:
        return None
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    detail = "".join(one for one in str(said.get("detail", "")) if one.isprintable())[:MAX_DETAIL_CHARS]
    order, test, state, passed = (said.get(name) for name in ("order", "test", "state", "passed"))
    if type(order) is int and 0 < order < 2**63 and state in {one.value for one in State} - {State.ORDERED}:
        return Answer(match[3], order=order, state=State(state), detail=detail)
    if type(test) is int and 0 < test < 2**63 and type(passed) is bool:
        return Answer(match[3], test=test, passed=passed, detail=detail)
    return None


def next_state(before: State, said: State) -> State:
    """The state of an order after an answer. An order that is over stays so, and none goes back."""
    if before in OVER:
        return before
    if said in OVER:
        return said
    return max(before, said, key=_PLACES.__getitem__)
