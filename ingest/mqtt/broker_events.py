"""What a subscriber notices of its broker: sessions that it lost, and connections that end again and again."""

from collections import deque
from time import monotonic

RECENT_S = 300.0
MAX_LOST = 1_000


class BrokerEvents:
    """Counts of one subscriber since its start, and how long ago. Elapsed time, not that of a clock that can be set."""

    def __init__(self) -> None:
        self._sessions_lost = 0
        self._connections_lost = 0
        self._session_lost_at_s: float | None = None
        self._connection_lost_at_s: deque[float] = deque(maxlen=MAX_LOST)
        self._disconnected_at_s: float | None = monotonic()

    def lose_session(self) -> None:
        """The broker has no session of ours any more: what it had queued is gone."""
        self._sessions_lost += 1
        self._session_lost_at_s = monotonic()

    def gain_connection(self) -> None:
        """The broker accepted a connection."""
        self._disconnected_at_s = None

    def lose_connection(self) -> None:
        """A connection ended that the broker had accepted; so it does when another client takes our client id."""
        self._connections_lost += 1
        self._disconnected_at_s = monotonic()
        self._connection_lost_at_s.append(self._disconnected_at_s)

    def report(self) -> dict[str, object]:
        """For the heartbeat. `session_lost_age_s`: since the last loss, absent without one. Recent: within RECENT_S.

        `disconnected_s`: for how long there has been no connection, 0 while there is one.
        """
        now_s = monotonic()
        lost_at_s = self._session_lost_at_s
        return {
            "sessions_lost": self._sessions_lost,
            "connections_lost": self._connections_lost,
            "connections_lost_recent": sum(now_s - at_s < RECENT_S for at_s in self._connection_lost_at_s),
            "disconnected_s": 0.0 if self._disconnected_at_s is None else round(now_s - self._disconnected_at_s, 1),
            **({} if lost_at_s is None else {"session_lost_age_s": round(now_s - lost_at_s, 1)}),
        }
