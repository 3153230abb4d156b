"""A backup that is too old, or was never made though one is expected, is a fault."""

from datetime import UTC, datetime

import pytest

from models.alert import NAR
from services.queries.city.backups import Backup
from services.self_check.backup_check import backup_fault

HOUR_S = 3600.0


def aged(hours: float | None) -> Backup | None:
    """A backup of this age."""
    if hours is None:
        return None
    return Backup(taken_at=datetime(2026, 3, 5, tzinfo=UTC), age_s=hours * HOUR_S, folder="/backups/a", size_bytes=1)


@pytest.mark.parametrize(
    ("age_h", "within_h", "nar"),
    [
        (None, None, NAR.VERDE),
        (35.9, None, NAR.VERDE),
        (36.1, None, NAR.AMARILLO),
        (None, 24, NAR.AMARILLO),
        (23.9, 24, NAR.VERDE),
        (24.1, 24, NAR.AMARILLO),
        (900.0, 0, NAR.VERDE),
        (None, 0, NAR.VERDE),
    ],
)
def test_a_backup_is_expected_once_one_was_made_or_where_it_is_set(
    age_h: float | None, within_h: int | None, nar: NAR
) -> None:
    assert backup_fault(aged(age_h), within_h).nar == nar
