"""The fast check of a run gives exactly the same memory as checking its readings one by one."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest.quality.checks import QualityMemory, check_reading
from ingest.quality.steady_run import check_steady_run
from models.kind import Limits
from models.reading import Flag, Reading

START = datetime(2026, 4, 2, 12, tzinfo=UTC)
LIMITS = Limits(sensor=(-5.0, 30.0), site=(0.0, 4.0), jump=0.15, spike=0.10, flat_s=3600)
RAIN = Limits(sensor=(0.0, 50.0))


def reading(at_s: float, lag_s: float, level_m: float | None, flags: Flag = Flag.NONE) -> Reading:
    at = START + timedelta(seconds=at_s)
    return Reading("river", "m", "d", at, at + timedelta(seconds=lag_s), 0, "b", (level_m,), flags)


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Reading], list[Reading]]:
    """What a gauge said before, and a run: mostly quiet, at times with anything that can be wrong."""
    at_s, level_m, said = 0.0, draw(st.floats(0.2, 1.0)), []
    for _ in range(draw(st.integers(5, 25))):
        at_s += draw(st.sampled_from([60.0, 60.0, 60.0, 61.5, 900.0, 0.0, -30.0, 4000.0]))
        level_m += draw(st.sampled_from([0.0, 0.0, 0.004, -0.004, 0.02, -0.09, 0.12, 0.5, -0.4]))
        shown = draw(st.sampled_from([level_m] * 30 + [None, -9999.0, 4.5, 1]))
        flags = draw(st.sampled_from([Flag.NONE] * 20 + [Flag.RETAINED, Flag.SERVER_TIME]))
        said.append(reading(at_s, draw(st.sampled_from([1.0, 1.0, 2.0, 30.0, 400.0, -200.0, 9e5])), shown, flags))
    split = draw(st.integers(1, len(said) - 1))
    return said[:split], said[split:]


@st.composite
def quiet(draw: st.DrawFn) -> tuple[list[Reading], list[Reading]]:
    """A gauge on a calm day, in one message or in several."""
    noise = draw(st.lists(st.sampled_from([0.0, 0.001, -0.001, 0.004, -0.02]), min_size=6, max_size=20))
    period_s, lag_s = draw(st.sampled_from([1.0, 10.0, 120.0])), draw(st.sampled_from([0.5, 20.0]))
    together = draw(st.booleans())
    sent_at = START + timedelta(seconds=period_s * len(noise) + lag_s)
    said = [
        Reading("river", "m", "d", at, sent_at if together else at + timedelta(seconds=lag_s), 0, "b", (0.5 + change,))
        for at, change in ((START + timedelta(seconds=period_s * place), one) for place, one in enumerate(noise))
    ]
    return said[:1], said[1:]


def one_by_one(
    limits: Limits, memory: QualityMemory | None, run: list[Reading]
) -> tuple[QualityMemory | None, list[Flag]]:
    flags = []
    for one in run:
        checked = check_reading(limits, memory, one, 0)
        memory = checked.memory
        flags.append(checked.reading.flags)
        assert checked.spike is None or memory is not None
    return memory, flags


@given(stories(), st.sampled_from([LIMITS, RAIN]))
def test_what_is_taken_as_calm_is_remembered_as_if_looked_at_one_by_one(
    said: tuple[list[Reading], list[Reading]], limits: Limits
) -> None:
    before, run = said
    memory, _ = one_by_one(limits, None, before)
    after = check_steady_run(limits, memory, run, 0)
    if after is not None:
        assert (after, [Flag.NONE] * len(run)) == one_by_one(limits, memory, run)


@given(quiet())
def test_a_quiet_gauge_is_taken_as_calm(said: tuple[list[Reading], list[Reading]]) -> None:
    before, run = said
    memory, _ = one_by_one(LIMITS, None, before)
    after = check_steady_run(LIMITS, memory, run, 0)
    assert after is not None
    assert (after, [Flag.NONE] * len(run)) == one_by_one(LIMITS, memory, run)


def test_whatever_is_against_one_reading_has_each_looked_at() -> None:
    memory, _ = one_by_one(LIMITS, None, [reading(60.0 * minute, 1.0, 0.5) for minute in range(3)])
    fine = [reading(60.0 * minute, 1.0, 0.5 + minute / 1000) for minute in range(3, 9)]
    assert check_steady_run(LIMITS, memory, fine, 0) is not None
    odd = {
        "a jump": reading(600, 1.0, 1.2),
        "no value": reading(600, 1.0, None),
        "a sentinel": reading(600, 1.0, -9999.0),
        "beyond the site": reading(600, 1.0, 4.5),
        "late": reading(100, 1.0, 0.5),
        "from the future": reading(600, -200.0, 0.5),
        "an old story": reading(600, 8 * 86_400.0, 0.5),
        "kept by the broker": reading(600, 1.0, 0.5, Flag.RETAINED),
        "flat for hours": reading(2 * 3600, 1.0, 0.5),
    }
    for what, one in odd.items():
        assert check_steady_run(LIMITS, memory, [*fine, one], 0) is None, what
    assert check_steady_run(LIMITS, None, fine, 0) is None, "nothing is known of the device"
