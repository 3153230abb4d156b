"""Lost sessions, connections that end again and again and full disks: raised once, held without flapping, and ended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.alert import NAR
from services.queries.city.processes import Process
from services.self_check.broker_check import broker_faults
from services.self_check.canary_check import canary_faults
from services.self_check.disk_check import disk_faults, disk_shares
from services.self_check.self_check import find_faults

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


def process(name: str = "pipeline-all", age_s: float = 0.5, **status: object) -> Process:
    """A process with this in its heartbeat."""
    return Process(process=name, at=NOON, started_at=NOON, age_s=age_s, status=status)


@pytest.mark.parametrize(
    ("one", "session", "connection"),
    [
        (process(), NAR.VERDE, NAR.VERDE),
        (process(sessions_lost=0, connections_lost_recent=0), NAR.VERDE, NAR.VERDE),
        (process(sessions_lost=1, session_lost_age_s=3.0), NAR.ROJO, NAR.VERDE),
        (process(sessions_lost=1, session_lost_age_s=601.0), NAR.VERDE, NAR.VERDE),
        (process(age_s=900.0, sessions_lost=1, session_lost_age_s=3.0), NAR.VERDE, NAR.VERDE),
        (process(connections_lost_recent=4), NAR.VERDE, NAR.VERDE),
        (process(connections_lost_recent=5), NAR.VERDE, NAR.NARANJA),
        (process(age_s=900.0, connections_lost_recent=9), NAR.VERDE, NAR.VERDE),
    ],
)
def test_what_a_pipeline_noticed_of_the_broker_is_a_fault_for_a_while(
    one: Process, session: NAR, connection: NAR
) -> None:
    assert [(fault.name, fault.nar) for fault in broker_faults([one, process("notifier")])] == [
        ("broker/session/pipeline-all", session),
        ("broker/connection/pipeline-all", connection),
    ]


def test_a_disk_that_fills_and_empties_changes_its_colour_once_each_way() -> None:
    colour, seen = NAR.VERDE, []
    for used in (0.5, 0.699, 0.7, 0.69, 0.705, 0.849, 0.851, 0.84, 0.86, 0.82, 0.845, 0.69, 0.7, 0.67, 0.69):
        (fault,) = disk_faults([process("upkeep", disk_used_broker=used)], {"disk/broker": colour})
        if fault.nar != colour:
            seen.append((used, fault.nar))
        colour = fault.nar
    assert seen == [(0.7, NAR.AMARILLO), (0.851, NAR.ROJO), (0.82, NAR.AMARILLO), (0.67, NAR.VERDE)]


def test_a_disk_is_measured_and_one_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    shares = disk_shares({"database": str(tmp_path), "broker": str(tmp_path / "missing")})
    assert list(shares) == ["disk_used_database"]
    assert isinstance(shares["disk_used_database"], float)
    assert 0.0 <= shares["disk_used_database"] <= 1.0


def test_a_fault_that_nobody_reports_any_more_ends() -> None:
    firing = {"disk/old": NAR.ROJO, "broker/session/pipeline-all": NAR.ROJO, "clock/steps": NAR.AMARILLO}
    ended = {fault.name for fault in find_faults([], {"api"}, firing) if fault.nar is NAR.VERDE}
    assert ended == {"disk/old", "broker/session/pipeline-all", "process/broker"}


@pytest.mark.parametrize(
    ("waits_s", "shown_s", "ran_s", "colours"),
    [
        (0.0, 12.0, 600.0, [NAR.VERDE]),
        (0.0, 89.0, 600.0, [NAR.VERDE]),
        (0.0, 91.0, 600.0, [NAR.ROJO]),
        (0.0, None, 600.0, [NAR.ROJO]),
        (0.0, None, 60.0, []),  # neither has run for long enough
        (61.0, 91.0, 600.0, [NAR.VERDE]),  # what became no row cannot be shown
    ],
)
def test_a_canary_that_is_a_row_must_reach_the_screens(
    waits_s: float, shown_s: float | None, ran_s: float, colours: list[NAR]
) -> None:
    shown = {} if shown_s is None else {"canary_age_s": shown_s}
    processes = [process("upkeep", canary_wait_s_critical=waits_s), process("api", **shown)]
    started = [replace(one, started_at=NOON - timedelta(seconds=ran_s)) for one in processes]
    faults = [fault for fault in canary_faults(started, {}) if fault.name == "canary/screen"]
    assert [fault.nar for fault in faults] == colours
