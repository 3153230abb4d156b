"""Write the message of a notice to a person: title, text, a text message of 160 septets, and a link. Pure.

Only the fields named here are written, whatever else stands in a notice: messages pass through services abroad, and
must hold no name of a person, no plate and no address where somebody lives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any

from services.notices.message_words import MESSAGE_WORDS
from services.runtime.simulation import Simulation
from services.transit.rider.gsm7 import MOST_SEPTETS, to_gsm7

MAX_PLACE_CHARS = 60
CHANNELS_PAGE = "/mis-canales"


class Purpose(StrEnum):
    """What a message to a person is for."""

    RAISED = "raised"
    """An incident began."""
    GRAVER = "graver"
    EASED = "eased"
    ESCALATION = "escalation"
    """Nobody answered: the person is asked next."""
    ALL_ANSWER = "all_answer"
    """Somebody answered, but everybody must."""
    OVER = "over"
    TEST = "test"
    """A code that proves that the channel reaches the person."""
    ANSWER = "answer"
    """What came of the person's own text message."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message, ready for any channel. `short`: one text message; `tag`: a later message of it replaces this one."""

    title: str
    text: str
    short: str
    url: str | None
    nar: int
    tag: str
    purpose: Purpose
    data: Mapping[str, Any]
    """The same as fields, for machines."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and to whom a message goes. `address`: where people reach Vigía; None where it is not known."""

    language: str
    zone: tzinfo
    address: str | None = None
    simulation: Simulation | None = None


def write_message(
    body: Mapping[str, Any], notice: int, setting: Setting, *, exercise: str | None = None, code: str | None = None
) -> Message:
    """The message of a notice. `body`: `purpose`, and of an incident `incident_id`, `nar`, `hazard`, `place`,
    `unanswered_since`. `code`: what the person may answer by a text message.
    """
    words = MESSAGE_WORDS[setting.language if setting.language in MESSAGE_WORDS else "es"]
    purpose = Purpose(body["purpose"])
    marks = [words[exercise]] if exercise else []
    if setting.simulation is not None:
        marks.append(setting.simulation.label(setting.language))
    mark = "".join(f"{one} · " for one in marks)
    short_mark = " ".join(one.partition(",")[0] for one in marks)
    url = _url(body, purpose, setting.address)
    if purpose is Purpose.ANSWER:
        text = mark + str(body["text"])
        return Message(text, text, _fit(short_mark, str(body["text"]), []), None, 0, f"answer-{notice}", purpose, {})
    if purpose is Purpose.TEST:
        title = mark + words["test"].format(code=body["code"])
        line = [words["test_open"].format(url=url)] if url else []
        return Message(
            title,
            "\n".join([title, *line]),
            _fit(short_mark, title.removeprefix(mark), line),
            url,
            0,
            f"test-{notice}",
            purpose,
            {},
        )
    head = _head(words, purpose, body)
    number = words["incident"].format(number=body["incident_id"])
    lines = [mark + head, number, *_unanswered(words, body, setting.zone)]
    if url:
        lines.append(words["open"].format(url=url))
    reply = [words["reply"].format(code=code)] if code else []
    lines.append(words["notice"].format(number=notice))
    return Message(
        title=mark + head,
        text="\n".join(lines),
        short=_fit(short_mark, head, [number.rstrip("."), *reply, *([url] if url else [])]),
        url=url,
        nar=int(body["nar"]),
        tag=f"incident-{body['incident_id']}",
        purpose=purpose,
        data=_fields(body, notice, url, exercise, setting.simulation),
    )


def _head(words: Mapping[str, str], purpose: Purpose, body: Mapping[str, Any]) -> str:
    hazard = str(body["hazard"])
    return words[purpose].format(
        colour=words[str(int(body["nar"]))],
        hazard=words.get(hazard, hazard.replace("_", " ")),
        place=str(body["place"])[:MAX_PLACE_CHARS],
    )


def _unanswered(words: Mapping[str, str], body: Mapping[str, Any], zone: tzinfo) -> list[str]:
    since = body.get("unanswered_since")
    if since is None:
        return []
    at = datetime.fromisoformat(since) if isinstance(since, str) else since
    return [words["unanswered"].format(at=f"{at.astimezone(zone):%H:%M}")]


def _url(body: Mapping[str, Any], purpose: Purpose, address: str | None) -> str | None:
    if address is None or purpose is Purpose.ANSWER:
        return None
    return address + (CHANNELS_PAGE if purpose is Purpose.TEST else f"/suceso/{body['incident_id']}")


def _fields(
    body: Mapping[str, Any], notice: int, url: str | None, exercise: str | None, simulation: Simulation | None
) -> dict[str, Any]:
    named = ("purpose", "incident_id", "nar", "hazard", "place", "unanswered_since", "step")
    return {
        "notice_id": notice,
        **{name: body.get(name) for name in named},
        "incident_url": url,
        "exercise": exercise,
        "simulation": None if simulation is None else simulation.text,
    }


def _fit(mark: str, head: str, parts: list[str]) -> str:
    """A text message: the mark and what asks for an answer stand whole; the head is cut where it must be.

    A link that has no room is left out: half a link leads nowhere.
    """
    mark, head = to_gsm7(mark), to_gsm7(head)
    mark = f"{mark} " if mark else ""
    tail = ""
    for part in parts:
        longer = f"{tail}. {to_gsm7(part)}" if not part.startswith("http") else f"{tail} {to_gsm7(part)}"
        if part.startswith("http") and len(mark) + len(head) + len(longer) > MOST_SEPTETS:
            continue
        tail = longer
    room = MOST_SEPTETS - len(mark) - len(tail)
    return mark + (head if len(head) <= room else head[: room - 1].rstrip() + ".") + tail
