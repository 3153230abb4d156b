"""The server's clock is wrong in a flood: the devices of the city show it, and no alert is lost, false or eased."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from models.reading import MAX_AHEAD_S, Flag, Message
from services.city.load import load
from services.pipeline.clock_trust import ClockTrust
from services.pipeline.road import Pipeline
from services.pipeline.ticks import Ticks
from services.runtime.clock import ClockSteps
from services.runtime.heartbeat import write_heartbeat
from services.self_check.self_check import SelfCheck
from tests.seeds import la_plata

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
JUMP = timedelta(hours=2, seconds=7)
"""No whole number of minutes, as real ones: readings of a device without a clock must not meet at one time."""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STREAM, DRY_M, HIGH_M = "gato-143-524", 0.4, 1.4
TO_DIE = "martin-city-bell"
CLOCKLESS = "perez-31-520"
"""A gauge that sends no time: SenML, one value of now."""


class Server:
    """A server whose clock is `error` off, among the gauges of La Plata, whose clocks are right but for `off`."""

    def __init__(self, database: Engine, error: timedelta = timedelta(0)) -> None:
        self.database, self.error = database, error
        self.true_time = NOON
        self.level_m, self.silent, self.off = DRY_M, set[str](), dict[str, timedelta]()
        self.gauges = [one for one in la_plata().city.devices if one.kind in ("river", "rain")]
        self.pipeline = self.start()

    def start(self) -> Pipeline:
        """A new process."""
        pipeline = Pipeline(self.database, self.clock, lane=None)
        pipeline.state.clock_trust = ClockTrust(ClockSteps(self.clock, self.elapsed_s))
        return pipeline

    def start_again(self) -> None:
        """End the process and start another, as its command does."""
        self.pipeline.close()
        self.pipeline = self.start()
        Ticks(self.pipeline.state, None, self.pipeline.name).begin()

    def clock(self) -> datetime:
        """What the server believes."""
        return self.true_time + self.error

    def elapsed_s(self) -> float:
        """Time that never steps."""
        return self.true_time.timestamp()

    def run(self, minutes: int, *, falling_m: float = 0.0) -> None:
        """Let every gauge send once a minute, and judge what time changes. falling_m: the fall of each minute."""
        for _ in range(minutes):
            self.true_time += MINUTE
            self.level_m = max(DRY_M, self.level_m - falling_m)
            self.pipeline.process_messages([m for one in self.gauges if (m := self._message(one)) is not None])
            self.pipeline.tick_rules()

    def _message(self, gauge: Any) -> Message | None:
        if gauge.code in self.silent:
            return None
        level_m = self.level_m if gauge.code in (STREAM, CLOCKLESS) else DRY_M
        body: Any = {"observed_at": (self.true_time + self.off.get(gauge.code, timedelta(0))).isoformat()}
        body |= {"level_m": level_m} if gauge.kind == "river" else {"rain_mm": 0.0, "interval_s": 60}
        if gauge.code == CLOCKLESS:
            body = [{"n": "level", "u": "m", "v": level_m}]
        topic = f"vigia/v1/{gauge.municipality}/{gauge.kind}/{gauge.code}"
        return Message(topic, json.dumps(body).encode(), self.clock())

    def rows(self, query: str) -> list[Any]:
        """Every row of a query."""
        with self.database.begin() as transaction:
            return [tuple(row) for row in transaction.execute(text(query))]

    def alerts(self, judgement: str) -> list[tuple[str, int, str]]:
        """The alerts of this judgement on the gauges that tell the story: subject, colour, state."""
        return self.rows(
            f"SELECT subject, nar, state FROM alerts WHERE judgement = '{judgement}'"
            f" AND subject NOT IN ('gato-centenario-516', 'gato-ringuelet', 'gato-tolosa') ORDER BY subject"
        )

    def flags(self, code: str = STREAM) -> dict[Flag, int]:
        """How many readings of a gauge carry which flags."""
        return {
            Flag(flags): count
            for flags, count in self.rows(
                "SELECT r.flags, count(*) FROM river_readings r JOIN devices d ON d.id = r.device_id"
                f" WHERE d.code = '{code}' GROUP BY 1"
            )
        }


@pytest.fixture
def server(database: Engine) -> Iterator[Server]:
    """A server that is right until the story says otherwise, after ten dry minutes."""
    with database.begin() as transaction:
        load(transaction, la_plata(), NOON)
    server = Server(database)
    server.run(10)
    assert server.rows("SELECT 1 FROM alerts") == []
    yield server
    server.pipeline.close()


def shape(alerts: list[tuple[str, int, str]]) -> list[tuple[str, bool]]:
    """Which subjects have an alert, and whether it is naranja or higher."""
    return [(subject, nar >= 2) for subject, nar, _ in alerts]


@pytest.mark.parametrize("jump", [JUMP, -JUMP])
def test_a_jump_of_the_clock_in_a_flood_costs_no_alert_and_tells_no_false_one(server: Server, jump: timedelta) -> None:
    server.level_m, server.error = HIGH_M, jump
    server.run(3)
    assert shape(server.alerts("stage")) == [(STREAM, True), (CLOCKLESS, True)]
    confirmed = server.rows(f"SELECT confirmed FROM alerts WHERE judgement = 'stage' AND subject = '{STREAM}'")
    assert confirmed == [(True,)]
    server.run(40)
    server.error = timedelta(0)
    server.silent = {TO_DIE}
    server.run(10)
    assert server.alerts("silence") == server.alerts("fault") == []
    server.run(10)
    assert shape(server.alerts("silence")) == [(TO_DIE, False)]
    assert shape(server.alerts("stage")) == [(STREAM, True), (CLOCKLESS, True)]
    server.run(120, falling_m=0.02)
    flooded = f"SELECT rule_nar FROM alerts WHERE judgement = 'stage' AND subject IN ('{STREAM}', '{CLOCKLESS}')"
    assert server.rows(flooded) == [(0,), (0,)]
    assert server.alerts("fault") == []


def test_while_the_clock_is_behind_readings_raise_and_ease_nothing(server: Server) -> None:
    server.level_m, server.error = HIGH_M, -2 * HOUR
    server.run(5)
    assert server.flags() == {Flag.NONE: 10, Flag.CLOCK_DOUBT: 5}
    high = server.rows(f"SELECT rule_nar FROM alerts WHERE judgement = 'stage' AND subject = '{STREAM}'")
    server.level_m = DRY_M
    server.run(80)
    assert server.rows(f"SELECT rule_nar FROM alerts WHERE judgement = 'stage' AND subject = '{STREAM}'") == high
    report = server.pipeline.state.clock_trust.report()
    assert (report["clock_step_s"], report["clock_skew_s"], report["clock_steps"]) == (-7200.0, -7200.0, 1)
    server.error = timedelta(0)
    server.run(70)
    assert server.rows(f"SELECT rule_nar FROM alerts WHERE judgement = 'stage' AND subject = '{STREAM}'") == [(0,)]
    assert Flag.FUTURE not in server.flags()


@pytest.mark.parametrize("error", [DAY, -DAY, 300 * DAY])
def test_a_server_that_starts_with_a_wrong_clock_believes_the_devices(server: Server, error: timedelta) -> None:
    write_heartbeat(server.database, server.pipeline.name, NOON, lambda: server.true_time, {})
    server.error = error
    server.start_again()
    server.run(1)  # too few devices are known to be heard in their time
    server.level_m = HIGH_M
    server.run(3)
    assert shape(server.alerts("stage")) == [(STREAM, True), (CLOCKLESS, True)]
    server.run(30)
    assert server.alerts("silence") == server.alerts("fault") == []
    assert server.pipeline.state.clock_trust.report()["clock_skew_s"] == error.total_seconds()
    server.error = timedelta(0)
    server.start_again()
    server.run(30)
    assert server.alerts("silence") == server.alerts("fault") == []
    assert [nar >= 2 for _, nar, _ in server.alerts("stage")] == [True, True]


@pytest.mark.parametrize(("said_s", "raises"), [(-7200.0, True), (-7140.0, True), (0.0, False), (-3600.0, False)])
def test_devices_of_one_town_are_believed_where_the_database_says_the_same(
    server: Server, said_s: float, raises: bool
) -> None:
    write_heartbeat(server.database, server.pipeline.name, NOON, lambda: server.true_time, {})
    server.silent = {gauge.code for gauge in server.gauges if gauge.municipality != "laplata"}
    server.error = -2 * HOUR
    server.start_again()
    server.pipeline.state.clock_trust.compare_with_database(said_s)
    server.run(1)
    server.level_m = HIGH_M
    server.run(3)
    assert (STREAM in {subject for subject, _, _ in server.alerts("stage")}) == raises
    assert bool(server.pipeline.state.clock_trust.skew_s) == raises


def test_one_device_with_a_wrong_clock_among_right_ones_is_a_fault_and_raises_nothing(server: Server) -> None:
    server.off = {STREAM: timedelta(seconds=MAX_AHEAD_S) + HOUR}
    server.level_m = HIGH_M
    server.run(5)
    assert shape(server.alerts("stage")) == [(CLOCKLESS, True)]
    assert shape(server.alerts("fault")) == [(STREAM, False)]
    assert server.flags() == {Flag.NONE: 10, Flag.FUTURE: 5}
    assert server.pipeline.state.clock_trust.report()["clock_skew_s"] == 0.0


def test_a_city_that_falls_silent_while_the_clock_is_wrong_is_told_within_the_hour(server: Server) -> None:
    server.error = -2 * HOUR
    server.run(10)
    server.silent = {gauge.code for gauge in server.gauges}
    server.run(30)
    assert server.alerts("silence") == []
    server.run(20)
    assert len(server.alerts("silence")) >= 20


def test_a_wrong_clock_is_told_once_and_ends_when_it_is_right_again(server: Server) -> None:
    check = SelfCheck(server.database, server.clock, {server.pipeline.name})

    def run(minutes: int) -> list[tuple[str, int, str]]:
        for _ in range(minutes):
            server.run(1)
            report = server.pipeline.state.clock_trust.report()
            write_heartbeat(server.database, server.pipeline.name, NOON, server.clock, report)
            check.run()
        return server.alerts("clock")

    assert run(1) == []
    server.error = 2 * HOUR
    assert run(5) == [("system", 2, "firing")]
    notices = server.rows("SELECT body ->> 'cause', body -> 'evidence' FROM notices ORDER BY id DESC LIMIT 1")
    assert notices == [("clock", {"clock_ahead_s": 7200.0, "clock_skew_devices": 28, "clock_went_forward_s": 7200.0})]
    server.error = timedelta(0)
    assert run(2) == [("system", 1, "firing")]  # it stepped once more
    assert run(16) == [("system", 0, "cleared")]
    assert server.alerts("silence") == []
