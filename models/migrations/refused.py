"""Why a database is not migrated. Each message says what is wrong and what to do."""


class MigrationRefused(Exception):
    """The database is left as it is."""


class NewerSchema(MigrationRefused):
    """The database's schema was made by a newer version."""


class ConversionRefused(MigrationRefused):
    """Moving to TimescaleDB would delete old readings, and the clock may be wrong."""


class InterruptedRestore(MigrationRefused):
    """A restore was killed in the middle: TimescaleDB hides part of the rows."""
