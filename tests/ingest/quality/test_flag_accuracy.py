"""Which rows of a corrected record are bad, and which of them count as found."""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.quality.flag_accuracy import FlagAccuracy, bad_rows, flag_accuracy, flags_of_series
from models.kinds import KINDS_BY_NAME
from models.reading import Flag

NOON = datetime(2019, 1, 8, 12, tzinfo=UTC)


def test_a_row_is_bad_where_it_leaves_the_offset_of_its_neighbours() -> None:
    corrected: list[float | None] = [0.5] * 200
    raw = [0.6] * 200
    raw[50], raw[51], raw[100] = 0.14, 0.66, -9999.0
    assert [row for row, bad in enumerate(bad_rows(raw, corrected, (-9999.0,))) if bad] == [50, 51, 100]


def test_a_correction_of_a_whole_stretch_makes_no_row_bad() -> None:
    raw = [0.6] * 100 + [0.4] * 100
    assert not any(bad_rows(raw, [0.5] * 200, (-9999.0,)))


def test_a_row_the_technician_left_blank_is_not_judged() -> None:
    raw = [0.6] * 9
    raw[4] = 0.1
    corrected: list[float | None] = [0.5] * 9
    corrected[4] = None
    assert not any(bad_rows(raw, corrected, ()))


@pytest.mark.parametrize(
    ("flagged", "bad", "expected"),
    [
        ([2], [2], FlagAccuracy(1, 1, 0)),
        ([3], [2], FlagAccuracy(1, 1, 0)),
        ([4], [2], FlagAccuracy(1, 0, 1)),
        ([], [2, 3], FlagAccuracy(2, 0, 0)),
        ([0, 1, 5], [0, 1], FlagAccuracy(2, 2, 1)),
    ],
)
def test_flags_and_bad_rows_match_within_one_sample(flagged: list[int], bad: list[int], expected: FlagAccuracy) -> None:
    flags = [Flag.DROPOUT if row in flagged else Flag.NONE for row in range(6)]
    assert flag_accuracy(flags, [row in bad for row in range(6)]) == expected


def test_flags_about_time_or_a_moved_zero_neither_find_nor_accuse() -> None:
    flags = [Flag.FLAT, Flag.SHIFT, Flag.LATE, Flag.CLOCK_SKEW]
    assert flag_accuracy(flags, [True, False, False, False]) == FlagAccuracy(1, 0, 0)


def test_a_record_is_checked_reading_by_reading_with_later_verdicts_written_back() -> None:
    levels = [0.6, 0.6, 1.2, 0.62, 0.6, -9999.0, 0.6]
    flags = flags_of_series(KINDS_BY_NAME["river"], [NOON + timedelta(minutes=15 * row) for row in range(7)], levels)
    assert flags == [0, 0, Flag.JUMP | Flag.SPIKE, 0, 0, Flag.SENTINEL, 0]
