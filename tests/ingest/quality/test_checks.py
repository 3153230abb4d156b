"""The flags of the streaming quality checks, as stories of one gauge."""

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ingest.quality.checks import CheckResult, QualityMemory, check_reading
from models.kind import Limits
from models.reading import Flag, Quality, Reading, quality_code

START = datetime(2013, 4, 2, 12, tzinfo=UTC)
LIMITS = Limits(sensor=(-5.0, 30.0), site=(0.0, 4.0), jump=0.15, spike=0.10, flat_s=6 * 3600)
ONLY_BAD = Flag.SENSOR_RANGE | Flag.SENTINEL | Flag.DROPOUT


def seen(minute: float, level_m: float | None, *, lag_s: float = 2, flags: Flag = Flag.NONE) -> Reading:
    at = START + timedelta(minutes=minute)
    return Reading(
        "river", "la-plata", "gato-7", at, at + timedelta(seconds=lag_s), round(minute), "b", (level_m,), flags
    )


def stream(*readings: Reading, limits: Limits = LIMITS) -> list[CheckResult]:
    memory: QualityMemory | None = None
    results = []
    for reading in readings:
        results.append(check_reading(limits, memory, reading, 0))
        memory = results[-1].memory
    return results


def story(*levels: float | None, every_min: float = 5, limits: Limits = LIMITS) -> list[Flag]:
    """The flags of levels at even intervals, with later verdicts on earlier readings written back."""
    results = stream(*(seen(row * every_min, level) for row, level in enumerate(levels)), limits=limits)
    flags = [result.reading.flags for result in results]
    for result in results:
        if result.spike is not None:
            flags[round(result.spike[1] / every_min)] |= Flag.SPIKE
    return flags


OK = Flag.NONE


def test_a_quiet_stream_passes_untouched() -> None:
    readings = [seen(0, 1.0), seen(5, 1.01), seen(10, 1.0)]
    assert [result.reading for result in stream(*readings)] == readings


def test_the_number_for_no_value_is_missing_whatever_stands_around_it() -> None:
    flags = story(1.0, -9999.0, 1.0, -999.0, -99.0, 1.0)
    assert flags == [OK, Flag.SENTINEL, OK, Flag.SENTINEL, Flag.SENTINEL, OK]
    assert quality_code(flags[1]) is Quality.MISSING


def test_what_the_sensor_cannot_measure_fails_and_what_the_place_never_saw_is_suspect() -> None:
    assert story(1.0, 31.0, 1.0, -6.0, 1.0) == [OK, Flag.SENSOR_RANGE, OK, Flag.SENSOR_RANGE, OK]
    assert story(3.9, 4.0, 4.1, 4.2) == [OK, OK, Flag.SITE_RANGE, Flag.SITE_RANGE]


def test_a_real_flash_rise_is_suspect_for_one_reading_and_never_fails() -> None:
    """Plumtree Run, 1 September 2016: 0.49 m within five minutes, approved by the hydrologists."""
    flags = story(0.44, 0.44, 0.527, 0.930, 1.036, 1.02, 0.95)
    assert flags == [OK, OK, OK, Flag.JUMP, OK, OK, OK]
    assert quality_code(Flag.JUMP) is Quality.SUSPECT


def test_a_rise_that_is_gone_one_reading_later_was_a_spike() -> None:
    assert story(1.0, 1.0, 1.6, 1.05, 1.0) == [OK, OK, Flag.JUMP | Flag.SPIKE, OK, OK]


def test_a_crest_between_two_readings_is_no_spike() -> None:
    assert story(0.363, 0.564, 0.552, 0.759, 0.719, 0.732) == [OK, Flag.JUMP, OK, Flag.JUMP, OK, OK]


def test_a_short_pulse_falls_as_it_rose() -> None:
    assert story(1.0, 1.0, 1.6, 1.61, 1.6, 1.02, 1.0) == [OK, OK, Flag.JUMP, OK, OK, Flag.JUMP, OK]


def test_a_sensor_lifted_out_of_the_water_fails_until_it_is_back() -> None:
    flags = story(0.60, 0.60, 0.14, 0.139, 0.14, 0.60, 0.61, every_min=15)
    assert flags == [OK, OK, Flag.DROPOUT, Flag.DROPOUT, Flag.DROPOUT, OK, OK]
    assert quality_code(Flag.DROPOUT) is Quality.FAIL


def test_a_sensor_torn_away_at_high_water_does_not_ease_anything_for_a_day() -> None:
    flags = story(0.5, 0.9, 1.4, 1.9, 2.3, 2.5, *[0.02] * 300)
    after = flags[6:]
    assert after[:12] == [Flag.DROPOUT] * 12
    day = after[12 : 12 + 24 * 12]
    assert all(Flag.SHIFT in flag and quality_code(flag) is Quality.SUSPECT for flag in day)


def test_a_gauge_whose_zero_moved_is_believed_again_after_a_day_of_suspicion() -> None:
    levels = [0.50 + 0.01 * (row % 2) for row in range(4)] + [0.30 + 0.01 * (row % 2) for row in range(110)]
    flags = story(*levels, every_min=15)
    assert flags[4:8] == [Flag.DROPOUT] * 4
    assert set(flags[8 : 8 + 96]) == {Flag.SHIFT}
    assert set(flags[8 + 96 :]) == {OK}


def test_the_back_of_a_flood_wave_may_fall_faster_and_faster() -> None:
    assert set(story(1.31, 1.31, 1.26, 1.20, 1.09, 0.98, 0.93, 0.90)) == {OK}


def test_the_longer_nobody_looked_the_more_may_have_changed() -> None:
    rising = [seen(0, 0.5), seen(5, 0.5), seen(10, 0.5), seen(60, 1.9), seen(65, 1.95)]
    assert {result.reading.flags for result in stream(*rising)} == {OK}
    falling = [seen(0, 1.9), seen(5, 1.9), seen(10, 1.9), seen(130, 0.4), seen(135, 0.4)]
    assert {result.reading.flags for result in stream(*falling)} == {OK}


def test_blanks_and_sentinels_in_between_make_a_gap_too() -> None:
    flags = story(0.5, 0.5, None, -9999.0, None, -9999.0, 1.2, 1.2)
    assert flags[6:] == [OK, OK]


def test_a_sensor_back_from_a_short_silence_with_its_rest_value_is_not_believed() -> None:
    flood = [seen(0, 1.9), seen(5, 2.0), seen(10, 2.0)]
    torn = [seen(minute, 0.02) for minute in range(30, 90, 5)]
    flags = [result.reading.flags for result in stream(*flood, *torn)][3:]
    assert set(flags) == {Flag.DROPOUT}


def test_a_flat_line_longer_than_the_sensor_s_ways_is_suspect() -> None:
    noisy = [1.0 + 0.002 * (row % 3) for row in range(48)]
    assert set(story(*noisy)) == {OK}
    frozen = story(*noisy, *[1.5] * 80)
    assert frozen[48] is Flag.JUMP
    assert set(frozen[49 : 48 + 72]) == {OK}
    assert set(frozen[48 + 72 :]) == {Flag.FLAT}


def test_a_coarse_sensor_on_a_calm_stream_is_not_called_flat_again_and_again() -> None:
    calm = [0.30 + 0.003 * (row // 96 % 2) for row in range(96 * 8)]  # eight hours at a value, then eight at the next
    flags = story(*calm)
    assert sum(Flag.FLAT in flag for flag in flags[:96]) == 24
    assert set(flags[96:]) == {OK}


def test_rain_and_speeds_may_jump_and_repeat() -> None:
    limits = Limits(sensor=(0.0, 200.0))
    assert set(story(*[0.0] * 200, 12.0, 0.0, 0.0, limits=limits)) == {OK}


def test_late_duplicate_and_retained_readings_leave_the_memory_alone() -> None:
    first, second = stream(seen(0, 1.0), seen(5, 1.0))
    memory = second.memory
    for reading, flags in (
        (seen(0, 9.0), Flag.LATE | Flag.SITE_RANGE),
        (seen(5, 9.0), Flag.SITE_RANGE),
        (seen(5, 1.0), OK),
        (seen(10, 1.0, flags=Flag.RETAINED), Flag.RETAINED),
    ):
        result = check_reading(LIMITS, memory, reading, 0)
        assert result.memory is memory
        assert result.reading.flags == flags
    assert first.memory is not memory


def test_a_reading_from_the_future_never_becomes_the_newest() -> None:
    late, honest = stream(seen(600, 3.0, lag_s=-600 * 60), seen(5, 1.0))
    assert (late.reading.flags, late.memory) == (Flag.FUTURE, None)
    assert honest.reading.flags == OK
    assert check_reading(LIMITS, honest.memory, seen(7, 1.0, lag_s=-120), 0).reading.flags == OK
    assert check_reading(LIMITS, honest.memory, seen(7, 1.0, lag_s=-121), 0).reading.flags == Flag.FUTURE


def test_history_is_kept_as_history() -> None:
    week_s = 7 * 86_400
    flags = [check_reading(LIMITS, None, seen(0, 1.0, lag_s=lag_s), 0).reading.flags for lag_s in (week_s, week_s + 1)]
    assert flags == [OK, Flag.BACKFILL]


def test_a_clock_that_is_off_is_noticed_after_some_readings_and_forgotten_when_set() -> None:
    slow = stream(*(seen(row, 1.0 + 0.001 * (row % 2), lag_s=100) for row in range(30)))
    flagged = [Flag.CLOCK_SKEW in result.reading.flags for result in slow]
    assert not any(flagged[:12])
    assert all(flagged[13:])
    memory = slow[-1].memory
    for row in range(30, 60):
        checked = check_reading(LIMITS, memory, seen(row, 1.0 + 0.001 * (row % 2)), 0)
        memory = checked.memory
    assert checked.reading.flags == OK


def test_one_slow_delivery_says_nothing_of_the_clock() -> None:
    readings = [seen(row, 1.0 + 0.001 * (row % 2), lag_s=3000 if row == 5 else 2) for row in range(10)]
    assert {result.reading.flags for result in stream(*readings)} == {OK}


def test_a_backlog_that_arrives_at_once_says_nothing_of_the_clock() -> None:
    backlog = [seen(row, 1.0 + 0.001 * (row % 2), lag_s=60 * (200 - row)) for row in range(200)]
    assert {result.reading.flags for result in stream(*backlog)} == {OK}


def test_a_device_without_a_clock_cannot_be_off() -> None:
    readings = [seen(row, 1.0 + 0.001 * (row % 2), lag_s=90, flags=Flag.SERVER_TIME) for row in range(40)]
    assert {result.reading.flags for result in stream(*readings)} == {Flag.SERVER_TIME}


levels = st.one_of(st.none(), st.sampled_from([-9999.0, 0.02, 40.0]), st.floats(0, 4), st.integers(0, 4))
arrivals = st.lists(st.tuples(st.integers(0, 50), levels, st.integers(-400, 900_000)), max_size=40)


@given(arrivals)
def test_whatever_comes_the_raw_value_stays_and_the_head_only_moves_forward(
    arrived: list[tuple[int, float | None, int]],
) -> None:
    memory: QualityMemory | None = None
    for minute, level_m, lag_s in arrived:
        before = memory
        reading = seen(minute, level_m, lag_s=lag_s)
        checked = check_reading(LIMITS, memory, reading, 0)
        memory, spike = checked.memory, checked.spike
        assert checked.reading.values == reading.values
        if before is not None:
            assert memory is not None
            assert memory.observed_at >= before.observed_at
            assert memory is before or memory.observed_at == reading.observed_at
        if spike is not None:
            assert before is not None
            assert before.pending is not None
            assert spike == (before.pending.observed_at, before.pending.seq)


@given(arrivals)
def test_a_second_copy_of_any_reading_changes_nothing(arrived: list[tuple[int, float | None, int]]) -> None:
    memory: QualityMemory | None = None
    for minute, level_m, lag_s in arrived:
        reading = seen(minute, level_m, lag_s=lag_s)
        memory = check_reading(LIMITS, memory, reading, 0).memory
        assert check_reading(LIMITS, memory, reading, 0).memory == memory


@given(st.lists(st.floats(0.0, 4.0), min_size=1, max_size=60))
def test_water_that_only_rises_never_fails(rises: list[float]) -> None:
    flags = story(*sorted(rises))
    assert not any(flag & ONLY_BAD or quality_code(flag) is Quality.FAIL for flag in flags)


@given(arrivals)
def test_a_memory_kept_and_read_back_goes_on_as_if_nothing_had_happened(
    arrived: list[tuple[int, float | None, int]],
) -> None:
    memory: QualityMemory | None = None
    decoder = msgspec.json.Decoder(QualityMemory | None)
    for minute, level_m, lag_s in arrived:
        memory = check_reading(LIMITS, memory, seen(minute, level_m, lag_s=lag_s), 0).memory
        assert decoder.decode(msgspec.json.encode(memory)) == memory


def test_a_skew_of_the_whole_city_excuses_a_reading_and_speaks_against_none() -> None:
    hour_s = 3600.0
    memory = stream(seen(0, 1.0), seen(5, 1.0))[1].memory

    def flags(lag_s: float, skew_s: float, at: float = 10) -> Flag:
        result = check_reading(LIMITS, memory, seen(at, 1.0, lag_s=lag_s), 0, skew_s)
        assert result.memory is memory or not result.reading.flags & (Flag.FUTURE | Flag.CLOCK_DOUBT)
        return result.reading.flags

    assert flags(-hour_s, -hour_s) == Flag.CLOCK_DOUBT
    assert flags(-hour_s, 0.0) == Flag.FUTURE
    assert flags(-hour_s, -hour_s, at=3) == Flag.CLOCK_DOUBT | Flag.LATE
    assert flags(-hour_s - 121, -hour_s) == Flag.FUTURE  # a clock that is wrong by the city's too
    assert flags(-hour_s, hour_s) == Flag.FUTURE
    assert flags(1.0, hour_s) == flags(1.0, -hour_s) == flags(hour_s, hour_s) == OK
    assert flags(8 * 86_400.0, 0.0) & Flag.BACKFILL
    assert flags(8 * 86_400.0, 8 * 86_400.0) == OK


def test_a_skew_of_the_whole_city_is_no_skew_of_the_device() -> None:
    memory = stream(*(seen(minute, 1.0) for minute in range(5)))[-1].memory
    for minute in range(5, 60):
        result = check_reading(LIMITS, memory, seen(minute, 1.0, lag_s=7200.0), 0, 7199.0)
        memory = result.memory
        assert result.reading.flags == OK
    assert memory is not None
    assert abs(memory.lag_s) < 5


def test_a_device_without_a_clock_goes_on_after_ours_came_back_from_the_future() -> None:
    ahead = check_reading(LIMITS, None, seen(600, 1.0, flags=Flag.SERVER_TIME), 0)
    assert ahead.memory is not None
    back = check_reading(LIMITS, ahead.memory, seen(5, 1.0, flags=Flag.SERVER_TIME), 0)
    assert back.reading.flags == Flag.SERVER_TIME
    assert back.memory is not None
    assert back.memory.observed_at < ahead.memory.observed_at
    own = check_reading(LIMITS, ahead.memory, seen(5, 1.0), 0)
    assert (own.reading.flags, own.memory) == (Flag.LATE, ahead.memory)
