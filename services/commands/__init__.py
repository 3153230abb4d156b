"""What can `vigia` be told to do?

Each module has NAME, HELP, `arguments(parser)` and `run(arguments) -> int`. A name's hyphen is the
module's underscore.
"""

from collections.abc import Mapping

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
    "duty",
    "drill",
    "sirens",
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
    "report",
)
_OWNER, _PIPELINE, _NOTIFIER, _API, _UPKEEP = (
    f"vigia_{name}" for name in ("owner", "pipeline", "notifier", "api", "upkeep")
)
DATABASE_ROLES: Mapping[str, str | None] = {
    "demo": None,
    "migrate": _OWNER,
    "backup": None,
    "restore": None,
    "check-seed": None,
    "load": _UPKEEP,
    "gtfs": _UPKEEP,
    "pipeline": _PIPELINE,
    "poll": None,
    "notifier": _NOTIFIER,
    "api": _API,
    "learn": _UPKEEP,
    "bench": None,
    "simulate": None,
    "replay": None,
    "rejections": _PIPELINE,
    "devices": None,
    "certificates": None,
    "people": _UPKEEP,
    "token": _UPKEEP,
    "redact": _UPKEEP,
    "retain": _UPKEEP,
    "upkeep": _UPKEEP,
    "qc": None,
    "skill": None,
    "transit": None,
    "asyncapi": None,
    "register": None,
    "log": _UPKEEP,
    "watchdog": None,
    "report": _UPKEEP,
    "duty": _UPKEEP,
    "drill": _UPKEEP,
    "sirens": _NOTIFIER,
}
"""The database role under which each command runs where the roles are apart: what it may do ends there.

None: it needs no database of a city, or the superuser's (`backup`, `restore`), or reads with any role.
"""
