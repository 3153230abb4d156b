"""Tests of the check of the clock: what processes report, and what is told of it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from models.alert import NAR, Cause
from services.queries.city.processes import Process
from services.self_check.clock_check import clock_fault

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
WRONG: dict[str, Any] = {"clock_skew_s": -7200.0, "clock_skew_devices": 29, "clock_wrong_for_s": 61.0}
STEPPED: dict[str, Any] = {"clock_step_s": 7200.0, "clock_step_age_s": 10.0}
REFUSED = "the clock says"


def process(name: str = "pipeline-critical", *, age_s: float = 0.5, **status: Any) -> Process:
    return Process(process=name, at=NOON, started_at=NOON, age_s=age_s, status=status)


@pytest.mark.parametrize(
    ("status", "from_database", "refusal", "nar", "cause", "evidence"),
    [
        ({}, {}, None, NAR.VERDE, Cause.CLOCK, {}),
        ({"clock_skew_s": 0.4}, {"api": -2.0}, None, NAR.VERDE, Cause.CLOCK, {}),
        ({}, {"api": -59.0}, None, NAR.VERDE, Cause.CLOCK, {}),  # written late
        (
            {},
            {"api": -500.0, "upkeep": 70.0},
            None,
            NAR.NARANJA,
            Cause.CLOCK,
            {"process": "api", "behind_database_s": 500.0},
        ),
        (WRONG, {}, None, NAR.NARANJA, Cause.CLOCK, {"clock_behind_s": 7200.0, "clock_skew_devices": 29}),
        (WRONG | {"clock_wrong_for_s": 59.0}, {}, None, NAR.VERDE, Cause.CLOCK, {}),
        (STEPPED, {}, None, NAR.AMARILLO, Cause.CLOCK, {"clock_went_forward_s": 7200.0}),
        (STEPPED | {"clock_step_age_s": 901.0}, {}, None, NAR.VERDE, Cause.CLOCK, {}),
        ({}, {"api": 70.0}, None, NAR.NARANJA, Cause.CLOCK, {"process": "api", "ahead_of_database_s": 70.0}),
        ({}, {}, REFUSED, NAR.AMARILLO, Cause.RETENTION, {"retention": REFUSED}),
    ],
)
def test_one_state_tells_what_is_wrong_with_the_clock(
    status: dict[str, Any],
    from_database: dict[str, float],
    refusal: str | None,
    nar: NAR,
    cause: Cause,
    evidence: dict[str, object],
) -> None:
    fault = clock_fault([process(**status)], from_database, refusal)
    assert (fault.name, fault.nar, fault.cause, fault.evidence) == ("clock", nar, cause, evidence)


def test_the_worst_of_all_processes_is_told_once() -> None:
    others = [process("pipeline-bulk", **WRONG | {"clock_skew_s": -100.0}), process("notifier", sent=4)]
    fault = clock_fault([process(**WRONG, **STEPPED), *others], {}, REFUSED)
    assert fault.nar is NAR.NARANJA
    assert fault.evidence == {
        "clock_behind_s": 7200.0,
        "clock_skew_devices": 29,
        "clock_went_forward_s": 7200.0,
        "retention": REFUSED,
    }


def test_what_a_dead_process_reported_last_is_no_news() -> None:
    assert clock_fault([process(age_s=100.0, **WRONG)], {}, None).nar is NAR.VERDE
