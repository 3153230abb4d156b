"""What is stored? The database tables, one module per subject. Imports only models.kind, models.kinds and SQLAlchemy.

Importing this package imports every table module, so that `METADATA` is complete.
"""

from models.tables import (
    alerts,
    city,
    declared,
    duty,
    erasures,
    incidents,
    operations,
    people,
    readings,
    record,
    rider_reports,
    rules,
    service_alerts,
    timetables,
    vehicles,
)
from models.tables.metadata import METADATA, Xid8

__all__ = [
    "METADATA",
    "Xid8",
    "alerts",
    "city",
    "declared",
    "duty",
    "erasures",
    "incidents",
    "operations",
    "people",
    "readings",
    "record",
    "rider_reports",
    "rules",
    "service_alerts",
    "timetables",
    "vehicles",
]
