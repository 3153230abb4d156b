"""Check that the newest backup is not too old. Pure."""

from alerts.system_faults import SystemFault
from models.alert import NAR, Cause
from services.queries.city.backups import Backup

BACKUP = "backup"
WITHIN_H = 36
"""A backup each night, and half a day to notice that one failed and to repeat it."""
HOUR_S = 3600.0


def backup_fault(newest: Backup | None, within_h: int | None) -> SystemFault:
    """AMARILLO where the newest backup is older than `within_h` hours, or where none was made though that is set.

    within_h: None: WITHIN_H once a backup was made. 0: no backup is expected.
    """
    expected = within_h != 0 if newest is not None else bool(within_h)
    limit_s = (WITHIN_H if within_h is None else within_h) * HOUR_S
    if not expected or (newest is not None and newest.age_s <= limit_s):
        return SystemFault(BACKUP, NAR.VERDE, Cause.BACKUP)
    age_s = None if newest is None else round(newest.age_s)
    return SystemFault(BACKUP, NAR.AMARILLO, Cause.BACKUP, {"backup_age_s": age_s, "limit_s": limit_s})
