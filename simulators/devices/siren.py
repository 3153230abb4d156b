"""A simulated siren or sign: what it answers to a command, as in docs/wire.md. Pure; SIMULADO, it makes no sound."""

import json
from collections.abc import Iterator
from datetime import datetime


def answers(payload: bytes, now: datetime, *, works: bool = True) -> Iterator[bytes]:
    """The messages on its `state` topic after a command. A command that has ended is refused."""
    command = json.loads(payload)
    ended = datetime.fromisoformat(command["ends_at"]) <= now
    if "test" in command:
        yield json.dumps({"test": command["test"], "passed": works, "detail": "SIMULADO"}).encode()
        return
    if ended or not works:
        why = "ended" if ended else "amplifier"
        yield json.dumps({"order": command["order"], "state": "refused", "detail": f"SIMULADO: {why}"}).encode()
        return
    for state in ("accepted", "sounding", "done"):
        yield json.dumps({"order": command["order"], "state": state, "detail": "SIMULADO"}).encode()
