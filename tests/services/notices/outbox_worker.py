"""A notifier in a process of its own with channels that fail and are slow at random: URL FOLDER SEED CLOCK.

What arrives is appended to FOLDER/arrived, one line a message, before the outcome is stored. The draws depend on the
seed, the notice and the attempt alone.
"""

import os
import random
import sys
import threading
from pathlib import Path

from services.notices.messages import Message
from services.notices.notifier import Notifier
from services.notices.outcomes import Outcome, Retry, Sent, Unknown
from services.runtime.clock import parse_clock
from services.runtime.database import open_database
from services.runtime.process import stop_on_signals

FAILING, SLOW = 0.3, 0.1
SLOW_S = 0.02


def drawn_outcome(seed: int, key: str, channel: str, attempt: int) -> Outcome:
    """30 of 100 attempts fail, 10 arrive without anybody knowing."""
    draw = random.Random(f"{seed}:{key}:{channel}:{attempt}").random()
    if draw < FAILING:
        return Retry("drawn to fail")
    return Unknown("drawn to be slow") if draw < FAILING + SLOW else Sent()


class Arrivals:
    """Sends nothing: writes what would arrive to a file that several processes append to."""

    def __init__(self, path: Path, seed: int) -> None:
        self._seed = seed
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._attempts: dict[tuple[str, str], int] = {}

    def send(self, channel: str, address: str, key: str, message: Message, now: object) -> Outcome:
        """One attempt. A process started anew draws anew: it is another attempt."""
        attempt = self._attempts[key, channel] = self._attempts.get((key, channel), 0) + 1
        outcome = drawn_outcome(self._seed, f"{key}{os.getpid()}", channel, attempt)
        if not isinstance(outcome, Retry):
            os.write(self._file, f"{address}\t{key}\t{message.data['notice_id']}\t{channel}\t{now}\n".encode())
        if isinstance(outcome, Unknown):
            threading.Event().wait(SLOW_S)
        return outcome


def main() -> None:
    """Run until stopped or killed."""
    url, folder, seed, clock = sys.argv[1:]
    database = open_database(url, name="worker", pool_size=4)
    senders = Arrivals(Path(folder) / "arrived", int(seed))
    Notifier(database, parse_clock(clock), senders=senders).run(stop_on_signals())  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
