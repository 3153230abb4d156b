"""What `vigia` can be told to do. Each module has NAME, HELP, `arguments(parser)` and `run(arguments) -> int`."""

COMMANDS = (
    "demo",
    "migrate",
    "load",
    "pipeline",
    "poll",
    "notifier",
    "api",
    "learn",
    "bench",
    "simulate",
    "replay",
    "rejections",
    "token",
    "retain",
    "upkeep",
    "qc",
    "skill",
    "transit",
    "asyncapi",
    "register",
)
