"""What can `vigia` be told to do?

Each module has NAME, HELP, `arguments(parser)` and `run(arguments) -> int`. A name's hyphen is the
module's underscore.
"""

COMMANDS = (
    "demo",
    "migrate",
    "backup",
    "restore",
    "check-seed",
    "load",
    "gtfs",
    "pipeline",
    "poll",
    "notifier",
    "api",
    "learn",
    "bench",
    "simulate",
    "replay",
    "rejections",
    "devices",
    "certificates",
    "people",
    "token",
    "redact",
    "retain",
    "upkeep",
    "qc",
    "skill",
    "transit",
    "asyncapi",
    "register",
    "log",
    "watchdog",
)
