"""Check how full the disks beside database and broker are, as upkeep reports it. Pure, but for `disk_shares`."""

import shutil
from collections.abc import Iterator, Mapping, Sequence

from alerts.system_faults import SystemFault, colour_above
from models.alert import NAR, Cause
from services.queries.city.processes import Process

DISK = "disk"
STATUS = "disk_used_"
"""The first part of the key of a disk in the status of a process; its value is a share of 1."""
LIMITS = {NAR.ROJO: 0.85, NAR.AMARILLO: 0.70}
EASED = 0.975
"""The share of its limit below which a disk must come before its colour eases."""


def disk_shares(disks: Mapping[str, str]) -> dict[str, object]:
    """How full each disk is, for the status of a process. One that cannot be looked at is left out."""
    shares: dict[str, object] = {}
    for name, folder in disks.items():
        try:
            usage = shutil.disk_usage(folder)
        except OSError:
            continue
        # As df does: what only the superuser may use counts as used.
        shares[f"{STATUS}{name}"] = round(1.0 - usage.free / max(usage.used + usage.free, 1), 4)
    return shares


def disk_faults(processes: Sequence[Process], firing: Mapping[str, NAR]) -> Iterator[SystemFault]:
    """One state for each disk that is reported. `firing`: the colours of the alerts that are open."""
    for one in processes:
        for key, used in one.status.items():
            if key.startswith(STATUS) and isinstance(used, int | float):
                disk = key.removeprefix(STATUS)
                name = f"{DISK}/{disk}"
                nar = colour_above(LIMITS, used, firing.get(name, NAR.VERDE), eased=EASED)
                limit = LIMITS.get(nar, LIMITS[NAR.AMARILLO])
                yield SystemFault(name, nar, Cause.DISK, {"disk": disk, "share_used": used, "share_limit": limit})
