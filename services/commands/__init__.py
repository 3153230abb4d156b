"""What `vigia` can be told to do. Each module has NAME, HELP, `arguments(parser)` and `run(arguments) -> int`."""

COMMANDS = ("migrate", "load", "pipeline", "simulate", "replay", "retain", "qc", "asyncapi", "register")
