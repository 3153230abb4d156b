"""Table of riders' reports of problems, for example a bus that never came or a wrong stop name.

No name, number, address or location of a person is stored: stop and trip give the place. A comment may contain what its
author wrote, so it is deleted with the report after a year.
"""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Date, DateTime, Identity, Index, Table, Text

from models.tables.metadata import METADATA

LONGEST_COMMENT = 500

rider_reports = Table(
    "rider_reports",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, comment="When it was sent"),
    Column("source", Text, nullable=False, comment="Through what: onebusaway, page, sms"),
    Column("code", Text, nullable=False, comment="transit_reports.Code"),
    Column("stop_id", Text, nullable=True),
    Column("route_id", Text, nullable=True),
    Column("trip_id", Text, nullable=True),
    Column("service_date", Date, nullable=True),
    Column("vehicle", Text, nullable=True, comment="As the rider read it on the bus, or as the app was told"),
    Column("on_board", Boolean, nullable=True, comment="Whether the rider sat in that bus"),
    Column("comment", Text, nullable=False, server_default=""),
    CheckConstraint(f"char_length(comment) <= {LONGEST_COMMENT}", name="comment"),
    Index(None, "at"),
    Index(None, "code", "at"),
)
